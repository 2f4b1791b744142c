package postgres_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/pgtest"
)

// A cutter stands between a store and PostgreSQL and cuts the connection at the next COMMIT: before the server has seen
// it, or after it was carried out and before the answer is passed on.
type cutter struct {
	armed    atomic.Bool
	delivers bool // the COMMIT itself, not its answer
}

func (c *cutter) serve(client net.Conn, target string) {
	defer client.Close() //nolint:errcheck // a test's connection
	server, err := (&net.Dialer{}).Dial("tcp", target)
	if err != nil {
		return
	}
	defer server.Close() //nolint:errcheck // a test's connection
	answers := make(chan struct{})
	var swallow atomic.Bool
	go func() {
		defer client.Close() //nolint:errcheck // the server hung up, or is cut off
		defer close(answers)
		buf := make([]byte, 64<<10)
		for {
			n, err := server.Read(buf)
			if n > 0 && !swallow.Load() {
				_, err = client.Write(buf[:n])
			}
			if err != nil || (n > 0 && swallow.Load()) { // the answer to COMMIT is here: it has been carried out
				return
			}
		}
	}()
	buf := make([]byte, 64<<10)
	for {
		n, err := client.Read(buf)
		if err != nil {
			return
		}
		cut := bytes.Contains(buf[:n], []byte("commit\x00")) && c.armed.CompareAndSwap(true, false)
		if cut && !c.delivers {
			return
		}
		swallow.Store(cut)
		if _, err := io.Copy(server, bytes.NewReader(buf[:n])); err != nil {
			return
		}
		if cut {
			<-answers
			return
		}
	}
}

func TestALostCommit(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		delivers bool
	}{
		{"that the server never saw", false},
		{"that was carried out", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			c := &cutter{delivers: tt.delivers}
			store := open(t, through(t, pgtest.Database(t), c.serve))
			at, err := store.Claim(ctx, domain.StreamID{Source: "s"}, "https://api.example")
			if err != nil {
				t.Fatal(err)
			}
			batch := domain.Batch{At: at, Pages: []domain.DecodedPage{{
				From: at.Position, To: at.After(domain.Page{Next: "c1"}), Receipt: domain.Receipt{FetchedAt: time.Now()},
			}}}
			c.armed.Store(true)
			if _, err := store.Commit(ctx, batch); domain.KindOf(err) != domain.Uncertain {
				t.Fatalf("the lost COMMIT is %v", err)
			}
			durable, err := store.Checkpoint(ctx, at.Stream)
			if err != nil {
				t.Fatal(err)
			}
			if happened := durable.Seq == batch.TargetSeq(); happened != tt.delivers || durable.Epoch != at.Epoch {
				t.Fatalf("afterwards the checkpoint is %+v", durable)
			}
			if !tt.delivers {
				if _, err := store.Commit(ctx, batch); err != nil {
					t.Errorf("the same batch again: %v", err)
				}
			}
		})
	}
}
