package postgres_test

import (
	"context"
	"io"
	"net"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/pgtest"
)

// distant passes on what client and server say, each chunk a while after it came, as a server in another region would.
func distant(oneWay time.Duration) func(client net.Conn, target string) {
	return func(client net.Conn, target string) {
		server, err := (&net.Dialer{}).Dial("tcp", target)
		if err != nil {
			_ = client.Close()
			return
		}
		go passOnLate(server, client, oneWay)
		passOnLate(client, server, oneWay)
	}
}

func passOnLate(to io.WriteCloser, from io.Reader, delay time.Duration) {
	type chunk struct {
		bytes []byte
		due   time.Time
	}
	chunks := make(chan chunk, 10_000)
	go func() {
		defer to.Close() //nolint:errcheck // a test's connection
		for c := range chunks {
			<-time.After(time.Until(c.due)) // this is the distance
			if _, err := to.Write(c.bytes); err != nil {
				return
			}
		}
	}()
	defer close(chunks)
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		chunks <- chunk{append([]byte(nil), buf[:n]...), time.Now().Add(delay)}
	}
}

// TestManyRefusedRecordsOfADistantDatabase: a round trip for each of them would take longer than the transaction may.
func TestManyRefusedRecordsOfADistantDatabase(t *testing.T) {
	t.Parallel()
	const size = 5000
	tests := []struct {
		name    string
		refused func(i int) bool
		parked  int64
	}{
		{"every record", func(int) bool { return true }, size},
		{"three in ten", func(i int) bool { return i%10 < 3 }, size * 3 / 10},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			databaseURL := pgtest.Database(t)
			events := series(t, size)
			for i := range events {
				if tt.refused(i) {
					events[i].Properties = []byte(`{"n":"\u0000"}`)
				}
			}
			store, at := claimed(t, through(t, databaseURL, distant(5*time.Millisecond)))
			page := domain.ReadPage{
				From: at.Place, To: at.Place, Events: events, Received: size, MayPark: size,
				Receipt: domain.Receipt{FetchedAt: time.Now()},
			}
			began := time.Now()
			res, err := store.Commit(ctx, domain.Batch{Stream: at.Stream, Epoch: at.Epoch, Seq: at.Seq, Pages: []domain.ReadPage{page}})
			if want := (domain.Tally{Received: size, Inserted: size - tt.parked, Parked: tt.parked}); err != nil || res.Tally != want {
				t.Errorf("tally %+v, want %+v; %v", res.Tally, want, err)
			}
			t.Logf("committed in %s", time.Since(began).Round(time.Millisecond))
		})
	}
}
