package ingest_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

func TestRunStoresEveryPage(t *testing.T) {
	t.Parallel()
	b := newBench()
	source := says(t, of(5, "a", "1", "2"), of(5, "b", "3", "4"), of(5, "", "5"))
	sum, err := b.run(t.Context(), source)
	if err != nil {
		t.Fatal(err)
	}
	source.wantAsked("", "a", "b")
	b.wantStored(t, 1, 2, 3, 4, 5)
	sum.Elapsed = 0
	want := domain.Summary{
		Stream: stream, Pass: 1, Seq: 3, Done: true, Announced: domain.Total{N: 5, Known: true}, Pages: 3,
		Tally: domain.Tally{Received: 5, Inserted: 5}, Traffic: domain.Traffic{Requests: 3},
	}
	if sum != want {
		t.Errorf("summary %+v, want %+v", sum, want)
	}
	if len(b.seen.claims) != 1 || len(b.seen.pages) != 3 || len(b.seen.waits) != 0 {
		t.Errorf("the observer was told %+v", b.seen)
	}
}

func TestRunGoesOnFromTheCheckpoint(t *testing.T) {
	t.Parallel()
	b := newBench()
	synctest.Test(t, func(t *testing.T) {
		first := says(t, of(4, "a", "1", "2"), domaintest.FailWith(domain.Invalid))
		if _, err := b.run(t.Context(), first); domain.KindOf(err) != domain.Invalid {
			t.Fatal(err)
		}
		second := says(t, of(4, "", "3", "4"))
		sum, err := b.run(t.Context(), second)
		if err != nil || sum.Pages != 1 || sum.Inserted != 2 || !sum.Done {
			t.Errorf("%+v, %v", sum, err)
		}
		second.wantAsked("a")
		b.wantStored(t, 1, 2, 3, 4)
	})
}

func TestADoneStreamIsNotReadAgainUnlessAsked(t *testing.T) {
	t.Parallel()
	b := newBench()
	if _, err := b.run(t.Context(), says(t, of(1, "", "1"))); err != nil {
		t.Fatal(err)
	}
	nothing := says(t)
	sum, err := b.run(t.Context(), nothing)
	if err != nil || !sum.Done || sum.Pages != 0 {
		t.Errorf("%+v, %v", sum, err)
	}
	nothing.wantAsked()

	b.opts.NewPass = true
	sum, err = b.run(t.Context(), says(t, of(2, "a", "2"), of(2, "", "1")))
	if err != nil || sum.Pass != 2 || sum.Seq != 3 || sum.Tally != (domain.Tally{Received: 2, Inserted: 1, Duplicate: 1}) {
		t.Errorf("%+v, %v", sum, err)
	}
}

// TestANewPassThatWasInterruptedGoesOn: whoever supervises a run repeats its arguments.
func TestANewPassThatWasInterruptedGoesOn(t *testing.T) {
	t.Parallel()
	b := newBench()
	if _, err := b.run(t.Context(), says(t, of(2, "", "1", "2"))); err != nil {
		t.Fatal(err)
	}
	b.opts.NewPass = true
	if _, err := b.run(t.Context(), says(t, of(2, "a", "1"), domaintest.FailWith(domain.Invalid))); domain.KindOf(err) != domain.Invalid {
		t.Fatal(err)
	}
	source := says(t, of(2, "", "2"))
	sum, err := b.run(t.Context(), source)
	if err != nil || sum.Pass != 2 || !sum.Done {
		t.Errorf("%+v, %v", sum, err)
	}
	source.wantAsked("a")
}

// TestAMalformedRecordStopsBeforeItsPage is I1: what cannot be stored is not passed.
func TestAMalformedRecordStopsBeforeItsPage(t *testing.T) {
	t.Parallel()
	b := newBench()
	sum, err := b.run(t.Context(), says(t, of(4, "a", "1", "2"), of(4, "", "3", "four")))
	if domain.KindOf(err) != domain.Rejected {
		t.Fatalf("it ended with %v", err)
	}
	for _, want := range []string{"seq 2", "index 1", "not a number", "four"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not name %q", err, want)
		}
	}
	b.wantStored(t, 1, 2)
	if sum.Seq != 1 || sum.Done || sum.Requests != 2 {
		t.Errorf("summary %+v", sum)
	}
}

func TestASignalFinishesThePageInHand(t *testing.T) {
	t.Parallel()
	b := newBench()
	ctx, cancel := context.WithCancel(t.Context())
	source := says(t, of(6, "a", "1", "2"), of(6, "b", "3", "4")).meanwhile(2, cancel)
	sum, err := b.run(ctx, source)
	if domain.KindOf(err) != domain.Stopped {
		t.Fatalf("it ended with %v", err)
	}
	b.wantStored(t, 1, 2, 3, 4)
	if sum.Seq != 2 || sum.Done {
		t.Errorf("summary %+v", sum)
	}
}

func TestAnotherOriginIsRefused(t *testing.T) {
	t.Parallel()
	b := newBench()
	if _, err := b.run(t.Context(), says(t, of(1, "", "1"))); err != nil {
		t.Fatal(err)
	}
	b.opts.Origin = "https://other.example"
	source := says(t)
	sum, err := b.run(t.Context(), source)
	if domain.KindOf(err) != domain.Invalid || sum.Pass != 0 {
		t.Errorf("%+v, %v", sum, err)
	}
	source.wantAsked()
}
