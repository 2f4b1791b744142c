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

// TestRun_StoresEveryPage checks the stored events, the summary and the observer's calls of a run without failures.
func TestRun_StoresEveryPage(t *testing.T) {
	t.Parallel()
	f := newFixture()
	source := newScript(t, page(5, "a", "1", "2"), page(5, "b", "3", "4"), lastPage(5, "5"))
	sum, err := f.run(t.Context(), source)
	if err != nil {
		t.Fatal(err)
	}
	source.wantRequests(head, "a", "b")
	f.wantStored(t, 1, 2, 3, 4, 5)
	sum.Elapsed, sum.Times = 0, domain.WorkTimes{} // they differ in each run
	want := domain.Summary{
		Stream: stream, Pass: 1, Seq: 3, Done: true, Offset: 5, Announced: domain.Total{N: 5, Known: true}, Accounted: 5, Pages: 3,
		Counts: domain.Counts{Received: 5, Inserted: 5}, Traffic: domain.Traffic{Requests: 3},
	}
	if sum != want {
		t.Errorf("got summary %+v, want %+v", sum, want)
	}
	if len(f.seen.claims) != 1 || len(f.seen.commits) != 3 || len(f.seen.waits) != 0 {
		t.Errorf("got observer calls %+v, want 1 claim, 3 commits and no wait", f.seen)
	}
}

// TestRun_ContinuesFromCheckpoint checks that a run continues at the page where an earlier run has ended.
func TestRun_ContinuesFromCheckpoint(t *testing.T) {
	t.Parallel()
	f := newFixture()
	synctest.Test(t, func(t *testing.T) {
		f.runPart(t, head, page(4, "a", "1", "2"))
		source := newScript(t, lastPage(4, "3", "4")).startingAt("a")
		sum, err := f.run(t.Context(), source)
		isDone := err == nil && sum.Done
		if !isDone || sum.Pages != 1 || sum.Inserted != 2 {
			t.Errorf("got summary %+v, error %v; want 1 page with 2 events, and done", sum, err)
		}
		source.wantRequests("a")
		f.wantStored(t, 1, 2, 3, 4)
	})
}

// TestRun_DoneStream checks that a run sends no request if the stream is done. But with NewPass the run must start a new pass.
func TestRun_DoneStream(t *testing.T) {
	t.Parallel()
	f := newFixture()
	if _, err := f.run(t.Context(), newScript(t, lastPage(1, "1"))); err != nil {
		t.Fatal(err)
	}
	emptyScript := newScript(t)
	sum, err := f.run(t.Context(), emptyScript)
	isDone := err == nil && sum.Done
	if !isDone || sum.Pages != 0 {
		t.Errorf("without NewPass: got summary %+v, error %v; want done and no page", sum, err)
	}
	emptyScript.wantRequests() // none

	f.opts.NewPass = true
	sum, err = f.run(t.Context(), newScript(t, page(2, "a", "2"), lastPage(2, "1")))
	if want := (domain.Counts{Received: 2, Inserted: 1, Duplicate: 1}); err != nil || sum.Counts != want {
		t.Errorf("with NewPass: got counts %+v, error %v; want %+v", sum.Counts, err, want)
	}
	if sum.Pass != 2 || sum.Seq != 3 {
		t.Errorf("with NewPass: got pass %d, seq %d; want 2, 3 (one page of pass 1 and two of pass 2)", sum.Pass, sum.Seq)
	}
}

// TestRun_InterruptedNewPass checks that a run with NewPass continues a pass that was interrupted. A supervisor starts the run again
// with the same arguments, so NewPass must not begin one more pass.
func TestRun_InterruptedNewPass(t *testing.T) {
	t.Parallel()
	f := newFixture()
	if _, err := f.run(t.Context(), newScript(t, lastPage(2, "1", "2"))); err != nil {
		t.Fatal(err)
	}
	f.opts.NewPass = true
	f.runPart(t, head, page(2, "a", "1"))
	source := newScript(t, lastPage(2, "2")).startingAt("a")
	sum, err := f.run(t.Context(), source)
	isDone := err == nil && sum.Done
	if !isDone || sum.Pass != 2 {
		t.Errorf("got summary %+v, error %v; want pass 2, done", sum, err)
	}
	source.wantRequests("a")
}

// TestRun_ParksBadRecord checks that a record that cannot become an event is parked once, and that the run continues (I1).
func TestRun_ParksBadRecord(t *testing.T) {
	t.Parallel()
	f := newFixture()
	sum, err := f.run(t.Context(), newScript(t, page(3, "a", "1", "two"), lastPage(3, "3", "two"))) // "two" is not a number
	if err != nil {
		t.Fatal(err)
	}
	if want := (domain.Counts{Received: 4, Inserted: 2, Duplicate: 1, Parked: 1}); sum.Counts != want {
		t.Errorf("got counts %+v, want %+v", sum.Counts, want)
	}
	f.wantStored(t, 1, 3)
	letters := f.db.Letters()
	if len(letters) != 1 {
		t.Fatalf("got dead letters %+v, want one", letters)
	}
	if l := letters[0]; string(l.Payload) != "two" || l.Seen != 2 || l.Why.Reason != "not a number" {
		t.Errorf("got dead letter %+v, want payload two, seen twice, not a number", l)
	}
}

