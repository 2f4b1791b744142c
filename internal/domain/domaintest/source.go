package domaintest

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

// A SourceUnderTest opens new sources on an upstream that gives these answers one after the other. The sources do not limit
// their request rate by themselves. Every payload is JSON without surrounding white space.
type SourceUnderTest struct {
	Open func(answers ...Answer) (domain.EventSource, Upstream)
}

// An Upstream is the other side of a source.
type Upstream interface {
	// Requests returns the received requests in order.
	Requests() []domain.PageRequest
}

// SourceChecks returns the checks of the contract of [domain.EventSource]. They must run in a bubble of testing/synctest, see
// [RunSourceChecks]: they use its clock to check that a source does not sleep.
func SourceChecks() []Check[SourceUnderTest] {
	return []Check[SourceUnderTest]{
		{"a page has its records in order", checkRecords},
		{"a page has cursor, total and expiry", checkPageFields},
		{"a last page has no cursor", checkLastPage},
		{"an empty page is a page", checkEmptyPages},
		{"a page has a receipt", checkReceipt},
		{"a receipt has the quota that was announced", checkQuota},
		{"the request arrives unchanged", checkRequests},
		{"the same request again is sent again", checkSameRequestAgain},
		{"a page's bytes belong to the caller", checkBytesBelongToCaller},
		{"each failure has its kind", checkErrorKinds},
		{"a failure is one attempt and takes no time", checkOneAttempt},
		{"a failure does not affect the next request", checkRequestAfterFailure},
		{"a refusal has its end", checkRefusalUntil},
		{"nothing is sent before a refusal ends", checkRefusalHolds},
		{"after a refusal has ended requests are sent", checkRefusalEnds},
		{"a refusal without an end holds nothing back", checkRefusalWithoutUntil},
		{"an ended context sends nothing", checkEndedContext},
		{"a context that ends stops the request at once", checkContextEnds},
		{"a deadline stops the request at once", checkDeadlineEnds},
	}
}

