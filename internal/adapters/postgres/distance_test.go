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
	commitRefused(t, func(i int) bool { return i%10 < 3 }, 3*time.Minute)
}

// commitRefused commits a page of 5,000 events, of which PostgreSQL refuses some, to a server that is 10 ms away.
func commitRefused(t *testing.T, refused func(i int) bool, limit time.Duration) {
	t.Helper()
	const size = 5000
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	databaseURL := pgtest.Database(t)
	events, parked := series(t, size), int64(0)
	for i := range events {
		if refused(i) {
			events[i].Properties = []byte(`{"n":"\u0000"}`)
			parked++
		}
	}
	store, at := claimed(t, through(t, databaseURL, distant(5*time.Millisecond)))
	page := domain.ReadPage{
		From: at.Place, To: at.Place, Events: events, Received: size, MayPark: size,
		Receipt: domain.Receipt{FetchedAt: time.Now()},
	}
	began := time.Now()
	res, err := store.Commit(ctx, domain.Batch{At: at, Pages: []domain.ReadPage{page}})
	if want := (domain.Tally{Received: size, Inserted: size - parked, Parked: parked}); err != nil || res.Tally != want {
		t.Errorf("tally %+v, want %+v; %v", res.Tally, want, err)
	}
	t.Logf("committed in %s", time.Since(began).Round(time.Millisecond))
}
