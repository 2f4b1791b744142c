package postgres_test

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pawldata/pawl/internal/adapters/postgres"
	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/pgtest"
)

// distant passes on what client and server say, each chunk a while after it came, as a server in another region would, and
// counts what the client says.
func distant(oneWay time.Duration, count *requestCount) func(client net.Conn, target string) {
	return func(client net.Conn, target string) {
		server, err := (&net.Dialer{}).Dial("tcp", target)
		if err != nil {
			_ = client.Close()
			return
		}
		counted, counting := io.Pipe()
		go count.read(counted)
		go func() {
			passOnLate(server, io.TeeReader(client, counting), oneWay)
			_ = counting.Close()
		}()
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

// A requestCount counts what clients send to the server. The statements of a pipeline are sent in one round trip.
type requestCount struct{ statements, roundTrips atomic.Int64 }

// read counts one connection's messages until it ends.
func (c *requestCount) read(client *io.PipeReader) {
	defer func() { _, _ = io.Copy(io.Discard, client) }() // the connection goes on, whatever is counted
	backend := pgproto3.NewBackend(client, io.Discard)
	for started := false; !started; {
		message, err := backend.ReceiveStartupMessage()
		if err != nil {
			return
		}
		_, started = message.(*pgproto3.StartupMessage)
	}
	if backend.SetAuthType(pgproto3.AuthTypeGSS) != nil { // its answers may be any bytes: a password's form does not matter
		return
	}
	for {
		message, err := backend.Receive()
		if err != nil {
			return
		}
		switch m := message.(type) {
		case *pgproto3.Query:
			c.statements.Add(1)
			c.roundTrips.Add(1)
		case *pgproto3.Execute:
			c.statements.Add(1)
		case *pgproto3.Bind: // of a prepared statement
			if m.PreparedStatement != "" {
				c.roundTrips.Add(1)
			}
		case *pgproto3.Describe: // a statement is prepared; one without a name is for the pipeline that follows
			if m.ObjectType == 'S' {
				c.roundTrips.Add(1)
			}
			if m.ObjectType == 'S' && m.Name == "" {
				c.roundTrips.Add(1)
			}
		}
	}
}

func (c *requestCount) reset() {
	c.statements.Store(0)
	c.roundTrips.Store(0)
}

func (c *requestCount) String() string {
	return fmt.Sprintf("%d statements in %d round trips", c.statements.Load(), c.roundTrips.Load())
}

// A distantPage is a page of 5,000 events for a server that is 10 ms away.
type distantPage struct {
	store *postgres.Store
	at    domain.Checkpoint
	page  domain.DecodedPage
	count *requestCount
}

// newDistantPage returns a page of which PostgreSQL refuses some events.
func newDistantPage(t *testing.T, refused func(i int) bool) *distantPage {
	t.Helper()
	const size = 5000
	d := &distantPage{count: &requestCount{}}
	databaseURL := pgtest.WithParam(t, pgtest.Database(t), "sslmode", "disable")
	d.store, d.at = claimed(t, through(t, databaseURL, distant(5*time.Millisecond, d.count)))
	d.page = domain.DecodedPage{
		From: d.at.Position, To: d.at.Position, Events: refusedSeries(t, size, refused), Received: size,
		Receipt: domain.Receipt{FetchedAt: time.Now()},
	}
	return d
}

// refusedSeries returns events of which PostgreSQL refuses some.
func refusedSeries(t *testing.T, size int, refused func(i int) bool) []domain.DecodedEvent {
	t.Helper()
	events := series(t, size)
	for i := range events {
		if refused(i) {
			events[i].Properties = []byte(`{"n":"\u0000"}`)
		}
	}
	return events
}

// commit stores the page if it may park so many records, and counts what that takes.
func (d *distantPage) commit(t *testing.T, mayPark int) (domain.CommitResult, error) {
	t.Helper()
	d.page.MaxParked = mayPark
	d.count.reset()
	began := time.Now()
	res, err := d.store.Commit(t.Context(), domain.Batch{At: d.at, Pages: []domain.DecodedPage{d.page}})
	t.Logf("%s, %s", d.count, time.Since(began).Round(time.Millisecond))
	return res, err
}

// parks fails the test unless the page is stored, with so many records parked, in a number of round trips that does not grow
// with theirs.
func (d *distantPage) parks(t *testing.T, refused int64) {
	t.Helper()
	res, err := d.commit(t, d.page.Received)
	size := int64(d.page.Received)
	if want := (domain.Counts{Received: size, Inserted: size - refused, Parked: refused}); err != nil || res.Counts != want {
		t.Errorf("tally %+v, want %+v; %v", res.Counts, want, err)
	}
	if n := d.count.roundTrips.Load(); n == 0 || n > 80 {
		t.Errorf("%d round trips", n)
	}
}

// TestManyRefusedRecordsOfADistantDatabase: a round trip for each of them would take longer than the transaction may.
func TestManyRefusedRecordsOfADistantDatabase(t *testing.T) {
	t.Parallel()
	newDistantPage(t, func(i int) bool { return i%10 < 3 }).parks(t, 1500)
}

// TestTheSearchStopsPastTheRatio: a page that will be refused is not searched to its end.
func TestTheSearchStopsPastTheRatio(t *testing.T) {
	t.Parallel()
	d := newDistantPage(t, func(i int) bool { return i%10 < 3 })
	const mayPark = 50
	if _, err := d.commit(t, mayPark); domain.KindOf(err) != domain.TooManyRejects || !strings.Contains(domain.HintOf(err), "--max-reject-ratio") {
		t.Errorf("%v, hint %q", err, domain.HintOf(err))
	}
	if n := d.count.statements.Load(); n == 0 || n > 3000 { // to its end there would be 18,000
		t.Errorf("%d statements", n)
	}
	if n := d.count.roundTrips.Load(); n == 0 || n > 80 {
		t.Errorf("%d round trips", n)
	}
}
