package domaintest_test

import (
	"slices"
	"testing"

	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

// openScripted returns a ScriptedSource as the source and as its own upstream.
func openScripted(answers ...domaintest.Answer) (domain.EventSource, domaintest.Upstream) {
	s := domaintest.NewScriptedSource(answers...)
	return s, s
}

func TestScriptedSource(t *testing.T) {
	t.Parallel()
	domaintest.RunSourceChecks(t, func(*testing.T) domaintest.SourceUnderTest {
		return domaintest.SourceUnderTest{Open: openScripted}
	})
}

// TestCleanStream checks that NewCleanStream returns all records, in pages of at most the page size and the limit of the request.
// The first request for the second page fails, and the retry must continue there.
func TestCleanStream(t *testing.T) {
	t.Parallel()
	const records, pageSize, smallLimit, largeLimit = 10, 4, 3, 100
	source := domaintest.NewCleanStream(records, pageSize).At("3", domaintest.FailWith(domain.Transient))
	var got []string
	var cursors []domain.Cursor
	req := domain.PageRequest{Limit: smallLimit}
	for {
		page, err := source.FetchPage(t.Context(), req)
		if domain.KindOf(err) == domain.Transient {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if want := (domain.Total{N: records, Known: true}); page.Total != want {
			t.Fatalf("got total %+v, want %+v", page.Total, want)
		}
		for _, r := range page.Records {
			got = append(got, string(r.Payload))
		}
		if page.Last {
			break
		}
		cursors = append(cursors, page.Next)
		req = domain.PageRequest{Cursor: page.Next, Limit: largeLimit}
	}
	if want := []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}; !slices.Equal(got, want) {
		t.Errorf("got records %v, want %v", got, want)
	}
	// The first page ends after smallLimit records, the second page after pageSize more.
	if want := []domain.Cursor{"3", "7"}; !slices.Equal(cursors, want) {
		t.Errorf("got cursors %v, want %v", cursors, want)
	}
	source = domaintest.NewCleanStream(records, pageSize)
	if _, err := source.FetchPage(t.Context(), domain.PageRequest{Cursor: "unknown"}); domain.KindOf(err) != domain.CursorInvalid {
		t.Errorf("unknown cursor: got %v, want CursorInvalid", err)
	}
}

// TestScriptedSource_UnexpectedRequests checks that a source answers a request with an unexpected cursor with an error of kind
// Unknown. If it answered with a page, tests would not find readers that read from a wrong position.
func TestScriptedSource_UnexpectedRequests(t *testing.T) {
	t.Parallel()
	script := domaintest.NewScriptedSource
	page := domaintest.PageOf("b", "1")
	const records, pageSize = 9, 2 // of the clean streams
	tests := []struct {
		name   string
		source *domaintest.ScriptedSource
		asked  []domain.Cursor // the cursors of the requests; only the last one is unexpected; "" is the head
	}{
		{
			name:   "the first request is not for the head",
			source: script(page), asked: []domain.Cursor{"a"},
		},
		{
			name:   "the first request is for the head, but the source expects a cursor",
			source: script(page).From("a"), asked: []domain.Cursor{""},
		},
		{
			name:   "the script has no answer left",
			source: script(page), asked: []domain.Cursor{"", "b"},
		},
		{
			name:   "the page was already returned",
			source: script(page, page), asked: []domain.Cursor{"", ""},
		},
		{
			name:   "the cursor is of no page",
			source: script(page, page), asked: []domain.Cursor{"", "c"},
		},
		{
			name:   "the reader accepts a page that it must not accept",
			source: script(page.NotAccepted(), page), asked: []domain.Cursor{"", "b"},
		},
		{
			name:   "the reader skips a page that failed",
			source: script(page, domaintest.FailWith(domain.BadPage), page), asked: []domain.Cursor{"", "b", "c"},
		},
		{
			name:   "the head after a failed page",
			source: script(page, domaintest.FailWith(domain.Transient), page), asked: []domain.Cursor{"", "b", ""},
		},
		{
			name:   "the head after a last page",
			source: script(page, domaintest.LastPageOf("2"), page), asked: []domain.Cursor{"", "b", ""},
		},
		{
			name:   "an expired cursor again",
			source: script(page, domaintest.FailWith(domain.CursorExpired), page), asked: []domain.Cursor{"", "b", "b"},
		},
		{
			name:   "the reader skips a page of a clean stream",
			source: domaintest.NewCleanStream(records, pageSize), asked: []domain.Cursor{"2", "6"},
		},
		{
			name:   "the head in the middle of a clean stream",
			source: domaintest.NewCleanStream(records, pageSize), asked: []domain.Cursor{"2", ""},
		},
		{
			name:   "an invalid cursor of a clean stream again",
			source: domaintest.NewCleanStream(records, pageSize).At("2", domaintest.FailWith(domain.CursorInvalid)),
			asked:  []domain.Cursor{"2", "2"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for i, cursor := range tt.asked {
				_, err := tt.source.FetchPage(t.Context(), domain.PageRequest{Cursor: cursor})
				isUnexpected := err != nil && domain.KindOf(err) == domain.Unknown
				isLast := i == len(tt.asked)-1
				if isLast && !isUnexpected {
					t.Errorf("request %d for %q: got error %v, want an error of kind Unknown", i+1, cursor, err)
				}
				if !isLast && isUnexpected {
					t.Errorf("request %d for %q: got error %v, want an answer of the script", i+1, cursor, err)
				}
			}
		})
	}
}
