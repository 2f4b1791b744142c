package ingest_test

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pawldata/pawl/internal/app/ingest"
	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

func TestRun_StoresEveryPage(t *testing.T) {
	t.Parallel()
	f := newFixture()
	source := newScript(t, page(5, "a", "1", "2"), page(5, "b", "3", "4"), page(5, "", "5"))
	sum, err := f.run(t.Context(), source)
	if err != nil {
		t.Fatal(err)
	}
	source.wantRequests("", "a", "b")
	f.wantStored(t, 1, 2, 3, 4, 5)
	sum.Elapsed = 0
	want := domain.Summary{
		Stream: stream, Pass: 1, Seq: 3, Done: true, Announced: domain.Total{N: 5, Known: true}, Accounted: 5, Pages: 3,
		Counts: domain.Counts{Received: 5, Inserted: 5}, Traffic: domain.Traffic{Requests: 3},
	}
	if sum != want {
		t.Errorf("got summary %+v, want %+v", sum, want)
	}
	if len(f.seen.claims) != 1 || len(f.seen.pages) != 3 || len(f.seen.waits) != 0 {
		t.Errorf("got observer calls %+v", f.seen)
	}
}

func TestRun_ContinuesFromCheckpoint(t *testing.T) {
	t.Parallel()
	f := newFixture()
	synctest.Test(t, func(t *testing.T) {
		first := newScript(t, page(4, "a", "1", "2"), domaintest.FailWith(domain.Invalid))
		if _, err := f.run(t.Context(), first); domain.KindOf(err) != domain.Invalid {
			t.Fatal(err)
		}
		second := newScript(t, page(4, "", "3", "4")).startingAt("a")
		sum, err := f.run(t.Context(), second)
		if err != nil || sum.Pages != 1 || sum.Inserted != 2 || !sum.Done {
			t.Errorf("got %+v, %v", sum, err)
		}
		second.wantRequests("a")
		f.wantStored(t, 1, 2, 3, 4)
	})
}

func TestRun_DoneStream(t *testing.T) {
	t.Parallel()
	f := newFixture()
	if _, err := f.run(t.Context(), newScript(t, page(1, "", "1"))); err != nil {
		t.Fatal(err)
	}
	empty := newScript(t)
	sum, err := f.run(t.Context(), empty)
	if err != nil || !sum.Done || sum.Pages != 0 {
		t.Errorf("got %+v, %v", sum, err)
	}
	empty.wantRequests()

	f.opts.NewPass = true
	sum, err = f.run(t.Context(), newScript(t, page(2, "a", "2"), page(2, "", "1")))
	if err != nil || sum.Pass != 2 || sum.Seq != 3 || sum.Counts != (domain.Counts{Received: 2, Inserted: 1, Duplicate: 1}) {
		t.Errorf("got %+v, %v", sum, err)
	}
}

// TestRun_InterruptedNewPass: a supervisor starts an interrupted run with the same arguments, and the pass must continue.
func TestRun_InterruptedNewPass(t *testing.T) {
	t.Parallel()
	f := newFixture()
	if _, err := f.run(t.Context(), newScript(t, page(2, "", "1", "2"))); err != nil {
		t.Fatal(err)
	}
	f.opts.NewPass = true
	if _, err := f.run(
		t.Context(), newScript(t, page(2, "a", "1"), domaintest.FailWith(domain.Invalid)),
	); domain.KindOf(err) != domain.Invalid {
		t.Fatal(err)
	}
	source := newScript(t, page(2, "", "2")).startingAt("a")
	sum, err := f.run(t.Context(), source)
	if err != nil || sum.Pass != 2 || !sum.Done {
		t.Errorf("got %+v, %v", sum, err)
	}
	source.wantRequests("a")
}

// TestRun_ParksBadRecord checks I1: a record that cannot be stored is parked, and the run continues.
func TestRun_ParksBadRecord(t *testing.T) {
	t.Parallel()
	f := newFixture()
	sum, err := f.run(t.Context(), newScript(t, page(3, "a", "1", "two"), page(3, "", "3", "two")))
	if err != nil || !sum.Done {
		t.Fatalf("got %+v, %v", sum, err)
	}
	if want := (domain.Counts{Received: 4, Inserted: 2, Duplicate: 1, Parked: 1}); sum.Counts != want {
		t.Errorf("got counts %+v, want %+v", sum.Counts, want)
	}
	f.wantStored(t, 1, 3)
	letters := f.db.Letters()
	if len(letters) != 1 || string(letters[0].Payload) != "two" || letters[0].Seen != 2 || letters[0].Why.Reason != "not a number" {
		t.Errorf("got dead letters %+v", letters)
	}
}

