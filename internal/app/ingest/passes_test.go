package ingest_test

import (
	"testing"
	"testing/synctest"

	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

func TestALostCursorStartsANewPass(t *testing.T) {
	t.Parallel()
	for _, kind := range []domain.Kind{domain.CursorExpired, domain.CursorInvalid} {
		b := newBench()
		source := says(t, of(3, "a", "1", "2"), domaintest.FailWith(kind), of(3, "b", "1", "2"), of(3, "", "3"))
		sum, err := b.run(t.Context(), source)
		if err != nil || sum.Pass != 2 || !sum.Done || sum.Counts != (domain.Counts{Received: 5, Inserted: 3, Duplicate: 2}) {
			t.Errorf("%s: %+v, %v", kind, sum, err)
		}
		source.wantAsked("", "a", "", "b")
		b.wantStored(t, 1, 2, 3)
		if len(b.seen.passes) != 1 || b.seen.passes[0] != (domain.Position{Pass: 2, MaxOffset: 2}) {
			t.Errorf("%s: the observer was told of %+v", kind, b.seen.passes)
		}
	}
}

// TestACursorLostBehindTheAnnouncedTotalStartsANewPass: only the API can say that the stream has ended. What was announced
// is not more than what was received, yet there may be more.
func TestACursorLostBehindTheAnnouncedTotalStartsANewPass(t *testing.T) {
	t.Parallel()
	for _, kind := range []domain.Kind{domain.CursorExpired, domain.CursorInvalid} {
		for _, announced := range []int64{0, 1, 2, unannounced} {
			b := newBench()
			source := says(t, of(announced, "a", "1", "2"), domaintest.FailWith(kind), of(3, "b", "1", "2"), of(3, "", "3"))
			sum, err := b.run(t.Context(), source)
			if err != nil || sum.Pass != 2 {
				t.Errorf("%s with %d announced: %+v, %v", kind, announced, sum, err)
			}
			b.wantStored(t, 1, 2, 3)
		}
	}
}

func TestPassesThatGetNoFurtherEnd(t *testing.T) {
	t.Parallel()
	lost := domaintest.FailWith(domain.CursorExpired)
	source := says(t,
		of(9, "a", "1"), of(9, "b", "2"), lost, // gets to 2
		of(9, "a", "1"), lost, // no further: once
		of(9, "a", "1"), of(9, "b", "2"), of(9, "c", "3"), lost, // further: counted afresh
		of(9, "a", "1"), lost, of(9, "a", "1"), of(9, "b", "2"), lost, lost) // three in a row
	b := newBench()
	sum, err := b.run(t.Context(), source)
	if domain.KindOf(err) != domain.CursorExpired {
		t.Fatalf("it ended with %v", err)
	}
	source.wantAsked("", "a", "b", "", "a", "", "a", "b", "c", "", "a", "", "a", "b", "")
	b.wantStored(t, 1, 2, 3)
	if sum.Inserted != 3 {
		t.Errorf("%+v", sum)
	}
}

// TestALostCursorAtTheStartCostsNoPass: it was lost while nobody ran.
func TestALostCursorAtTheStartCostsNoPass(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		if _, err := b.run(t.Context(), says(t, of(9, "a", "1"), of(9, "b", "2"), domaintest.FailWith(domain.Invalid))); domain.KindOf(err) != domain.Invalid {
			t.Fatal(err)
		}
		lost := domaintest.FailWith(domain.CursorExpired)
		source := says(t, lost, of(9, "a", "1"), lost, of(9, "a", "1"), lost, of(9, "a", "1"), lost).from("b")
		sum, err := b.run(t.Context(), source)
		if domain.KindOf(err) != domain.CursorExpired || sum.Pass != 4 {
			t.Errorf("in pass %d: %v", sum.Pass, err)
		}
	})
}
