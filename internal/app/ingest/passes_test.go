package ingest_test

import (
	"testing"
	"testing/synctest"

	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

func TestRun_LostCursorStartsNewPass(t *testing.T) {
	t.Parallel()
	for _, kind := range []domain.Kind{domain.CursorExpired, domain.CursorInvalid} {
		f := newFixture()
		source := newScript(t, page(3, "a", "1", "2"), domaintest.FailWith(kind), page(3, "b", "1", "2"), page(3, "", "3"))
		sum, err := f.run(t.Context(), source)
		if err != nil || sum.Pass != 2 || !sum.Done || sum.Counts != (domain.Counts{Received: 5, Inserted: 3, Duplicate: 2}) {
			t.Errorf("%s: got %+v, %v", kind, sum, err)
		}
		source.wantRequests("", "a", "", "b")
		f.wantStored(t, 1, 2, 3)
		if len(f.seen.passes) != 1 || f.seen.passes[0] != (domain.Position{Pass: 2, MaxOffset: 2, MaxAnnounced: 3}) {
			t.Errorf("%s: got passes %+v", kind, f.seen.passes)
		}
	}
}

// TestRun_CursorLostBeyondAnnouncedTotal: all announced records were received, but there may be more. Only the API can
// report the end of the stream.
func TestRun_CursorLostBeyondAnnouncedTotal(t *testing.T) {
	t.Parallel()
	for _, kind := range []domain.Kind{domain.CursorExpired, domain.CursorInvalid} {
		for _, announced := range []int64{0, 1, 2, unknownTotal} {
			f := newFixture()
			source := newScript(t, page(announced, "a", "1", "2"), domaintest.FailWith(kind), page(3, "b", "1", "2"), page(3, "", "3"))
			sum, err := f.run(t.Context(), source)
			if err != nil || sum.Pass != 2 {
				t.Errorf("%s with %d announced: got %+v, %v", kind, announced, sum, err)
			}
			f.wantStored(t, 1, 2, 3)
		}
	}
}

func TestRun_UselessPasses(t *testing.T) {
	t.Parallel()
	lost := domaintest.FailWith(domain.CursorExpired)
	source := newScript(t,
		page(9, "a", "1"), page(9, "b", "2"), lost, // offset 2
		page(9, "a", "1"), lost, // no further: 1
		page(9, "a", "1"), page(9, "b", "2"), page(9, "c", "3"), lost, // further: the count starts again
		page(9, "a", "1"), lost, page(9, "a", "1"), page(9, "b", "2"), lost, lost) // three in a row
	f := newFixture()
	sum, err := f.run(t.Context(), source)
	if domain.KindOf(err) != domain.CursorExpired {
		t.Fatalf("got error %v, want CursorExpired", err)
	}
	source.wantRequests("", "a", "b", "", "a", "", "a", "b", "c", "", "a", "", "a", "b", "")
	f.wantStored(t, 1, 2, 3)
	if sum.Inserted != 3 {
		t.Errorf("%+v", sum)
	}
}

// TestRun_CursorLostAtStart: a cursor that was lost between two runs does not count as a useless pass.
func TestRun_CursorLostAtStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		if _, err := f.run(
			t.Context(), newScript(t, page(9, "a", "1"), page(9, "b", "2"), domaintest.FailWith(domain.Invalid)),
		); domain.KindOf(err) != domain.Invalid {
			t.Fatal(err)
		}
		lost := domaintest.FailWith(domain.CursorExpired)
		source := newScript(t, lost, page(9, "a", "1"), lost, page(9, "a", "1"), lost, page(9, "a", "1"), lost).startingAt("b")
		sum, err := f.run(t.Context(), source)
		if domain.KindOf(err) != domain.CursorExpired || sum.Pass != 4 {
			t.Errorf("got %[2]v in pass %[1]d, want CursorExpired in pass 4", sum.Pass, err)
		}
	})
}

func TestRun_EndOfChangingCollection(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name        string
		first, last int64 // announced totals
		accepted    bool
	}{
		{"it grew while it was read", 2, 9, true},
		{"it shrank, and is short of the first total", 9, 2, false},
		{"it is short of both", 9, 8, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixture()
				f.opts.Retry.Tries = 1
				answers := []domaintest.Answer{page(tt.first, "a", "1"), page(tt.last, "", "2")}
				if tt.accepted { // after a second answer
					answers = append(answers, page(tt.last, "", "2"))
				}
				sum, err := f.run(t.Context(), newScript(t, answers...))
				if sum.Done != tt.accepted || (err == nil) != tt.accepted {
					t.Errorf("got done %v, %v; want %v", sum.Done, err, tt.accepted)
				}
			})
		})
	}
}

// TestRun_ConfirmsUnexpectedEnd: one broken answer must not end a stream of millions of records.
func TestRun_ConfirmsUnexpectedEnd(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		answers []domaintest.Answer
		stored  []int
	}{
		{"the collection has grown", []domaintest.Answer{page(2, "a", "1"), page(9, "", "2"), page(9, "", "2")}, []int{1, 2}},
		{"the stream has grown meanwhile", []domaintest.Answer{page(unknownTotal, "a", "1"), page(unknownTotal, "", "2"), page(unknownTotal, "", "2", "3")}, []int{1, 2, 3}},
		{
			"an older total at the end",
			[]domaintest.Answer{page(2, "a", "1"), page(4, "b", "2"), page(2, "", "3"), page(4, "c", "3"), page(4, "", "4")},
			[]int{1, 2, 3, 4},
		},
		{"it was a glitch", []domaintest.Answer{page(1, "a", "1"), page(3, "", "2"), page(3, "b", "2"), page(3, "", "3")}, []int{1, 2, 3}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f, source := newFixture(), newScript(t, tt.answers...)
			sum, err := f.run(t.Context(), source)
			if err != nil || !sum.Done || sum.Retries != 0 {
				t.Errorf("got %+v, %v", sum, err)
			}
			f.wantStored(t, tt.stored...)
		})
	}
}

// TestRun_AcceptShortEnd is for an API whose total is always wrong.
func TestRun_AcceptShortEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		f.opts.AcceptShortEnd = true
		source := newScript(t, page(9, "", "1"), page(9, "", "1", "2"), page(9, "", "1", "2"))
		sum, err := f.run(t.Context(), source)
		if err != nil || !sum.Done || sum.Retries != 1 { // two different answers confirm nothing; the third costs an attempt
			t.Fatalf("got %+v, %v", sum, err)
		}
		if rows := f.db.Ledger(); len(rows) != 1 || !rows[0].EndAccepted {
			t.Errorf("got ledger %+v", rows)
		}
		f.wantStored(t, 1, 2)
	})
}

// TestRun_EndConfirmedWithOtherRecords: a second end that lacks a record of the first one confirms nothing, because that
// record would be lost.
func TestRun_EndConfirmedWithOtherRecords(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		source := newScript(t, page(unknownTotal, "", "1", "2"), page(unknownTotal, "", "1", "3"), page(unknownTotal, "", "1", "2", "3"))
		sum, err := f.run(t.Context(), source)
		if err != nil || !sum.Done || sum.Retries != 1 { // the third answer costs an attempt
			t.Errorf("got %+v, %v", sum, err)
		}
		f.wantStored(t, 1, 2, 3)
	})
}
