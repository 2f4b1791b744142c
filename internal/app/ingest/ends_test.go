package ingest_test

import (
	"context"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pawldata/pawl/internal/app/retry"
	"github.com/pawldata/pawl/internal/app/verify"
	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

// An ending is one way in which an API ends its list, or does not end it.
type ending struct {
	name   string
	source func(*domaintest.ScriptedSource) // adds the answers
	accept bool                             // Options.AcceptShortEnd

	runs   []domain.Kind // how each of the runs ends, one after the other
	remedy domain.Remedy // of the last run, if it fails

	done     bool
	pass     int64
	counts   domain.Counts   // of all runs together
	requests []domain.Cursor // of all runs together; nil if they do not matter
}

// endings returns a row for each kind of end. The list of the API has the records 1, 2, 3 … in pages of one or two records.
func endings() []ending {
	const ok = domaintest.NoError
	var (
		last    = lastPage
		expired = domaintest.FailWith(domain.CursorExpired)
		invalid = domaintest.FailWith(domain.CursorInvalid)
		once    = []domain.Kind{ok}
	)
	type script = *domaintest.ScriptedSource
	return []ending{
		{
			name:   "an explicit end at the announced total is believed",
			source: func(s script) { s.Always(head, page(3, "a", "1", "2")).Always("a", last(3, "3")) },
			runs:   once, done: true, pass: 1, counts: domain.Counts{Received: 3, Inserted: 3}, requests: []domain.Cursor{head, "a"},
		},
		{
			name:   "an end in a flat envelope, which announces no total, is confirmed",
			source: func(s script) { s.Always(head, page(unknownTotal, "a", "1", "2")).Always("a", last(unknownTotal, "3")) },
			runs:   once, done: true, pass: 1, counts: domain.Counts{Received: 3, Inserted: 3}, requests: []domain.Cursor{head, "a", "a"},
		},
		{
			name: "an end without a total that was none",
			source: func(s script) {
				s.Always(head, page(unknownTotal, "a", "1")).At("a", last(unknownTotal, "2")).Always("a", page(unknownTotal, "b", "2")).
					Always("b", last(unknownTotal, "3"))
			},
			runs: once, done: true, pass: 1, counts: domain.Counts{Received: 3, Inserted: 3},
			requests: []domain.Cursor{head, "a", "a", "b", "b"},
		},
		{
			name:   "a short end is not believed",
			source: func(s script) { s.Always(head, page(9, "a", "1", "2")).Always("a", last(9, "3")) },
			runs:   []domain.Kind{domain.BadPage}, remedy: domain.AcceptShortEnd, pass: 1, counts: domain.Counts{Received: 2, Inserted: 2},
		},
		{
			name: "a short end that was a fault",
			source: func(s script) {
				s.Always(head, page(3, "a", "1")).At("a", last(3)).Always("a", page(3, "b", "2")).Always("b", last(3, "3"))
			},
			runs: once, done: true, pass: 1, counts: domain.Counts{Received: 3, Inserted: 3},
		},
		{
			name: "a short end that the user accepts is confirmed", accept: true,
			source: func(s script) { s.Always(head, page(9, "a", "1", "2")).Always("a", last(9, "3")) },
			runs:   once, done: true, pass: 1, counts: domain.Counts{Received: 3, Inserted: 3}, requests: []domain.Cursor{head, "a", "a"},
		},
		{
			name:   "an empty last page",
			source: func(s script) { s.Always(head, page(2, "a", "1", "2")).Always("a", last(2)) },
			runs:   once, done: true, pass: 1, counts: domain.Counts{Received: 2, Inserted: 2}, requests: []domain.Cursor{head, "a"},
		},
		{
			name:   "an empty page is no end",
			source: func(s script) { s.Always(head, page(2, "a", "1")).Always("a", page(2, "b")).Always("b", last(2, "2")) },
			runs:   once, done: true, pass: 1, counts: domain.Counts{Received: 2, Inserted: 2}, requests: []domain.Cursor{head, "a", "b"},
		},
		{
			name: "empty pages for ever",
			source: func(s script) {
				s.Always(head, page(2, "0", "1"))
				for i := range 200 {
					s.Always(domain.Cursor(strconv.Itoa(i)), page(2, domain.Cursor(strconv.Itoa(i+1))))
				}
			},
			runs: []domain.Kind{domain.BadPage}, pass: 1, counts: domain.Counts{Received: 1, Inserted: 1},
		},
		{
			name: "a total that grows during the pass",
			source: func(s script) {
				s.Always(head, page(2, "a", "1")).Always("a", page(3, "b", "2")).Always("b", last(3, "3"))
			},
			runs: once, done: true, pass: 1, counts: domain.Counts{Received: 3, Inserted: 3}, requests: []domain.Cursor{head, "a", "b"},
		},
		{
			name:   "a list that grows at its head: not all that was announced last is received, so the end is confirmed",
			source: func(s script) { s.Always(head, page(2, "a", "1")).Always("a", last(3, "2")) },
			runs:   once, done: true, pass: 1, counts: domain.Counts{Received: 2, Inserted: 2}, requests: []domain.Cursor{head, "a", "a"},
		},
		{
			name:   "a list that grows at its end between two answers",
			source: func(s script) { s.Always(head, page(2, "a", "1")).At("a", last(3, "2")).Always("a", last(3, "2", "3")) },
			runs:   once, done: true, pass: 1, counts: domain.Counts{Received: 3, Inserted: 3}, requests: []domain.Cursor{head, "a", "a"},
		},
		{
			// It looks like a short end, see ADR 9.
			name:   "a list that shrinks is a short end",
			source: func(s script) { s.Always(head, page(4, "a", "1", "2")).Always("a", last(3, "3")) },
			runs:   []domain.Kind{domain.BadPage}, remedy: domain.AcceptShortEnd, pass: 1, counts: domain.Counts{Received: 2, Inserted: 2},
		},
		{
			name: "a list that shrinks, with an end that the user accepts", accept: true,
			source: func(s script) { s.Always(head, page(4, "a", "1", "2")).Always("a", last(3, "3")) },
			runs:   once, done: true, pass: 1, counts: domain.Counts{Received: 3, Inserted: 3},
		},
		{
			name:   "the same cursor again",
			source: func(s script) { s.Always(head, page(9, "a", "1")).Always("a", page(9, "a", "2")) },
			runs:   []domain.Kind{domain.CursorInvalid}, remedy: domain.OtherPageSize, pass: 4,
			counts: domain.Counts{Received: 4, Inserted: 1, Duplicate: 3}, // the page that leads to itself is not stored
		},
		{
			name:   "a circle of cursors",
			source: circle,
			runs:   []domain.Kind{domain.CursorInvalid}, remedy: domain.OtherPageSize, pass: 4,
			counts: domain.Counts{Received: 15, Inserted: 3, Duplicate: 12},
		},
		{
			name: "a circle of cursors that is gone when the page before is asked for again",
			source: func(s script) {
				s.Always(head, page(4, "a", "1")).Always("a", page(4, "b", "2")).At("b", page(4, "a", "3")).Always("b", page(4, "c", "3")).
					Always("c", last(4, "4"))
			},
			runs: once, done: true, pass: 1, counts: domain.Counts{Received: 5, Inserted: 4, Duplicate: 1}, // record 3 is read twice
		},
		{
			name:   "a circle of cursors that is gone in the next run",
			source: circle,
			runs:   []domain.Kind{domain.CursorInvalid, ok}, done: true, pass: 4, // the second run steps back at once
			counts: domain.Counts{Received: 15 + 2, Inserted: 4, Duplicate: 12 + 1},
		},
		{
			name: "cursors that are minted anew in a circle",
			source: func(s script) {
				s.Always(head, page(9, "a", "1")).Always("a", page(9, "b", "2"))
				for i := range 99 {
					minted := domain.Cursor("minted " + strconv.Itoa(i))
					s.At("b", page(9, minted, "3")).Always(minted, page(9, "other "+minted, "1"))
				}
			},
			runs: []domain.Kind{domain.CursorInvalid}, remedy: domain.OtherPageSize, pass: 4,
			counts: domain.Counts{Received: 15, Inserted: 3, Duplicate: 12},
		},
		{
			name: "a cursor that has expired",
			source: func(s script) {
				s.Always(head, page(3, "a", "1")).Always("a", page(3, "b", "2")).At("b", expired).Always("b", last(3, "3"))
			},
			runs: once, done: true, pass: 2, counts: domain.Counts{Received: 5, Inserted: 3, Duplicate: 2},
			requests: []domain.Cursor{head, "a", "b", head, "a", "b"},
		},
		{
			name:   "cursors that expire again and again",
			source: func(s script) { s.Always(head, page(9, "a", "1")).Always("a", expired) },
			runs:   []domain.Kind{domain.CursorExpired}, remedy: domain.FetchFaster, pass: 4,
			counts: domain.Counts{Received: 4, Inserted: 1, Duplicate: 3}, requests: []domain.Cursor{head, "a", head, "a", head, "a", head, "a"},
		},
		{
			name: "cursors that expire, but get further each time",
			source: func(s script) {
				s.Always(head, page(5, "a", "1")).At("a", expired).Always("a", page(5, "b", "2")).At("b", expired, expired).
					Always("b", page(5, "c", "3")).At("c", expired, expired).Always("c", page(5, "d", "4")).At("d", expired, expired).
					Always("d", last(5, "5"))
			},
			runs: once, done: true, pass: 8, counts: domain.Counts{Received: 1 + 2*2 + 2*3 + 2*4 + 5, Inserted: 5, Duplicate: 19},
		},
		{
			name: "a cursor that the API does not know: the page before has another one",
			source: func(s script) {
				s.Always(head, page(4, "a", "1")).Always("a", page(4, "b", "2")).At("b", page(4, "c", "3")).Always("b", page(4, "c2", "3")).
					Always("c", invalid).Always("c2", last(4, "4"))
			},
			runs: once, done: true, pass: 1, counts: domain.Counts{Received: 5, Inserted: 4, Duplicate: 1},
			requests: []domain.Cursor{head, "a", "b", "c", "b", "c2"},
		},
		{
			name: "the last three cursors are unknown: steps of one, two and four pages",
			source: func(s script) {
				s.Always(head, page(6, "a", "1")).Always("a", page(6, "b", "2")).At("b", page(6, "c", "3")).At("c", page(6, "d", "4")).
					At("d", page(6, "e", "5")).Always("c", invalid).Always("d", invalid).Always("e", invalid).
					Always("b", page(6, "c2", "3")).Always("c2", page(6, "d2", "4")).Always("d2", page(6, "e2", "5")).Always("e2", last(6, "6"))
			},
			runs: once, done: true, pass: 1, counts: domain.Counts{Received: 6 + 4, Inserted: 6, Duplicate: 4},
			requests: []domain.Cursor{head, "a", "b", "c", "d", "e", "d", "c", "a", "b", "c2", "d2", "e2"},
		},
		{
			name: "all cursors are unknown from some time on: a new pass",
			source: func(s script) {
				s.At(head, page(3, "a", "1")).At("a", page(3, "b", "2")).Always("a", invalid).Always("b", invalid).
					Always(head, page(3, "a2", "1")).Always("a2", page(3, "b2", "2")).Always("b2", last(3, "3"))
			},
			runs: once, done: true, pass: 2, counts: domain.Counts{Received: 5, Inserted: 3, Duplicate: 2},
			requests: []domain.Cursor{head, "a", "b", "a", head, "a2", "b2"},
		},
		{
			name: "an expired cursor, and then one that the API does not know, in the new pass",
			source: func(s script) {
				s.Always(head, page(4, "a", "1")).Always("a", page(4, "b", "2")).Always("b", page(4, "c", "3")).
					At("c", expired).At("b", page(4, "c", "3"), invalid).Always("c", lastPage(4, "4"))
			},
			runs: once, done: true, pass: 2, counts: domain.Counts{Received: 3 + 2 + 3, Inserted: 4, Duplicate: 4},
			requests: []domain.Cursor{head, "a", "b", "c", head, "a", "b", "a", "b", "c"},
		},
		{
			name:   "no cursor is ever known",
			source: func(s script) { s.Always(head, page(9, "a", "1")).Always("a", invalid) },
			runs:   []domain.Kind{domain.CursorInvalid}, remedy: domain.FetchFaster, pass: 4,
			counts: domain.Counts{Received: 4, Inserted: 1, Duplicate: 3}, requests: []domain.Cursor{head, "a", head, "a", head, "a", head, "a"},
		},
	}
}

// circle adds pages whose cursors lead from the third page back to the second.
func circle(s *domaintest.ScriptedSource) {
	s.Always(head, page(4, "a", "1")).Always("a", page(4, "b", "2")).Always("b", page(4, "a", "3"))
}

// TestEnds checks how runs end with each kind of end that an API's list may have, what they store, and that verify finds nothing wrong in the
// database.
func TestEnds(t *testing.T) {
	t.Parallel()
	for _, tt := range endings() {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f, source := newFixture(), domaintest.NewScriptedSource()
				tt.source(source)
				f.opts.AcceptShortEnd = tt.accept
				var err error
				for i, want := range tt.runs {
					if i > 0 { // the API is repaired
						source.Always("b", page(4, "c", "3")).Always("c", lastPage(4, "4"))
					}
					_, err = f.run(t.Context(), source)
					domaintest.CheckKind(t, err, want)
				}
				if got := domain.RemedyOf(err); err != nil && got != tt.remedy {
					t.Errorf("got remedy %d, want %d: %v", got, tt.remedy, err)
				}
				durable, err := f.db.Store().Checkpoint(t.Context(), stream)
				if err != nil {
					t.Fatal(err)
				}
				if durable.Done != tt.done || durable.Pass != tt.pass || durable.Counts != tt.counts {
					t.Errorf("got done %t, pass %d, counts %+v; want %t, %d, %+v", durable.Done, durable.Pass, durable.Counts, tt.done, tt.pass, tt.counts)
				}
				var requests []domain.Cursor
				for _, req := range source.Requests() {
					requests = append(requests, req.Cursor)
				}
				if tt.requests != nil && !slices.Equal(requests, tt.requests) {
					t.Errorf("got requests for %q, want %q", requests, tt.requests)
				}
				if report, err := verify.New(f.db.Inventory(), silentVerify{}, verify.Options{Stream: stream}).Run(t.Context()); err != nil {
					t.Errorf("verify: got %v, want no difference: %+v", err, report.Findings)
				}
			})
		})
	}
}