// TestRun_TooManyRejects checks that a page stops the run if it has at least ten rejects and their ratio is higher than
// MaxRejectRatio. Nothing of such a page may be stored.
func TestRun_TooManyRejects(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		good, bad int // the numbers of records in the page that become events, and that become rejects
		maxRatio  float64
		stops     bool // the page stops the run
	}{
		{name: "nine of nine", good: 0, bad: 9, maxRatio: 0, stops: false},
		{name: "ten of ten", good: 0, bad: 10, maxRatio: 0, stops: true},
		{name: "half", good: 10, bad: 10, maxRatio: 0.5, stops: false},
		{name: "more than half", good: 10, bad: 11, maxRatio: 0.5, stops: true},
		{name: "a ratio that binary fractions cannot represent", good: 71, bad: 29, maxRatio: 0.29, stops: false},
		{name: "all, if allowed", good: 0, bad: 30, maxRatio: 1, stops: false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var records []string
			for i := range tt.bad {
				records = append(records, "bad"+strconv.Itoa(i))
			}
			for i := range tt.good {
				records = append(records, strconv.Itoa(i+2)) // from 2 on, because the first page has record 1
			}
			total := int64(len(records) + 1)
			f := newFixture()
			f.opts.MaxRejectRatio = tt.maxRatio
			sum, err := f.run(t.Context(), newScript(t, page(total, "a", "1"), lastPage(total, records...)))
			if !tt.stops {
				if err != nil || int(sum.Parked) != tt.bad {
					t.Errorf("got %d parked, error %v; want %d parked", sum.Parked, err, tt.bad)
				}
				return
			}
			if domain.KindOf(err) != domain.TooManyRejects || sum.Seq != 1 {
				t.Fatalf("got seq %d, error %v; want TooManyRejects after the first page", sum.Seq, err)
			}
			for _, want := range []string{strconv.Itoa(tt.bad) + " of", "after record 1", `"not a number"`, "record 2", `"bad2"`} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got error %q, want %q in it", err, want)
				}
			}
			if remedy := domain.RemedyOf(err); remedy != domain.ParkRejects {
				t.Errorf("got remedy %d, want ParkRejects", remedy)
			}
			if letters := f.db.Letters(); len(letters) > 0 {
				t.Errorf("got dead letters %+v, want none", letters)
			}
			f.wantStored(t, 1)
		})
	}
}

// TestRun_CancelledFinishesPage checks that a run whose ctx ends during a request still stores the page of this request.
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
		t.Errorf("got summary %+v, want seq 2 and not done", sum)
	}
}

// A slowDecoder takes timePerRecord for each record.
type slowDecoder struct{ domaintest.LineDecoder }

const timePerRecord = 3 * time.Second

func (d slowDecoder) Decode(r domain.Record) (domain.Event, []domain.Drift, error) {
	time.Sleep(timePerRecord)
	return d.LineDecoder.Decode(r)
}

// TestRun_CancelledWhileDecoding checks that a page is stored if its decoding takes at most the grace time after the end of ctx. If the
// decoding takes longer, the run must stop at the next record and store nothing of the page.
func TestRun_CancelledWhileDecoding(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name       string
		payloads   []string
		wantStored int64
	}{
		{name: "3 records take 9 s", payloads: []string{"1", "2", "3"}, wantStored: 3},
		{name: "5 records take 15 s", payloads: []string{"1", "2", "3", "4", "5"}, wantStored: 0},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture()
			f.opts.Grace = 10 * time.Second
			ctx, cancel := context.WithCancel(t.Context())
			source := newScript(t, page(6, "a", tt.payloads...)).during(1, cancel) // ctx ends during the first request
			began := time.Now()
			sum, err := ingest.New(source, slowDecoder{}, f.store, f.seen, f.opts).Run(ctx)
			if domain.KindOf(err) != domain.Stopped || sum.Inserted != tt.wantStored {
				t.Errorf("%s: got %d stored, error %v; want %d stored, Stopped", tt.name, sum.Inserted, err, tt.wantStored)
			}
			limit := f.opts.Grace + timePerRecord // decoding stops only between two records
			if took := time.Since(began); took >= limit {
				t.Errorf("%s: the run stopped after %s, want less than %s", tt.name, took, limit)
			}
		})
	}
}

// TestRun_OtherSourceURL checks that a run refuses a stream that has pages from another source URL, and sends no request.
func TestRun_OtherSourceURL(t *testing.T) {
	t.Parallel()
	f := newFixture()
	if _, err := f.run(t.Context(), newScript(t, lastPage(1, "1"))); err != nil {
		t.Fatal(err)
	}
	f.opts.SourceURL = "https://other.example"
	source := newScript(t)
	sum, err := f.run(t.Context(), source)
	if domain.KindOf(err) != domain.Invalid || sum.Pass != 0 {
		t.Errorf("got pass %d, error %v; want pass 0 and Invalid", sum.Pass, err)
	}
	source.wantRequests() // none
}

// TestRun_ObserverCalls checks the order in which a run calls the methods of its observer.
func TestRun_ObserverCalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		f.store = &flakyStore{EventStore: f.store, commitScript: []commitFunc{failTransiently}}
		source := newScript(t, page(2, "a", "0"), domaintest.FailWith(domain.CursorExpired), page(2, "a", "0"),
			domaintest.FailWith(domain.Transient), lastPage(2, "1"))
		if _, err := f.run(t.Context(), source); err != nil {
			t.Fatal(err)
		}
		want := []string{
			"Fetching", "Storing", "WaitingToStore", "Storing", "Committed", // the first page, whose first commit fails
			"Fetching", "CursorLost", // the API no longer accepts the cursor
			"Fetching", "Storing", "Committed", // the first page again
			"Fetching", "Waiting", "Fetching", "Storing", "Committed", // the last page, whose first request fails
		}
		if !slices.Equal(f.seen.calls, want) {
			t.Errorf("got calls %v, want %v", f.seen.calls, want)
		}
	})
}
