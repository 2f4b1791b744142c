package ingest_test

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pawldata/pawl/internal/app/ingest"
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
		Stream: stream, Pass: 1, Seq: 3, Done: true, Announced: domain.Total{N: 5, Known: true}, Accounted: 5, Pages: 3,
		Counts: domain.Counts{Received: 5, Inserted: 5}, Traffic: domain.Traffic{Requests: 3},
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
		second := says(t, of(4, "", "3", "4")).from("a")
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
	if err != nil || sum.Pass != 2 || sum.Seq != 3 || sum.Counts != (domain.Counts{Received: 2, Inserted: 1, Duplicate: 1}) {
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
	source := says(t, of(2, "", "2")).from("a")
	sum, err := b.run(t.Context(), source)
	if err != nil || sum.Pass != 2 || !sum.Done {
		t.Errorf("%+v, %v", sum, err)
	}
	source.wantAsked("a")
}

// TestABadRecordIsParked is I1: what cannot be stored is set aside, and the run goes on.
func TestABadRecordIsParked(t *testing.T) {
	t.Parallel()
	b := newBench()
	sum, err := b.run(t.Context(), says(t, of(3, "a", "1", "two"), of(3, "", "3", "two")))
	if err != nil || !sum.Done {
		t.Fatalf("%+v, %v", sum, err)
	}
	if want := (domain.Counts{Received: 4, Inserted: 2, Duplicate: 1, Parked: 1}); sum.Counts != want {
		t.Errorf("tally %+v, want %+v", sum.Counts, want)
	}
	b.wantStored(t, 1, 3)
	letters := b.db.Letters()
	if len(letters) != 1 || string(letters[0].Payload) != "two" || letters[0].Seen != 2 || letters[0].Why.Reason != "not a number" {
		t.Errorf("letters %+v", letters)
	}
}

// TestTooManyBadRecords: a page of which more than the share that is allowed cannot be stored, ten records at least, stops
// the run before anything of it is stored.
func TestTooManyBadRecords(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		good, bad int
		ratio     float64
		stops     bool
	}{
		{"nine of nine", 0, 9, 0, false},
		{"ten of ten", 0, 10, 0, true},
		{"half", 10, 10, 0.5, false},
		{"more than half", 10, 11, 0.5, true},
		{"a share that binary fractions miss", 71, 29, 0.29, false},
		{"all, which is allowed", 0, 30, 1, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var records []string
			for i := range tt.bad {
				records = append(records, "bad"+strconv.Itoa(i))
			}
			for i := range tt.good {
				records = append(records, strconv.Itoa(i+10))
			}
			b := newBench()
			b.opts.MaxRejectRatio = tt.ratio
			sum, err := b.run(t.Context(), says(t, of(int64(len(records)+1), "a", "1"), of(int64(len(records)+1), "", records...)))
			if !tt.stops {
				if err != nil || int(sum.Parked) != tt.bad {
					t.Errorf("%+v, %v", sum, err)
				}
				return
			}
			if domain.KindOf(err) != domain.TooManyRejects || sum.Seq != 1 {
				t.Fatalf("%+v, %v", sum, err)
			}
			for _, want := range []string{strconv.Itoa(tt.bad) + " of", "after record 1", `"not a number"`, "record 2", `"bad2"`} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not name %q", err, want)
				}
			}
			if remedy := domain.RemedyOf(err); remedy != domain.ParkRejects {
				t.Errorf("the remedy is %d", remedy)
			}
			if len(b.db.Letters()) > 0 {
				t.Error("letters of the page were kept")
			}
			b.wantStored(t, 1)
		})
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

// A slow decoder takes three seconds for each record.
type slowDecoder struct{ domaintest.LineDecoder }

func (d slowDecoder) Decode(r domain.Record) (domain.Event, []domain.Drift, error) {
	time.Sleep(3 * time.Second)
	return d.LineDecoder.Decode(r)
}

// TestAPageThatTakesLongToDecodeDoesNotKeepARunFromStopping: it gets ten seconds more.
func TestAPageThatTakesLongToDecodeDoesNotKeepARunFromStopping(t *testing.T) {
	t.Parallel()
	for records, stored := range map[int]int{3: 3, 5: 0} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench()
			ctx, cancel := context.WithCancel(t.Context())
			page := []string{"1", "2", "3", "4", "5"}[:records]
			source := says(t, of(6, "a", page...)).meanwhile(1, cancel)
			began := time.Now()
			sum, err := ingest.New(source, slowDecoder{}, b.store, b.seen, b.opts).Run(ctx)
			if domain.KindOf(err) != domain.Stopped || int(sum.Inserted) != stored {
				t.Errorf("%d records: %d stored, error %v", records, sum.Inserted, err)
			}
			if took := time.Since(began); took > 12*time.Second {
				t.Errorf("%d records: stopped after %s", records, took)
			}
		})
	}
}

func TestAnotherOriginIsRefused(t *testing.T) {
	t.Parallel()
	b := newBench()
	if _, err := b.run(t.Context(), says(t, of(1, "", "1"))); err != nil {
		t.Fatal(err)
	}
	b.opts.SourceURL = "https://other.example"
	source := says(t)
	sum, err := b.run(t.Context(), source)
	if domain.KindOf(err) != domain.Invalid || sum.Pass != 0 {
		t.Errorf("%+v, %v", sum, err)
	}
	source.wantAsked()
}
