package ingest_test

import (
	"slices"
	"testing"
	"testing/synctest"

	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

// TestRun_LostCursorStartsNewPass checks that a run reads the stream again from its head if the API no longer accepts the cursor.
func TestRun_LostCursorStartsNewPass(t *testing.T) {
	t.Parallel()
	for _, kind := range []domain.Kind{domain.CursorExpired, domain.CursorInvalid} {
		f := newFixture()
		source := newScript(t, page(3, "a", "1", "2"), domaintest.FailWith(kind), page(3, "b", "1", "2"), lastPage(3, "3"))
		sum, err := f.run(t.Context(), source)
		wantCounts := domain.Counts{Received: 2 + 3, Inserted: 3, Duplicate: 2} // the second pass receives two records again
		isDoneInPass2 := sum.Done && sum.Pass == 2
		if err != nil || !isDoneInPass2 || sum.Counts != wantCounts {
			t.Errorf("%s: got summary %+v, error %v; want pass 2, done, counts %+v", kind, sum, err, wantCounts)
		}
		source.wantRequests(head, "a", head, "b")
		f.wantStored(t, 1, 2, 3)
		wantPasses := []domain.Position{{Pass: 2, MaxOffset: 2, MaxAnnounced: 3}}
		if !slices.Equal(f.seen.passes, wantPasses) {
			t.Errorf("%s: observer got passes %+v, want %+v", kind, f.seen.passes, wantPasses)
		}
	}
}

// TestRun_CursorLostBeyondAnnouncedTotal checks that a lost cursor starts a new pass, even if the run has received as many records as
// the API announced. Only an answer of the API can end the stream.
func TestRun_CursorLostBeyondAnnouncedTotal(t *testing.T) {
	t.Parallel()
	for _, kind := range []domain.Kind{domain.CursorExpired, domain.CursorInvalid} {
		for _, announced := range []int64{0, 1, 2, unknownTotal} {
			f := newFixture()
			source := newScript(t, page(announced, "a", "1", "2"), domaintest.FailWith(kind), page(3, "b", "1", "2"), lastPage(3, "3"))
			sum, err := f.run(t.Context(), source)
			if err != nil || sum.Pass != 2 {
				t.Errorf("%s with %d announced: got pass %d, error %v; want pass 2", kind, announced, sum.Pass, err)
			}
			f.wantStored(t, 1, 2, 3)
		}
	}
}

// TestRun_UselessPasses checks that a run ends after three useless passes in a row. A pass is useless if it loses its cursor before it
// reaches a new record.
func TestRun_UselessPasses(t *testing.T) {
	t.Parallel()
	lost := domaintest.FailWith(domain.CursorExpired)
	page1, page2, page3 := page(9, "a", "1"), page(9, "b", "2"), page(9, "c", "3")
	source := newScript(t,
		page1, page2, lost, // pass 1 reaches record 2
		page1, lost, // pass 2 is useless
		page1, page2, page3, lost, // pass 3 reaches a new record
		page1, lost, // pass 4 is useless
		page1, page2, lost, // pass 5 is useless
		lost) // pass 6 is useless, the third in a row
	f := newFixture()
	sum, err := f.run(t.Context(), source)
	domaintest.CheckKind(t, err, domain.CursorExpired)
	source.wantRequests(head, "a", "b", head, "a", head, "a", "b", "c", head, "a", head, "a", "b", head)
	f.wantStored(t, 1, 2, 3)
	if sum.Inserted != 3 {
		t.Errorf("got %d inserted events, want 3", sum.Inserted)
	}
}

// TestRun_CursorLostAtStart checks that pass 1, which an earlier run began, does not count as useless if a new run loses its cursor at
// once. So the new run begins the passes 2, 3 and 4, and ends after these three useless passes.
func TestRun_CursorLostAtStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		page1 := page(9, "a", "1")
		f.runPart(t, head, page1, page(9, "b", "2"))
		lost := domaintest.FailWith(domain.CursorExpired)
		source := newScript(t, lost, page1, lost, page1, lost, page1, lost).startingAt("b")
		sum, err := f.run(t.Context(), source)
		domaintest.CheckKind(t, err, domain.CursorExpired)
		if sum.Pass != 4 {
			t.Errorf("got pass %d, want 4", sum.Pass)
		}
	})
}

