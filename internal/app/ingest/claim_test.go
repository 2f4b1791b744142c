package ingest_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

func heldBy(holder domain.Holder) error {
	return &domain.Error{Kind: domain.Fenced, Op: "lock", Holder: holder, Err: errors.New("another runner")}
}

// TestAStreamThatLooksTakenIsAskedForAgain, for as long as its holder may be gone without the server knowing.
func TestAStreamThatLooksTakenIsAskedForAgain(t *testing.T) {
	t.Parallel()
	type spell struct {
		holder domain.Holder
		times  int
	}
	tests := []struct {
		name   string
		fenced []spell
		kind   domain.Kind
		after  time.Duration
		waits  int // told to the observer
	}{
		{"a killed predecessor's session ends", []spell{{domain.HolderAlive, 3}}, 0, 600 * time.Millisecond, 1},
		{"another runner works", []spell{{domain.HolderAlive, 1000}}, domain.Fenced, time.Second, 1},
		{"nobody can tell", []spell{{domain.HolderUnknown, 1000}}, domain.Fenced, 5 * time.Second, 1},
		{"its machine is gone", []spell{{domain.HolderSilent, 120}}, 0, 24 * time.Second, 1},
		{"it stays frozen", []spell{{domain.HolderSilent, 1000}}, domain.Fenced, 30 * time.Second, 1},
		{"it wakes", []spell{{domain.HolderSilent, 50}, {domain.HolderAlive, 1000}}, domain.Fenced, 10 * time.Second, 1},
		{"it falls silent meanwhile", []spell{{domain.HolderAlive, 3}, {domain.HolderSilent, 97}}, 0, 20 * time.Second, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBench()
				store := &shaky{EventStore: b.store}
				for _, s := range tt.fenced {
					for range s.times {
						store.claims = append(store.claims, heldBy(s.holder))
					}
				}
				b.store = store
				began := time.Now()
				var source *script
				if tt.kind == 0 {
					source = says(t, of(1, "", "1"))
				} else {
					source = says(t)
				}
				_, err := b.run(t.Context(), source)
				if (err == nil) != (tt.kind == 0) || (err != nil && domain.KindOf(err) != tt.kind) {
					t.Errorf("it ended with %v", err)
				}
				if took := time.Since(began); took != tt.after {
					t.Errorf("after %s, want %s", took, tt.after)
				}
				if len(b.seen.waits) != tt.waits {
					t.Errorf("the observer was told of %d waits, want %d", len(b.seen.waits), tt.waits)
				}
			})
		})
	}
}
