package domaintest

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

// A SourceUnderTest makes sources that have sent nothing yet, on an upstream that gives these answers one after the
// other. The sources keep no distance between requests. Every payload is JSON and holds no space around.
type SourceUnderTest struct {
	Open func(answers ...Answer) (domain.EventSource, Upstream)
}

// An Upstream is the other side of a source, as it sees it.
type Upstream interface {
	// Requests are those that came in, in order.
	Requests() []domain.PageRequest
}

// SourceChecks are the contract of domain.EventSource. They are to run in a bubble of testing/synctest, as
// RunSourceChecks does: they tell by its clock that a source does not sleep.
func SourceChecks() []Check[SourceUnderTest] {
	return []Check[SourceUnderTest]{
		{"a page has its records in order", pageHasItsRecords},
		{"a page says how the stream goes on", pageSaysHowItGoesOn},
		{"a last page has no cursor", lastPageHasNoCursor},
		{"an empty page is a page", emptyPageIsAPage},
		{"a page has a receipt", pageHasAReceipt},
		{"a receipt has the quota that was announced", receiptHasTheQuota},
		{"the request arrives as it was made", requestArrives},
		{"the same request again is answered again", sameRequestAgain},
		{"a page's bytes belong to the caller", bytesBelongToTheCaller},
		{"each failure has its kind", failuresHaveTheirKind},
		{"a failure is one attempt and takes no time", oneAttempt},
		{"a failure does not spoil the next request", failureDoesNotSpoil},
		{"a refusal says until when", refusalSaysUntil},
		{"nothing is sent before a refusal ends", refusalHolds},
		{"after a refusal has ended requests are sent", refusalEnds},
		{"a refusal that does not say until when holds nothing back", unsaidRefusal},
		{"an ended context sends nothing", endedContext},
		{"a context that ends stops the request at once", contextEnds},
		{"a deadline stops the request, too", deadlineEnds},
	}
}

// RunSourceChecks runs each check as a subtest in a bubble of its own, on what fresh makes for it in there.
func RunSourceChecks(t *testing.T, fresh func(*testing.T) SourceUnderTest) {
	t.Helper()
	for _, check := range SourceChecks() {
		t.Run(check.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if err := check.Run(t.Context(), fresh(t)); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// letPass lets time pass, of which the bubble makes nothing.
func letPass(d time.Duration) { time.Sleep(d) }

// expectKind checks what every error of the port must be.
func expectKind(page domain.Page, err error, kind domain.Kind, unsent bool) error {
	failure := domain.AsError(err)
	switch {
	case failure == nil:
		return fmt.Errorf("want an error of kind %s, got a page of %d records and %w", kind, len(page.Records), err)
	case failure.Kind != kind:
		return fmt.Errorf("kind is %s, want %s: %w", failure.Kind, kind, err)
	case failure.Unsent != unsent:
		return fmt.Errorf("the field Unsent is %v, want %v: %w", failure.Unsent, unsent, err)
	case failure.Op == "" || failure.Err == nil:
		return fmt.Errorf("the error lacks its operation or its cause, its kind is %s", failure.Kind)
	case len(page.Records) > 0 || page.Next != "" || page.Last:
		return fmt.Errorf("the page %+v came with %w", page, err)
	}
	return nil
}

// fetch asks for the head of the stream.
func fetch(ctx context.Context, s domain.EventSource) (domain.Page, error) {
	return fetchFrom(ctx, s, "")
}

func fetchFrom(ctx context.Context, s domain.EventSource, cursor domain.Cursor) (domain.Page, error) {
	return s.FetchPage(ctx, domain.PageRequest{Cursor: cursor, Limit: 10})
}

func expectRequests(up Upstream, want int) error {
	if got := len(up.Requests()); got != want {
		return fmt.Errorf("%d requests were sent, want %d", got, want)
	}
	return nil
}