// TestRun_TooManyRejects: a page with ten rejects or more, and a higher ratio of them than allowed, stops the run before
// anything of it is stored.
func TestRun_TooManyRejects(t *testing.T) {
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
		{"a ratio that binary fractions miss", 71, 29, 0.29, false},
		{"all, if allowed", 0, 30, 1, false},
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
			f := newFixture()
			f.opts.MaxRejectRatio = tt.ratio
			sum, err := f.run(t.Context(), newScript(t, page(int64(len(records)+1), "a", "1"), page(int64(len(records)+1), "", records...)))
			if !tt.stops {
				if err != nil || int(sum.Parked) != tt.bad {
					t.Errorf("got %+v, %v", sum, err)
				}
				return
			}
			if domain.KindOf(err) != domain.TooManyRejects || sum.Seq != 1 {
				t.Fatalf("got %+v, %v", sum, err)
			}
			for _, want := range []string{strconv.Itoa(tt.bad) + " of", "after record 1", `"not a number"`, "record 2", `"bad2"`} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %q, want %q in it", err, want)
				}
			}
			if remedy := domain.RemedyOf(err); remedy != domain.ParkRejects {
				t.Errorf("got remedy %d, want ParkRejects", remedy)
			}
			if len(f.db.Letters()) > 0 {
				t.Error("dead letters of the page were stored")
			}
			f.wantStored(t, 1)
		})
	}
}

func TestRun_CancelledFinishesPage(t *testing.T) {
	t.Parallel()
	f := newFixture()
	ctx, cancel := context.WithCancel(t.Context())
	source := newScript(t, page(6, "a", "1", "2"), page(6, "b", "3", "4")).during(2, cancel)
	sum, err := f.run(ctx, source)
	if domain.KindOf(err) != domain.Stopped {
		t.Fatalf("got error %v, want Stopped", err)
	}
	f.wantStored(t, 1, 2, 3, 4)
	if sum.Seq != 2 || sum.Done {
		t.Errorf("got summary %+v", sum)
	}
}

// A slowDecoder takes three seconds for each record.
type slowDecoder struct{ domaintest.LineDecoder }

func (d slowDecoder) Decode(r domain.Record) (domain.Event, []domain.Drift, error) {
	time.Sleep(3 * time.Second)
	return d.LineDecoder.Decode(r)
}

// TestRun_CancelledWhileDecoding: decoding may continue for ten seconds.
func TestRun_CancelledWhileDecoding(t *testing.T) {
	t.Parallel()
	for records, stored := range map[int]int{3: 3, 5: 0} {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture()
			ctx, cancel := context.WithCancel(t.Context())
			payloads := []string{"1", "2", "3", "4", "5"}[:records]
			source := newScript(t, page(6, "a", payloads...)).during(1, cancel)
			began := time.Now()
			sum, err := ingest.New(source, slowDecoder{}, f.store, f.seen, f.opts).Run(ctx)
			if domain.KindOf(err) != domain.Stopped || int(sum.Inserted) != stored {
				t.Errorf("%d records: got %d stored, error %v", records, sum.Inserted, err)
			}
			if took := time.Since(began); took > 12*time.Second {
				t.Errorf("%d records: stopped after %s, want 12 s or less", records, took)
			}
		})
	}
}

func TestRun_OtherSourceURL(t *testing.T) {
	t.Parallel()
	f := newFixture()
	if _, err := f.run(t.Context(), newScript(t, page(1, "", "1"))); err != nil {
		t.Fatal(err)
	}
	f.opts.SourceURL = "https://other.example"
	source := newScript(t)
	sum, err := f.run(t.Context(), source)
	if domain.KindOf(err) != domain.Invalid || sum.Pass != 0 {
		t.Errorf("got %+v, %v", sum, err)
	}
	source.wantRequests()
}

func TestRun_ObserverCalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		store := &flakyStore{EventStore: f.store}
		store.commits = append(store.commits, failOnce)
		f.store = store
		source := newScript(t, page(2, "a", "0"), domaintest.FailWith(domain.CursorExpired), page(2, "a", "0"),
			domaintest.FailWith(domain.Transient), page(2, "", "1"))
		if _, err := f.run(t.Context(), source); err != nil {
			t.Fatal(err)
		}
		want := strings.Fields("fetch store wait store stored fetch restart fetch store stored fetch wait fetch store stored")
		if !slices.Equal(f.seen.course, want) {
			t.Errorf("got calls %v, want %v", f.seen.course, want)
		}
	})
}
