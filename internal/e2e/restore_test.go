//go:build e2e

package e2e

import (
	"context"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pawldata/pawl/internal/pgtest"
)

// TestADatabaseThatIsSetBack restores a backup under a runner that has stored pages since and waits for the API. When the
// runner goes on, it must not write behind the place that the database was set back to: the events between would be missing
// from a stream that counts as complete.
func TestRestoredBackup(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name       string
		from       string // which state is restored
		rival      bool   // another runner claims the stream then, comes to the same seq and is killed
		rateWait   bool   // the runner waits for the rate limit, and otherwise for an answer
		code       int
		wantStderr string
	}{
		{"another runner reaches the same seq", beforeClaim, true, false, 5, "another runner"},
		{"another runner reaches the same seq during a wait for the rate limit", beforeClaim, true, true, 5, "another runner"},
		{"to a time before the claim", beforeClaim, false, false, 3, "set back"},
		{"to a time before the claim, during a wait for the rate limit", beforeClaim, false, true, 3, "set back"},
		{"to a time after the claim", afterClaim, false, false, 3, "set back"},
		{"to a time before the first run", beforeAll, false, false, 3, "set back"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newRestoreTest(t, tt.rateWait)
			p := s.restoreUnder(tt.from)
			if tt.rival {
				s.runSecondUntil(3)
			}
			s.proxy.restart()
			s.api.unblock()
			if code := p.wait(s.ctx); code != tt.code || !strings.Contains(p.stderr.String(), tt.wantStderr) {
				t.Errorf("the runner ends %d, want %d with %q: %s", code, tt.code, tt.wantStderr, p.stderr.String())
			}
			s.checkComplete()
		})
	}
}

// The states that TestADatabaseThatIsSetBack restores.
const (
	beforeAll   = "before the first run"
	beforeClaim = "epoch 1, seq 1"
	afterClaim  = "epoch 2, seq 2"
)

const (
	restoreEvents = 8
	firstLimit    = 2 // the runner's page size
	secondLimit   = 1 // the rival's, so that the same seq is another place
)

// A setBack is one database, behind a proxy for the runner under test, and an API that answers as far as the test wants.
type restoreTest struct {
	t           *testing.T
	ctx         context.Context //nolint:containedctx // it bounds the whole test
	api         *recordsAPI
	proxy       *proxy
	databaseURL string // past the proxy
	proxiedURL  string
	rateWait    bool
}

func newRestoreTest(t *testing.T, rateWait bool) *restoreTest {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	t.Cleanup(cancel)
	s := &restoreTest{t: t, ctx: ctx, api: serveRecords(t, validEvents(restoreEvents)), databaseURL: pgtest.Database(t), rateWait: rateWait}
	s.proxy, s.proxiedURL = newProxyFor(t, "database", s.databaseURL)
	return s
}

// restoreUnder lets a first run store one page and a second one go on to seq 3, and restores a state from before that. It
// returns the second run, which waits for the API and has lost its connections. The proxy has left.
func (s *restoreTest) restoreUnder(state string) *process {
	s.t.Helper()
	b := newBackup(s.t, s.databaseURL)
	backUpIn := func(now string) {
		if now == state {
			b.take()
		}
	}
	backUpIn(beforeAll)
	first := s.runUntilBlocked(s.databaseURL, firstLimit, firstLimit)
	first.kill()
	backUpIn(beforeClaim)
	p := s.runUntilBlocked(s.proxiedURL, firstLimit, 2*firstLimit)
	backUpIn(afterClaim)
	s.moveBlock(3 * firstLimit)
	if got := s.checkpoint(); got != "epoch 2, seq 3" {
		s.t.Fatalf("before the restore the stream is at %s", got)
	}
	s.proxy.stop()
	b.restore()
	return p
}

// runUntilHeld starts a run and waits until the API holds back its request for the page at a place.
func (s *restoreTest) runUntilBlocked(databaseURL string, limit, place int) *process {
	s.t.Helper()
	s.api.blockRequests(limit, block{place, s.rateWait})
	p := start(s.t, s.api.environment(databaseURL), "pawl", "run", "--page-size", strconv.Itoa(limit))
	eventually(s.t, "the API holds back a request", func() bool { return s.api.hasBlocked(limit) || !p.isRunning() })
	if !p.isRunning() {
		s.t.Fatalf("a run ends %d: %s", p.cmd.ProcessState.ExitCode(), p.stderr.String())
	}
	return p
}

// moveHold lets the runner go on to another place.
func (s *restoreTest) moveBlock(place int) {
	s.t.Helper()
	s.api.blockRequests(firstLimit, block{place, s.rateWait})
	eventually(s.t, "the API holds back a later request", func() bool { return s.api.hasBlocked(firstLimit) })
}