// RunSourceChecks runs each check as a subtest in its own bubble of testing/synctest, on a new source.
func RunSourceChecks(t *testing.T, newSource func(*testing.T) SourceUnderTest) {
	t.Helper()
	for _, check := range SourceChecks() {
		t.Run(check.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if err := check.Run(t.Context(), newSource(t)); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// sleep advances the clock of the bubble. It takes no real time.
func sleep(d time.Duration) { time.Sleep(d) }

// wantErrorKind checks the kind of an error, and what holds for every error of the port.
func wantErrorKind(page domain.Page, err error, kind domain.Kind, unsent bool) error {
	failure := domain.AsError(err)
	switch {
	case failure == nil:
		return fmt.Errorf("got a page of %[2]d records and %[3]w, want an error of kind %[1]s", kind, len(page.Records), err)
	case failure.Kind != kind:
		return fmt.Errorf("got kind %s, want %s: %w", failure.Kind, kind, err)
	case failure.Unsent != unsent:
		return fmt.Errorf("got Unsent %v, want %v: %w", failure.Unsent, unsent, err)
	case failure.Op == "" || failure.Err == nil:
		return fmt.Errorf("the error of kind %s lacks its operation or its cause", failure.Kind)
	case len(page.Records) > 0 || page.Next != "" || page.Last:
		return fmt.Errorf("got page %+v with error %w", page, err)
	}
	return nil
}

// fetch fetches the first page of the stream.
func fetch(ctx context.Context, s domain.EventSource) (domain.Page, error) {
	return fetchAt(ctx, s, "")
}

func fetchAt(ctx context.Context, s domain.EventSource, cursor domain.Cursor) (domain.Page, error) {
	return s.FetchPage(ctx, domain.PageRequest{Cursor: cursor, Limit: 10})
}

func wantRequests(up Upstream, want int) error {
	if got := len(up.Requests()); got != want {
		return fmt.Errorf("got %d requests, want %d", got, want)
	}
	return nil
}

func checkRecords(ctx context.Context, under SourceUnderTest) error {
	payloads := []string{`{"id":1}`, `{"id":1}`, `2`, `"three"`, `[]`}
	src, _ := under.Open(PageOf("next", payloads...))
	page, err := fetch(ctx, src)
	if err != nil {
		return err
	}
	if len(page.Records) != len(payloads) {
		return fmt.Errorf("got %d records, want %d", len(page.Records), len(payloads))
	}
	for i, r := range page.Records {
		if string(r.Payload) != payloads[i] || r.Index != i {
			return fmt.Errorf("record %d: got %q at index %d, want %q", i, r.Payload, r.Index, payloads[i])
		}
	}
	return nil
}

func checkPageFields(ctx context.Context, under SourceUnderTest) error {
	src, _ := under.Open(
		PageOf("opaque+/= ü", `1`).WithTotal(7).WithExpiry(118*time.Second),
		PageOf("plain", `2`),
	)
	page, err := fetch(ctx, src)
	if err != nil {
		return err
	}
	want := domain.Total{N: 7, Known: true}
	if page.Next != "opaque+/= ü" || page.Last || page.Total != want || page.ExpiresIn != 118*time.Second {
		return fmt.Errorf("got next %q, last %v, total %+v, expires in %s", page.Next, page.Last, page.Total, page.ExpiresIn)
	}
	if page, err = fetchAt(ctx, src, page.Next); err != nil {
		return err
	}
	if page.Total.Known || page.ExpiresIn != 0 {
		return fmt.Errorf("got total %+v, expires in %s; want neither", page.Total, page.ExpiresIn)
	}
	return nil
}

func checkLastPage(ctx context.Context, under SourceUnderTest) error {
	src, _ := under.Open(LastPageOf(`1`).WithTotal(1))
	page, err := fetch(ctx, src)
	if err != nil {
		return err
	}
	if !page.Last || page.Next != "" || page.ExpiresIn != 0 || len(page.Records) != 1 {
		return fmt.Errorf("got last %v, next %q, expires in %s, %d records", page.Last, page.Next, page.ExpiresIn, len(page.Records))
	}
	return nil
}

func checkEmptyPages(ctx context.Context, under SourceUnderTest) error {
	src, _ := under.Open(PageOf("next"), LastPageOf().WithTotal(0))
	page, err := fetch(ctx, src)
	if err != nil || len(page.Records) != 0 || page.Next != "next" || page.Last {
		return fmt.Errorf("in the middle: got %+v, error %w", page, err)
	}
	page, err = fetchAt(ctx, src, page.Next)
	if err != nil || len(page.Records) != 0 || !page.Last || page.Total != (domain.Total{Known: true}) {
		return fmt.Errorf("at the end: got %+v, error %w", page, err)
	}
	return nil
}

func checkReceipt(ctx context.Context, under SourceUnderTest) error {
	src, _ := under.Open(PageOf("next", `{"id":1}`))
	page, err := fetch(ctx, src)
	if err != nil {
		return err
	}
	r := page.Receipt
	if r.RequestID == "" || r.Status != 200 || r.Bytes < int64(len(`{"id":1}`)) || !r.FetchedAt.Equal(time.Now()) {
		return fmt.Errorf("got receipt %+v", r)
	}
	if r.Traffic != (domain.Traffic{}) {
		return fmt.Errorf("got traffic %+v, want none: the caller counts it", r.Traffic)
	}
	return nil
}

func checkQuota(ctx context.Context, under SourceUnderTest) error {
	src, _ := under.Open(
		PageOf("a", `1`).WithQuota(10, 7, 28*time.Second), PageOf("b", `2`).WithQuota(10, 6, 28*time.Second), PageOf("c", `3`),
	)
	reset := time.Now().Add(28 * time.Second)
	var cursor domain.Cursor
	for i, want := range []domain.Quota{
		{Limit: 10, Remaining: 7, Reset: reset}, {Limit: 10, Remaining: 6, Reset: reset}, {},
	} {
		page, err := fetchAt(ctx, src, cursor)
		if err != nil {
			return err
		}
		cursor = page.Next
		got := page.Receipt.Quota
		if got.Limit != want.Limit || got.Remaining != want.Remaining || !got.Reset.Equal(want.Reset) || got.Window != want.Window {
			return fmt.Errorf("page %d: got quota %+v, want %+v", i, got, want)
		}
	}
	return nil
}

func checkRequests(ctx context.Context, under SourceUnderTest) error {
	src, up := under.Open(PageOf("a b&limit=9+/=", `1`), PageOf("n2", `1`))
	want := []domain.PageRequest{{Limit: 3}, {Cursor: "a b&limit=9+/=", Limit: 1000}}
	for _, req := range want {
		if _, err := src.FetchPage(ctx, req); err != nil {
			return err
		}
	}
	if got := up.Requests(); !slices.Equal(got, want) {
		return fmt.Errorf("got requests %+v, want %+v", got, want)
	}
	return nil
}

func checkSameRequestAgain(ctx context.Context, under SourceUnderTest) error {
	src, up := under.Open(PageOf("next", `1`, `2`).NotAccepted(), PageOf("next", `1`, `2`))
	first, err := fetch(ctx, src)
	if err != nil {
		return err
	}
	second, err := fetch(ctx, src)
	if err != nil {
		return err
	}
	if len(second.Records) != len(first.Records) || second.Next != first.Next {
		return fmt.Errorf("got first %+v, then %+v; want the same", first, second)
	}
	return wantRequests(up, 2)
}

func checkBytesBelongToCaller(ctx context.Context, under SourceUnderTest) error {
	answer := PageOf("next", `{"id":1}`, `{"id":2}`).NotAccepted()
	src, _ := under.Open(answer, answer)
	first, err := fetch(ctx, src)
	if err != nil {
		return err
	}
	original := bytes.Clone(first.Records[1].Payload)
	second, err := fetch(ctx, src)
	if err != nil {
		return err
	}
	clear(second.Records[1].Payload)
	_ = append(first.Records[0].Payload, "overrun"...)
	if !bytes.Equal(first.Records[1].Payload, original) {
		return fmt.Errorf("the page was changed to %q", first.Records[1].Payload)
	}
	return nil
}
