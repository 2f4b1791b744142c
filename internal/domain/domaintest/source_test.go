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
	if _, err := source.FetchPage(t.Context(), domain.PageRequest{Cursor: "foreign"}); domain.KindOf(err) != domain.CursorInvalid {
		t.Errorf("a foreign cursor: %v", err)
	}
}

func TestScriptEndsLoudly(t *testing.T) {
	t.Parallel()
	source := domaintest.NewScriptedSource().At("a", domaintest.LastPageOf("1"))
	if _, err := source.FetchPage(t.Context(), domain.PageRequest{Cursor: "a"}); err != nil {
		t.Error(err)
	}
	_, err := source.FetchPage(t.Context(), domain.PageRequest{Cursor: "a"})
	if err == nil || domain.KindOf(err) != domain.Unknown {
		t.Errorf("past the script: %v", err)
	}
}
