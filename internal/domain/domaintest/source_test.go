package domaintest_test

import (
	"slices"
	"testing"

	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

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

func TestCleanStream(t *testing.T) {
	t.Parallel()
	source := domaintest.NewCleanStream(10, 4).At("4", domaintest.FailWith(domain.Transient))
	var got []string
	var cursors []domain.Cursor
	req := domain.PageRequest{Limit: 3}
	for {
		page, err := source.FetchPage(t.Context(), req)
		if domain.KindOf(err) == domain.Transient {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if page.Total != (domain.Total{N: 10, Known: true}) {
			t.Fatalf("total %+v", page.Total)
		}
		for _, r := range page.Records {
			got = append(got, string(r.Payload))
		}
		if page.Last {
			break
		}
		cursors = append(cursors, page.Next)
		req = domain.PageRequest{Cursor: page.Next, Limit: 100}
	}
	if want := []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}; !slices.Equal(got, want) {
		t.Errorf("records %v", got)
	}
	if want := []domain.Cursor{"3", "7"}; !slices.Equal(cursors, want) {
		t.Errorf("cursors %v", cursors)
	}
	fresh := domaintest.NewCleanStream(10, 4)
	if _, err := fresh.FetchPage(t.Context(), domain.PageRequest{Cursor: "foreign"}); domain.KindOf(err) != domain.CursorInvalid {
		t.Errorf("a foreign cursor: %v", err)
	}
}

// TestRequestsThatTheScriptDoesNotExpect: a source that answered them would hide that a reader lost its place.
func TestRequestsThatTheScriptDoesNotExpect(t *testing.T) {
	t.Parallel()
	script := domaintest.NewScriptedSource
	page := domaintest.PageOf("b", "1")
	tests := []struct {
		name   string
		source *domaintest.ScriptedSource
		asked  []domain.Cursor // all but the last one are answered
	}{
		{"first of all a page in the middle", script(page), []domain.Cursor{"a"}},
		{"the head where a run goes on", script(page).From("a"), []domain.Cursor{""}},
		{"past the script", script(page), []domain.Cursor{"", "b"}},
		{"a page that was given already", script(page, page), []domain.Cursor{"", ""}},
		{"a cursor that no page led to", script(page, page), []domain.Cursor{"", "c"}},
		{"behind a page that must not be taken", script(page.AskedAgain(), page), []domain.Cursor{"", "b"}},
		{"behind a page that failed", script(page, domaintest.FailWith(domain.BadPage), page), []domain.Cursor{"", "b", "c"}},
		{"the head after a failure", script(page, domaintest.FailWith(domain.Transient), page), []domain.Cursor{"", "b", ""}},
		{"the head after an end", script(page, domaintest.LastPageOf("2"), page), []domain.Cursor{"", "b", ""}},
		{"a lost cursor again", script(page, domaintest.FailWith(domain.CursorExpired), page), []domain.Cursor{"", "b", "b"}},
		{"a page of a clean stream left out", domaintest.NewCleanStream(9, 2), []domain.Cursor{"2", "6"}},
		{"the head in the middle of a clean stream", domaintest.NewCleanStream(9, 2), []domain.Cursor{"2", ""}},
		{"a lost cursor of a clean stream again", domaintest.NewCleanStream(9, 2).At("2", domaintest.FailWith(domain.CursorInvalid)), []domain.Cursor{"2", "2"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for i, cursor := range tt.asked {
				_, err := tt.source.FetchPage(t.Context(), domain.PageRequest{Cursor: cursor})
				if unexpected := err != nil && domain.KindOf(err) == domain.Unknown; unexpected != (i == len(tt.asked)-1) {
					t.Errorf("request %d for %q: %v", i+1, cursor, err)
				}
			}
		})
	}
}
