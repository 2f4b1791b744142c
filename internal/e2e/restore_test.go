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

// TestRestoredBackup checks that a runner notices a backup that was restored while the runner waited for the API. The runner had
// stored pages since the backup. If it continued from its own position, the events of these pages would be missing, although
// the stream would count as complete.
func TestRestoredBackup(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name          string
		restoredState string // beforeAll, beforeClaim or afterClaim
		replacement   bool   // after the restore, another runner claims the stream, reaches the same seq and is killed
		rateWait      bool   // true: the runner waits for the rate limit; false: it waits for an answer
		wantCode      int
		wantStderr    string
	}{
		{
			name:          "another runner reaches the same seq",
			restoredState: beforeClaim, replacement: true,
			wantCode: exitFenced, wantStderr: "another runner",
		},
		{
			name:          "another runner reaches the same seq, during a wait for the rate limit",
			restoredState: beforeClaim, replacement: true, rateWait: true,
			wantCode: exitFenced, wantStderr: "another runner",
		},
		{
			name:          "to a time before the claim",
			restoredState: beforeClaim,
			wantCode:      exitRetryLater, wantStderr: "set back",
		},
		{
			name:          "to a time before the claim, during a wait for the rate limit",
			restoredState: beforeClaim, rateWait: true,
			wantCode: exitRetryLater, wantStderr: "set back",
		},
		{
			name:          "to a time after the claim",
			restoredState: afterClaim,
			wantCode:      exitRetryLater, wantStderr: "set back",
		},
		{
			name:          "to a time before the first run",
			restoredState: beforeAll,
			wantCode:      exitRetryLater, wantStderr: "set back",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newRestoreTest(t, tt.rateWait)
			tested := s.restoreDuringRun(tt.restoredState)
			if tt.replacement {
				s.runReplacementUntil(restoredAtSeq)
			}
			s.proxy.restart()
			s.api.unblock()
			if code := tested.wait(s.ctx); code != tt.wantCode || !strings.Contains(tested.stderr.String(), tt.wantStderr) {
				t.Errorf("exit %d, want %d with %q: %s", code, tt.wantCode, tt.wantStderr, tested.stderr.String())
			}
			s.checkComplete()
		})
	}
}

// The states of which TestRestoredBackup restores a backup.
const (
	beforeAll   = "before the first run"
	beforeClaim = "before the claim of the runner under test"           // epoch 1, seq 1
	afterClaim  = "after the claim and a page of the runner under test" // epoch 2, seq 2
)

const (
	restoreEvents       = 8
	restoredAtSeq       = 3 // the seq that the runner under test has reached when the backup is restored
	testedPageSize      = 2 // of the runner under test, and of the run before it
	replacementPageSize = 1 // of the other runner, which therefore has another offset at the same seq
)

// A restoreTest has a database and an API whose answers the test can block. The runner under test uses the database through a
// proxy.
type restoreTest struct {
	t           *testing.T
	ctx         context.Context //nolint:containedctx // it bounds the whole test
	api         *recordsAPI
	proxy       *proxy
	databaseURL string // leads to the database directly, without the proxy
	proxiedURL  string
	rateWait    bool // true: a blocked request gets a 429; false: it gets no answer
}

func newRestoreTest(t *testing.T, rateWait bool) *restoreTest {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	t.Cleanup(cancel)
	s := &restoreTest{t: t, ctx: ctx, databaseURL: pgtest.Database(t), rateWait: rateWait}
	s.api = serveRecords(t, validEvents(restoreEvents))
	s.proxy, s.proxiedURL = newProxyFor(t, "database", s.databaseURL)
	return s
}

// restoreDuringRun lets a first run store one page, and kills it. Then it lets the runner under test continue to restoredAtSeq,
// and restores the backup that was taken in restoredState. It returns the runner under test, which waits for the API and has
// lost its database connections. The proxy is stopped.
func (s *restoreTest) restoreDuringRun(restoredState string) *process {
	s.t.Helper()
	b := newBackup(s.t, s.databaseURL)
	backUpIn := func(state string) {
		if state == restoredState {
			b.take()
		}
	}
	backUpIn(beforeAll)
	firstRun := s.runUntilBlocked(s.databaseURL, testedPageSize, testedPageSize)
	firstRun.kill()
	backUpIn(beforeClaim)
	tested := s.runUntilBlocked(s.proxiedURL, testedPageSize, 2*testedPageSize)
	backUpIn(afterClaim)
	s.moveBlock(restoredAtSeq * testedPageSize)
	if got, want := s.checkpoint(), "epoch 2, seq "+strconv.Itoa(restoredAtSeq); got != want {
		s.t.Fatalf("before the restore: got %s, want %s", got, want)
	}
	s.proxy.stop()
	b.restore()
	return tested
}

// runUntilBlocked starts a run and waits until the API blocks its request for the page at offset. The run fetches no page ahead, so
// it has then stored all earlier pages.
func (s *restoreTest) runUntilBlocked(databaseURL string, pageSize, offset int) *process {
	s.t.Helper()
	s.api.blockRequests(pageSize, block{minOffset: offset, isRefusal: s.rateWait})
	p := start(s.t, s.api.environment(databaseURL), "pawl", "run", "--page-size", strconv.Itoa(pageSize), "--max-buffer-bytes", "0")
	eventually(s.t, "the API blocks a request", func() bool { return s.api.hasBlocked(pageSize) || !p.isRunning() })
	if !p.isRunning() {
		s.t.Fatalf("the run exited with %d, want it to wait for the API: %s", p.cmd.ProcessState.ExitCode(), p.stderr.String())
	}
	return p
}

