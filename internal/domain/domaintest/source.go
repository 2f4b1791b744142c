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

// A SourceUnderTest opens sources for the checks.
type SourceUnderTest struct {
	// Open returns a new source and the upstream that it reads from. The upstream gives these answers, one after the other.
	// The source has no rate limit of its own, so it sends every request at once. Every payload in the answers is JSON
	// without surrounding white space.
	Open func(answers ...Answer) (domain.EventSource, Upstream)
}

// An Upstream is the API that a source reads from.
type Upstream interface {
	// Requests returns the received requests in order.
	Requests() []domain.PageRequest
}

// SourceChecks returns the checks of the contract of [domain.EventSource]. They need a bubble of testing/synctest, because its
// clock shows whether a source sleeps. [RunSourceChecks] runs each check in such a bubble.
func SourceChecks() []Check[SourceUnderTest] {
	return []Check[SourceUnderTest]{
		{"a page has its records in order", checkRecords},
		{"a page has its cursor, total and expiry", checkPageFields},
		{"a last page has no cursor", checkLastPage},
		{"an empty page is not an end", checkEmptyPages},
		{"a page has a receipt", checkReceipt},
		{"a receipt has the quota of its answer", checkQuota},
		{"the request arrives unchanged", checkRequests},
		{"a repeated request is sent again", checkSameRequestAgain},
		{"a page's bytes belong to the caller", checkBytesBelongToCaller},
		{"each failure has its kind", checkErrorKinds},
		{"a failure is one attempt and takes no time", checkOneAttempt},
		{"a failure does not affect the next request", checkRequestAfterFailure},
		{"a refusal says when it ends", checkRefusalUntil},
		{"nothing is sent before a refusal ends", checkRefusalHolds},
		{"requests are sent after a refusal has ended", checkRefusalEnds},
		{"a refusal without an end does not hold back the next request", checkRefusalWithoutUntil},
		{"nothing is sent with an ended context", checkEndedContext},
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

// sleep advances the clock of the synctest bubble. It takes no real time.
func sleep(d time.Duration) { time.Sleep(d) }

// wantSentError returns an error unless err has this kind and says that the request was sent.
func wantSentError(page domain.Page, err error, kind domain.Kind) error {
	return wantSourceError(page, err, kind, false)
}

// wantUnsentError returns an error unless err has this kind and says that no request was sent.
func wantUnsentError(page domain.Page, err error, kind domain.Kind) error {
	return wantSourceError(page, err, kind, true)
}

// wantSourceError returns an error unless err has this kind and this value of Unsent. It also checks the rules for all errors of a
// source. Such an error has an operation and a cause, and comes with an empty page.
func wantSourceError(page domain.Page, err error, kind domain.Kind, unsent bool) error {
	failure := domain.AsError(err)
	switch {
	case failure == nil:
		return fmt.Errorf("got a page of %d records and error %w, want an error of kind %s", len(page.Records), err, kind)
	case failure.Kind != kind:
		return fmt.Errorf("got kind %s, want %s: %w", failure.Kind, kind, err)
	case failure.Unsent != unsent:
		return fmt.Errorf("got Unsent %v, want %v: %w", failure.Unsent, unsent, err)
	case failure.Op == "" || failure.Err == nil:
		return fmt.Errorf("the error of kind %s lacks its operation or its cause", failure.Kind)
	}
	isEmpty := len(page.Records) == 0 && page.Next == "" && !page.Last
	if !isEmpty {
		return fmt.Errorf("got page %+v with an error, want no page; error %w", page, err)
	}
	return nil
}

// pageLimit is the limit of the requests that fetch and fetchAt send.
const pageLimit = 10

// fetch fetches the first page of the stream.
func fetch(ctx context.Context, src domain.EventSource) (domain.Page, error) {
	return fetchAt(ctx, src, "")
}

// fetchAt fetches the page that begins at cursor.
func fetchAt(ctx context.Context, src domain.EventSource, cursor domain.Cursor) (domain.Page, error) {
	return src.FetchPage(ctx, domain.PageRequest{Cursor: cursor, Limit: pageLimit})
}

// wantRequests returns an error unless the upstream has received this number of requests.
func wantRequests(up Upstream, want int) error {
	if got := len(up.Requests()); got != want {
		return fmt.Errorf("got %d requests, want %d", got, want)
	}
	return nil
}

// checkRecords fetches a page with two equal records, and with records that are not JSON objects.
func checkRecords(ctx context.Context, tested SourceUnderTest) error {
	payloads := []string{`{"id":1}`, `{"id":1}`, `2`, `"three"`, `[]`}
	src, _ := tested.Open(PageOf("next", payloads...))
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

// checkPageFields fetches a page with a total and an expiry, and then a page without them.
func checkPageFields(ctx context.Context, tested SourceUnderTest) error {
	const (
		next  = domain.Cursor("opaque+/= ü")
		total = 7
		life  = 118 * time.Second
	)
	src, _ := tested.Open(PageOf(next, `1`).WithTotal(total).WithExpiry(life), PageOf("no total and no expiry", `2`))
	page, err := fetch(ctx, src)
	if err != nil {
		return err
	}
	want := domain.Total{N: total, Known: true}
	if page.Next != next || page.Last || page.Total != want || page.ExpiresIn != life {
		return fmt.Errorf("got next %q, last %v, total %+v, expires in %s; want %q, false, %+v, %s",
			page.Next, page.Last, page.Total, page.ExpiresIn, next, want, life)
	}
	if page, err = fetchAt(ctx, src, page.Next); err != nil {
		return err
	}
	if page.Total.Known || page.ExpiresIn != 0 {
		return fmt.Errorf("second page: got total %+v, expires in %s; want neither", page.Total, page.ExpiresIn)
	}
	return nil
}

// checkLastPage fetches a stream of one page, which is the last one.
func checkLastPage(ctx context.Context, tested SourceUnderTest) error {
	src, _ := tested.Open(LastPageOf(`1`).WithTotal(1))
	page, err := fetch(ctx, src)
	if err != nil {
		return err
	}
	if !page.Last || page.Next != "" || page.ExpiresIn != 0 || len(page.Records) != 1 {
		return fmt.Errorf("got last %v, next %q, expires in %s, %d records; want true, no next cursor, no expiry, 1 record",
			page.Last, page.Next, page.ExpiresIn, len(page.Records))
	}
	return nil
}

// checkEmptyPages fetches an empty page in the middle of the stream, and then an empty last page.
func checkEmptyPages(ctx context.Context, tested SourceUnderTest) error {
	src, _ := tested.Open(PageOf("next"), LastPageOf().WithTotal(0))
	page, err := fetch(ctx, src)
	if err != nil {
		return err
	}
	if len(page.Records) != 0 || page.Next != "next" || page.Last {
		return fmt.Errorf("empty page in the middle: got %+v, want no records and a next cursor", page)
	}
	page, err = fetchAt(ctx, src, page.Next)
	if err != nil {
		return err
	}
	if len(page.Records) != 0 || !page.Last || page.Total != (domain.Total{Known: true}) {
		return fmt.Errorf("empty page at the end: got %+v, want no records, last, total 0", page)
	}
	return nil
}

// checkReceipt checks the receipt of a page. The clock of the bubble stands still, so the page is fetched now.
func checkReceipt(ctx context.Context, tested SourceUnderTest) error {
	const payload = `{"id":1}`
	src, _ := tested.Open(PageOf("next", payload))
	page, err := fetch(ctx, src)
	if err != nil {
		return err
	}
	r := page.Receipt
	if r.RequestID == "" || r.Status != 200 {
		return fmt.Errorf("got request id %q and status %d, want an id and 200", r.RequestID, r.Status)
	}
	if r.Bytes < int64(len(payload)) {
		return fmt.Errorf("got a body of %d bytes, want at least the %d bytes of its record", r.Bytes, len(payload))
	}
	if now := time.Now(); !r.FetchedAt.Equal(now) {
		return fmt.Errorf("got a page fetched at %s, want now: %s", r.FetchedAt, now)
	}
	if r.Traffic != (domain.Traffic{}) {
		return fmt.Errorf("got traffic %+v, want none, because the runner counts it", r.Traffic)
	}
	return nil
}

// checkQuota fetches two pages with a quota and one without. Each receipt must have the quota of its own answer.
func checkQuota(ctx context.Context, tested SourceUnderTest) error {
	const resetIn = 28 * time.Second
	reset := time.Now().Add(resetIn)
	quotas := []domain.Quota{{Limit: 10, Remaining: 7, Reset: reset}, {Limit: 10, Remaining: 6, Reset: reset}, {}}
	src, _ := tested.Open(
		PageOf("a", `1`).WithQuota(quotas[0].Limit, quotas[0].Remaining, resetIn),
		PageOf("b", `2`).WithQuota(quotas[1].Limit, quotas[1].Remaining, resetIn),
		PageOf("c", `3`), // an answer without a quota
	)
	var cursor domain.Cursor
	for i, want := range quotas {
		page, err := fetchAt(ctx, src, cursor)
		if err != nil {
			return err
		}
		cursor = page.Next
		got := page.Receipt.Quota
		isSameLimit := got.Limit == want.Limit && got.Remaining == want.Remaining
		isSameTime := got.Reset.Equal(want.Reset) && got.Window == want.Window
		if !isSameLimit || !isSameTime {
			return fmt.Errorf("page %d: got quota %+v, want %+v", i+1, got, want)
		}
	}
	return nil
}

// checkRequests checks that the upstream receives the cursor and the limit of each request. The cursor has characters that have a
// meaning in a URL.
func checkRequests(ctx context.Context, tested SourceUnderTest) error {
	const cursor = domain.Cursor("a b&limit=9+/=")
	src, up := tested.Open(PageOf(cursor, `1`), PageOf("next", `1`))
	want := []domain.PageRequest{{Limit: 3}, {Cursor: cursor, Limit: 1000}}
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

// checkSameRequestAgain makes the same request twice. The source must send both to the upstream.
func checkSameRequestAgain(ctx context.Context, tested SourceUnderTest) error {
	src, up := tested.Open(PageOf("next", `1`, `2`).NotAccepted(), PageOf("next", `1`, `2`))
	first, err := fetch(ctx, src)
	if err != nil {
		return err
	}
	second, err := fetch(ctx, src)
	if err != nil {
		return err
	}
	if len(second.Records) != len(first.Records) || second.Next != first.Next {
		return fmt.Errorf("got %+v for the second request, want the same page as for the first: %+v", second, first)
	}
	return wantRequests(up, 2)
}

// checkBytesBelongToCaller fetches the same page twice. It overwrites the second record of the second copy, and appends to the
// first record of the first copy. The second record of the first copy must not change.
func checkBytesBelongToCaller(ctx context.Context, tested SourceUnderTest) error {
	answer := PageOf("next", `{"id":1}`, `{"id":2}`).NotAccepted()
	src, _ := tested.Open(answer, answer)
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
		return fmt.Errorf("got record %q, want it unchanged: %q", first.Records[1].Payload, original)
	}
	return nil
}