// letRivalReach has another runner claim the stream and store pages until a seq, and kills it.
func (s *restoreTest) runSecondUntil(seq int) {
	s.t.Helper()
	const stored = firstLimit // by the first run, as one page
	rival := s.runUntilBlocked(s.databaseURL, secondLimit, stored+(seq-1)*secondLimit)
	if got, want := s.checkpoint(), "epoch 2, seq "+strconv.Itoa(seq); got != want {
		s.t.Fatalf("the rival has come to %s, want %s", got, want)
	}
	rival.kill()
}

func (s *restoreTest) checkpoint() (at string) {
	s.t.Helper()
	db := connect(s.t, s.databaseURL)
	defer db.conn.Close(s.ctx) //nolint:errcheck // it was only read
	if err := db.conn.QueryRow(s.ctx, "SELECT 'epoch ' || epoch || ', seq ' || seq FROM checkpoints").Scan(&at); err != nil {
		s.t.Fatal(err)
	}
	return at
}

// judge runs pawl once more and fails the test unless every event is there then.
func (s *restoreTest) checkComplete() {
	s.t.Helper()
	for _, args := range [][]string{{"run", "--page-size", strconv.Itoa(firstLimit)}, {"verify"}, {"verify", "--against-api"}} {
		p := start(s.t, s.api.environment(s.databaseURL), "pawl", args...)
		if code := p.wait(s.ctx); code != 0 {
			s.t.Errorf("afterwards pawl %v ends %d: %s%s", args, code, p.stdout.String(), p.stderr.String())
		}
	}
	db := connect(s.t, s.databaseURL)
	if n := db.count("SELECT count(*) FROM events"); n != restoreEvents {
		s.t.Errorf("%d of %d events are stored", n, restoreEvents)
	}
	db.checkLedger()
}

// A backup is a copy of a test's database on the same server.
type backup struct {
	server *database // a session in another database, see reconnect
	admin  string    // the URL of that database
	source string    // the URL of the database that is copied
	name   string    // of that database
	copied string    // the name of the copy
}

// newBackup prepares to copy a database. A copy is dropped when the test ends.
func newBackup(t *testing.T, databaseURL string) *backup {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	name := strings.TrimPrefix(u.Path, "/")
	u.Path = "/postgres"
	b := &backup{server: connect(t, u.String()), admin: u.String(), source: databaseURL, name: name, copied: name + "_backup"}
	t.Cleanup(func() { b.drop(b.copied) })
	return b
}

// take copies the database in place of an earlier copy. PostgreSQL copies only a database that nobody is connected to, so
// take ends every connection to it, those of the test too, and has new ones refused meanwhile.
func (b *backup) take() {
	b.server.t.Helper()
	b.drop(b.copied)
	b.server.exec("ALTER DATABASE " + quoted(b.name) + " ALLOW_CONNECTIONS false")
	eventually(b.server.t, "the database is copied", func() bool {
		b.server.exec("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '" + b.name + "'")
		_, err := b.server.conn.Exec(b.server.ctx, "CREATE DATABASE "+quoted(b.copied)+" TEMPLATE "+quoted(b.name))
		return err == nil // otherwise a session that began before the refusal
	})
	b.server.exec("ALTER DATABASE " + quoted(b.name) + " ALLOW_CONNECTIONS true")
}

// restore replaces the database by the copy. It ends every connection to it.
func (b *backup) restore() {
	b.server.t.Helper()
	b.drop(b.name)
	b.server.exec("CREATE DATABASE " + quoted(b.name) + " TEMPLATE " + quoted(b.copied))
	// Without it a crash soon afterwards sets the copied sequences back by up to 32, and ids are given out twice. No other
	// way to restore a backup does that.
	b.server.exec("CHECKPOINT")
}

// stream reads from the copy where the stream stands in it.
func (b *backup) stream() (epoch, seq int) {
	b.server.t.Helper()
	u, err := url.Parse(b.source)
	if err != nil {
		b.server.t.Fatal(err)
	}
	u.Path = "/" + b.copied
	db := connect(b.server.t, u.String())
	defer db.conn.Close(db.ctx) //nolint:errcheck // it was only read
	return db.epoch(), db.seq()
}

// reconnect replaces the session if it has ended, as it does when the server crashes.
func (b *backup) reconnect() {
	b.server.t.Helper()
	if b.server.conn.Ping(b.server.ctx) == nil {
		return
	}
	eventually(b.server.t, "the server has recovered", func() bool {
		conn, err := pgx.Connect(b.server.ctx, b.admin)
		if err == nil {
			b.server.conn = conn
			b.server.t.Cleanup(func() { _ = conn.Close(b.server.ctx) })
		}
		return err == nil
	})
}

func (b *backup) drop(name string) {
	b.server.t.Helper()
	b.reconnect()
	b.server.exec("DROP DATABASE IF EXISTS " + quoted(name) + " WITH (FORCE)")
}

func quoted(name string) string { return pgx.Identifier{name}.Sanitize() }