// moveBlock lets the runner under test continue, until the API blocks its request for the page at offset.
func (s *restoreTest) moveBlock(offset int) {
	s.t.Helper()
	s.api.blockRequests(testedPageSize, block{minOffset: offset, isRefusal: s.rateWait})
	eventually(s.t, "the API blocks a later request", func() bool { return s.api.hasBlocked(testedPageSize) })
}

// runReplacementUntil lets another runner claim the stream and store pages up to seq, and then kills it. The restored backup
// contains one page of testedPageSize events, with seq 1.
func (s *restoreTest) runReplacementUntil(seq int) {
	s.t.Helper()
	offset := testedPageSize + (seq-1)*replacementPageSize
	replacement := s.runUntilBlocked(s.databaseURL, replacementPageSize, offset)
	if got, want := s.checkpoint(), "epoch 2, seq "+strconv.Itoa(seq); got != want {
		s.t.Fatalf("the other runner: got %s, want %s", got, want)
	}
	replacement.kill()
}

// checkpoint returns the stream's epoch and seq as text, for example "epoch 2, seq 3".
func (s *restoreTest) checkpoint() (text string) {
	s.t.Helper()
	db := connect(s.t, s.databaseURL)
	defer db.conn.Close(s.ctx) //nolint:errcheck // it was only read
	if err := db.conn.QueryRow(s.ctx, "SELECT 'epoch ' || epoch || ', seq ' || seq FROM checkpoints").Scan(&text); err != nil {
		s.t.Fatal(err)
	}
	return text
}

// checkComplete runs pawl once more. It checks that every event is stored afterwards and that verify finds no difference.
func (s *restoreTest) checkComplete() {
	s.t.Helper()
	for _, args := range [][]string{{"run", "--page-size", strconv.Itoa(testedPageSize)}, {"verify"}, {"verify", "--against-api"}} {
		p := start(s.t, s.api.environment(s.databaseURL), "pawl", args...)
		if code := p.wait(s.ctx); code != exitDone {
			s.t.Errorf("pawl %v after the restore: exit %d, want %d: %s%s", args, code, exitDone, p.stdout.String(), p.stderr.String())
		}
	}
	db := connect(s.t, s.databaseURL)
	if n := db.queryInt("SELECT count(*) FROM events"); n != restoreEvents {
		s.t.Errorf("stored events: got %d, want %d", n, restoreEvents)
	}
	db.checkLedger()
}

// A backup is a copy of a test's database on the same server.
type backup struct {
	server      *database // a connection to serverURL
	serverURL   string    // the URL of the database postgres on the same server
	databaseURL string    // the URL of the database that is copied
	name        string    // the name of the database that is copied
	copyName    string    // the name of the copy
}

// newBackup prepares to copy a database; take makes the copy. The copy is dropped when the test ends.
func newBackup(t *testing.T, databaseURL string) *backup {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	name := strings.TrimPrefix(u.Path, "/")
	u.Path = "/postgres"
	serverURL := u.String()
	b := &backup{server: connect(t, serverURL), serverURL: serverURL, databaseURL: databaseURL, name: name, copyName: name + "_backup"}
	t.Cleanup(func() { b.drop(b.copyName) })
	return b
}

// take copies the database and replaces an earlier copy. PostgreSQL copies a database only if it has no connections. So take ends
// every connection to the database, including the test's own, and refuses new connections until the copy is complete.
func (b *backup) take() {
	b.server.t.Helper()
	b.drop(b.copyName)
	b.server.exec("ALTER DATABASE " + quoteName(b.name) + " ALLOW_CONNECTIONS false")
	eventually(b.server.t, "the database is copied", func() bool {
		b.server.exec("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '" + b.name + "'")
		_, err := b.server.conn.Exec(b.server.ctx, "CREATE DATABASE "+quoteName(b.copyName)+" TEMPLATE "+quoteName(b.name))
		return err == nil // it fails if a session had begun before connections were refused
	})
	b.server.exec("ALTER DATABASE " + quoteName(b.name) + " ALLOW_CONNECTIONS true")
}

// restore replaces the database by the copy. This ends every connection to the database.
func (b *backup) restore() {
	b.server.t.Helper()
	b.drop(b.name)
	b.server.exec("CREATE DATABASE " + quoteName(b.name) + " TEMPLATE " + quoteName(b.copyName))
	// If the server crashed before the next checkpoint, it would set the copied sequences back by up to 32, and they would
	// return the same ids twice. This happens only with CREATE DATABASE; other ways to restore a backup do not have this effect.
	b.server.exec("CHECKPOINT")
}

// checkpoint returns the stream's epoch and seq in the copy.
func (b *backup) checkpoint() backupCheckpoint {
	b.server.t.Helper()
	u, err := url.Parse(b.databaseURL)
	if err != nil {
		b.server.t.Fatal(err)
	}
	u.Path = "/" + b.copyName
	db := connect(b.server.t, u.String())
	defer db.conn.Close(db.ctx) //nolint:errcheck // it was only read
	return backupCheckpoint{epoch: db.epoch(), seq: db.seq()}
}

// reconnect opens a new connection to the server if a crash of the server has ended the old connection.
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

// drop drops a database and ends its connections. It does nothing if the database does not exist.
func (b *backup) drop(name string) {
	b.server.t.Helper()
	b.reconnect()
	b.server.exec("DROP DATABASE IF EXISTS " + quoteName(name) + " WITH (FORCE)")
}

// quoteName returns the name as an SQL identifier.
func quoteName(name string) string { return pgx.Identifier{name}.Sanitize() }
