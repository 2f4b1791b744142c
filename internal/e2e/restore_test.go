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

// TestRestoredBackup checks that a runner notices a backup that is restored while it waits for the API. The runner has
// stored pages since the backup. If it went on from its own position, the events between would be missing from a stream
// that counts as complete.
func TestRestoredBackup(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name       string
		state      string // that is restored
		second     bool   // then another runner claims the stream, reaches the same seq and is killed
		rateWait   bool   // the runner waits for the rate limit; otherwise for an answer
		code       int
		wantStderr string
	}{
		{"another runner reaches the same seq", beforeClaim, true, false, 5, "another runner"},
		{"another runner reaches the same seq, during a wait for the rate limit", beforeClaim, true, true, 5, "another runner"},
		{"to a time before the claim", beforeClaim, false, false, 3, "set back"},
		{"to a time before the claim, during a wait for the rate limit", beforeClaim, false, true, 3, "set back"},
		{"to a time after the claim", afterClaim, false, false, 3, "set back"},
		{"to a time before the first run", beforeAll, false, false, 3, "set back"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newRestoreTest(t, tt.rateWait)
			p := s.restoreUnder(tt.state)
			if tt.second {
				s.runSecondUntil(3)
			}
			s.proxy.restart()
			s.api.unblock()
			if code := p.wait(s.ctx); code != tt.code || !strings.Contains(p.stderr.String(), tt.wantStderr) {
				t.Errorf("exit %d, want %d with %q: %s", code, tt.code, tt.wantStderr, p.stderr.String())
			}
			s.checkComplete()
		})
	}
}

// The states that TestRestoredBackup restores.
const (
	beforeAll   = "before the first run"
	beforeClaim = "epoch 1, seq 1"
	afterClaim  = "epoch 2, seq 2"
)

const (
	restoreEvents = 8
	firstLimit    = 2 // the page size of the runner under test
	secondLimit   = 1 // the second runner's, so that the same seq is another offset
)