// TestRun_EndOfChangingStream checks that a confirmed end after two records is accepted only if the API announced at most
// two records at first.
func TestRun_EndOfChangingStream(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name        string
		first, last int64 // the totals that the first and the last page announce
		accepted    bool  // the run accepts the end
	}{
		{name: "the last total is too high", first: 2, last: 9, accepted: true},
		{name: "the first total is too high", first: 9, last: 2, accepted: false},
		{name: "both totals are too high", first: 9, last: 8, accepted: false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixture()
				f.opts.Retry.Tries = 1 // so that an end that is not accepted ends the run at once
				answers := []domaintest.Answer{page(tt.first, "a", "1"), lastPage(tt.last, "2")}
				if tt.accepted { // the run asks for a second answer, which confirms the end
					answers = append(answers, lastPage(tt.last, "2"))
				}
				sum, err := f.run(t.Context(), newScript(t, answers...))
				want := domaintest.NoError
				if !tt.accepted {
					want = domain.BadPage
				}
				domaintest.CheckKind(t, err, want)
				if sum.Done != tt.accepted {
					t.Errorf("got done %v, want %v", sum.Done, tt.accepted)
				}
			})
		})
	}
}

// TestRun_ConfirmsUnexpectedEnd checks that a run asks for a second answer before it accepts an end that the announced
// totals do not confirm. Otherwise one wrong answer could end a stream of millions of records.
func TestRun_ConfirmsUnexpectedEnd(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		answers []domaintest.Answer
		stored  []int // the numbers of the stored events
	}{
		{
			name:    "the second answer is the same",
			answers: []domaintest.Answer{page(2, "a", "1"), lastPage(9, "2"), lastPage(9, "2")},
			stored:  []int{1, 2},
		},
		{
			name:    "the second answer has one record more",
			answers: []domaintest.Answer{page(unknownTotal, "a", "1"), lastPage(unknownTotal, "2"), lastPage(unknownTotal, "2", "3")},
			stored:  []int{1, 2, 3},
		},
		{
			name:    "the second answer is not the last page",
			answers: []domaintest.Answer{page(1, "a", "1"), lastPage(3, "2"), page(3, "b", "2"), lastPage(3, "3")},
			stored:  []int{1, 2, 3},
		},
		{
			name:    "a page before the end announced more",
			answers: []domaintest.Answer{page(2, "a", "1"), page(4, "b", "2"), lastPage(2, "3"), page(4, "c", "3"), lastPage(4, "4")},
			stored:  []int{1, 2, 3, 4},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f, source := newFixture(), newScript(t, tt.answers...)
			sum, err := f.run(t.Context(), source)
			isDone := err == nil && sum.Done
			if !isDone || sum.Retries != 0 {
				t.Errorf("got done %v, %d retries, error %v; want done without a retry", sum.Done, sum.Retries, err)
			}
			f.wantStored(t, tt.stored...)
		})
	}
}

// TestRun_AcceptShortEnd checks that a run with AcceptShortEnd accepts an end below the announced total only if two answers in a row
// have the same end.
func TestRun_AcceptShortEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		f.opts.AcceptShortEnd = true
		source := newScript(t, lastPage(9, "1"), lastPage(9, "1", "2"), lastPage(9, "1", "2"))
		sum, err := f.run(t.Context(), source)
		// The second answer differs from the first. The third answer costs an attempt and has the same end as the second.
		isDone := err == nil && sum.Done
		if !isDone || sum.Retries != 1 {
			t.Fatalf("got done %v, %d retries, error %v; want done after 1 retry", sum.Done, sum.Retries, err)
		}
		if rows := f.db.Ledger(); len(rows) != 1 || !rows[0].EndAccepted {
			t.Errorf("got ledger %+v, want one page with an accepted end", rows)
		}
		f.wantStored(t, 1, 2)
	})
}

// TestRun_EndNotConfirmedWithOtherRecords checks that a second answer does not confirm an end if it lacks a record of the first
// answer, because that record would be lost.
func TestRun_EndNotConfirmedWithOtherRecords(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		source := newScript(t, lastPage(unknownTotal, "1", "2"), lastPage(unknownTotal, "1", "3"), lastPage(unknownTotal, "1", "2", "3"))
		sum, err := f.run(t.Context(), source)
		isDone := err == nil && sum.Done
		if !isDone || sum.Retries != 1 { // the third answer costs an attempt
			t.Errorf("got done %v, %d retries, error %v; want done after 1 retry", sum.Done, sum.Retries, err)
		}
		f.wantStored(t, 1, 2, 3)
	})
}
