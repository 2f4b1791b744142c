package ingest_test

import (
	"testing"
	"testing/synctest"

	"github.com/pawldata/pawl/internal/domain/domaintest"
)

func TestEndsOfACollectionThatMoves(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name        string
		first, last int64 // announced totals
		believed    bool
	}{
		{"it grew while it was read", 2, 9, true},
		{"it shrank, and is short of the first total", 9, 2, false},
		{"it is short of both", 9, 8, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBench()
				b.opts.Retry.Tries = 1
				answers := []domaintest.Answer{of(tt.first, "a", "1"), of(tt.last, "", "2")}
				if tt.believed { // once it was said twice
					answers = append(answers, of(tt.last, "", "2"))
				}
				sum, err := b.run(t.Context(), says(t, answers...))
				if sum.Done != tt.believed || (err == nil) != tt.believed {
					t.Errorf("done %v, %v", sum.Done, err)
				}
			})
		})
	}
}

// TestAnEndThatOnlyTheLastAnswerKnowsIsAskedForAgain keeps one broken answer from ending a stream of millions.
func TestAnEndThatOnlyTheLastAnswerKnowsIsAskedForAgain(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		answers []domaintest.Answer
		stored  []int
	}{
		{"the collection did grow", []domaintest.Answer{of(2, "a", "1"), of(9, "", "2"), of(9, "", "2")}, []int{1, 2}},
		{"it was a glitch", []domaintest.Answer{of(1, "a", "1"), of(3, "", "2"), of(3, "b", "2"), of(3, "", "3")}, []int{1, 2, 3}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b, source := newBench(), says(t, tt.answers...)
			sum, err := b.run(t.Context(), source)
			if err != nil || !sum.Done || sum.Retries != 0 {
				t.Errorf("%+v, %v", sum, err)
			}
			b.wantStored(t, tt.stored...)
		})
	}
}

// TestAShortEndIsAcceptedOnRequest is for an API whose total is wrong for good.
func TestAShortEndIsAcceptedOnRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		b.opts.AcceptShortEnd = true
		source := says(t, of(9, "", "1"), of(9, "", "1", "2"), of(9, "", "1", "2"))
		sum, err := b.run(t.Context(), source)
		if err != nil || !sum.Done || sum.Retries != 1 { // two answers that differ confirm nothing: the third costs a try
			t.Fatalf("%+v, %v", sum, err)
		}
		if rows := b.db.Ledger(); len(rows) != 1 || !rows[0].EndAccepted {
			t.Errorf("the ledger holds %+v", rows)
		}
		b.wantStored(t, 1, 2)
	})
}