// A restoreTest has a database, behind a proxy for the runner under test, and an API whose answers can be blocked.
type restoreTest struct {
	t           *testing.T
	ctx         context.Context //nolint:containedctx // it bounds the whole test
	api         *recordsAPI
	proxy       *proxy
	databaseURL string // without the proxy
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

// restoreUnder lets a first run store one page and a second run continue to seq 3, and then restores the given state. It
// returns the second run, which waits for the API. The run has lost its connections, and the proxy is stopped.
func (s *restoreTest) restoreUnder(state string) *process {
	s.t.Helper()
	b := newBackup(s.t, s.databaseURL)
	takeIn := func(current string) {
		if current == state {
			b.take()
		}
	}
	takeIn(beforeAll)
	first := s.runUntilBlocked(s.databaseURL, firstLimit, firstLimit)
	first.kill()
	takeIn(beforeClaim)
	p := s.runUntilBlocked(s.proxiedURL, firstLimit, 2*firstLimit)
	takeIn(afterClaim)
	s.moveBlock(3 * firstLimit)
	if got := s.checkpoint(); got != "epoch 2, seq 3" {
		s.t.Fatalf("before the restore: got %s, want epoch 2, seq 3", got)
	}
	s.proxy.stop()
	b.restore()
	return p
}

// runUntilBlocked starts a run and waits until the API blocks its request for the page at offset.
func (s *restoreTest) runUntilBlocked(databaseURL string, limit, offset int) *process {
	s.t.Helper()
	s.api.blockRequests(limit, block{offset, s.rateWait})
	p := start(s.t, s.api.environment(databaseURL), "pawl", "run", "--page-size", strconv.Itoa(limit))
	eventually(s.t, "the API blocks a request", func() bool { return s.api.hasBlocked(limit) || !p.isRunning() })
	if !p.isRunning() {
		s.t.Fatalf("the run has ended: exit %d: %s", p.cmd.ProcessState.ExitCode(), p.stderr.String())
	}
	return p
}

// moveBlock lets the runner under test continue to offset.
func (s *restoreTest) moveBlock(offset int) {
	s.t.Helper()
	s.api.blockRequests(firstLimit, block{offset, s.rateWait})
	eventually(s.t, "the API blocks a later request", func() bool { return s.api.hasBlocked(firstLimit) })
}

// runSecondUntil lets another runner claim the stream and store pages until seq, and then kills it.
func (s *restoreTest) runSecondUntil(seq int) {
	s.t.Helper()
	const stored = firstLimit // by the first run, as one page
	second := s.runUntilBlocked(s.databaseURL, secondLimit, stored+(seq-1)*secondLimit)
	if got, want := s.checkpoint(), "epoch 2, seq "+strconv.Itoa(seq); got != want {
		s.t.Fatalf("the second runner: got %s, want %s", got, want)
	}
	second.kill()
}

// checkpoint returns the stream's epoch and seq, in words.
func (s *restoreTest) checkpoint() (at string) {
	s.t.Helper()
	db := connect(s.t, s.databaseURL)
	defer db.conn.Close(s.ctx) //nolint:errcheck // it was only read
	if err := db.conn.QueryRow(s.ctx, "SELECT 'epoch ' || epoch || ', seq ' || seq FROM checkpoints").Scan(&at); err != nil {
		s.t.Fatal(err)
	}
	return at
}

// checkComplete runs pawl once more and checks that then every event is stored.
func (s *restoreTest) checkComplete() {
	s.t.Helper()
	for _, args := range [][]string{{"run", "--page-size", strconv.Itoa(firstLimit)}, {"verify"}, {"verify", "--against-api"}} {
		p := start(s.t, s.api.environment(s.databaseURL), "pawl", args...)
		if code := p.wait(s.ctx); code != 0 {
			s.t.Errorf("afterwards pawl %v: exit %d: %s%s", args, code, p.stdout.String(), p.stderr.String())
		}
	}
	db := connect(s.t, s.databaseURL)
	if n := db.count("SELECT count(*) FROM events"); n != restoreEvents {
		s.t.Errorf("got %d events stored, want %d", n, restoreEvents)
	}
	db.checkLedger()
}

// A backup is a copy of a test's database on the same server.
type backup struct {
	server    *database // a connection to serverURL
	serverURL string    // of the server's database postgres
	source    string    // URL of the database that is copied
	name      string    // of that database
	copyName  string    // of the copy
}

// newBackup prepares to copy a database. The copy is dropped when the test ends.
func newBackup(t *testing.T, databaseURL string) *backup {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	name := strings.TrimPrefix(u.Path, "/")
	u.Path = "/postgres"
	b := &backup{server: connect(t, u.String()), serverURL: u.String(), source: databaseURL, name: name, copyName: name + "_backup"}
	t.Cleanup(func() { b.drop(b.copyName) })
	return b
}

// take copies the database and replaces an earlier copy. PostgreSQL copies only a database without connections, so take
// ends every connection to it, also the test's own, and lets new ones be refused meanwhile.
func (b *backup) take() {
	b.server.t.Helper()
	b.drop(b.copyName)
	b.server.exec("ALTER DATABASE " + quoted(b.name) + " ALLOW_CONNECTIONS false")
	eventually(b.server.t, "the database is copied", func() bool {
		b.server.exec("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '" + b.name + "'")
		_, err := b.server.conn.Exec(b.server.ctx, "CREATE DATABASE "+quoted(b.copyName)+" TEMPLATE "+quoted(b.name))
		return err == nil // an error means that a session began before connections were refused
	})
	b.server.exec("ALTER DATABASE " + quoted(b.name) + " ALLOW_CONNECTIONS true")
}

// restore replaces the database with the copy. It ends every connection to the database.
func (b *backup) restore() {
	b.server.t.Helper()
	b.drop(b.name)
	b.server.exec("CREATE DATABASE " + quoted(b.name) + " TEMPLATE " + quoted(b.copyName))
	// Without a checkpoint, a crash soon afterwards sets the copied sequences back by up to 32, and ids are given out twice.
	// No other way to restore a backup has this effect.
	b.server.exec("CHECKPOINT")
}

// stream returns the stream's epoch and seq in the copy.
func (b *backup) stream() (epoch, seq int) {
	b.server.t.Helper()
	u, err := url.Parse(b.source)
	if err != nil {
		b.server.t.Fatal(err)
	}
	u.Path = "/" + b.copyName
	db := connect(b.server.t, u.String())
	defer db.conn.Close(db.ctx) //nolint:errcheck // it was only read
	return db.epoch(), db.seq()
}

// reconnect opens a new connection to the server if a server crash has ended the old one.
func (b *backup) reconnect() {
	b.server.t.Helper()
	if b.server.conn.Ping(b.server.ctx) == nil {
		return
	}
	eventually(b.server.t, "the server has recovered", func() bool {
		conn, err := pgx.Connect(b.server.ctx, b.serverURL)
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