// TestEnds_LeadsBackAtStart checks that a run does not even ask for the page at a stored cursor that is known to lead in a circle, and that it
// sends no request before the end of the hold that the run before has stored.
func TestEnds_LeadsBackAtStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const hold = time.Minute
		f := newFixture()
		f.opts.Retry.MaxWait = time.Second
		_, err := f.run(t.Context(), newScript(t, page(4, "a", "1"), page(4, "b", "2"), page(4, "a", "3"), domaintest.RefuseFor(hold)))
		domaintest.CheckKind(t, err, domain.RateLimited)

		f.opts.Retry.MaxWait = time.Hour
		began := time.Now()
		source := newScript(t, page(4, "c", "3"), lastPage(4, "4")).startingAt("b")
		if _, err := f.run(t.Context(), source); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != hold {
			t.Errorf("the run took %s, want the hold of %s", took, hold)
		}
		source.wantRequests("b", "c")
		f.wantStored(t, 1, 2, 3, 4)
	})
}

// TestEnds_StepBackWhileAway checks that a run outlasts a database that is away when it looks for the page to step back to.
func TestEnds_StepBackWhileAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		f.store = &noStepsFor{EventStore: f.store, until: time.Now().Add(maxOutage - time.Second)}
		source := domaintest.NewScriptedSource().Always(head, page(3, "a", "1")).Always("a", page(3, "b", "2")).
			At("b", domaintest.FailWith(domain.CursorInvalid)).Always("b", lastPage(3, "3"))
		sum, err := f.run(t.Context(), source)
		if want := (domain.Counts{Received: 4, Inserted: 3, Duplicate: 1}); err != nil || sum.Counts != want {
			t.Errorf("got counts %+v, error %v; want %+v", sum.Counts, err, want)
		}
	})
}

// noStepsFor is a store whose StepBack fails until a time.
type noStepsFor struct {
	domain.EventStore

	until time.Time
}

func (s *noStepsFor) StepBack(ctx context.Context, stream domain.StreamID, pass int64, pages int) (domain.PageStart, bool, error) {
	if time.Now().Before(s.until) {
		return domain.PageStart{}, false, scriptedError(domain.Transient)
	}
	return s.EventStore.StepBack(ctx, stream, pass, pages)
}

// silentVerify is a verify.Observer that ignores all steps.
type silentVerify struct{}

func (silentVerify) Checking(domain.Check)       {}
func (silentVerify) Waiting(retry.Wait)          {}
func (silentVerify) Compared(domain.DecodedPage) {}
