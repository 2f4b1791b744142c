// Package pgtest gives every test a database of its own on a real PostgreSQL.
//
// A test package runs its tests with Main, and each test asks for a Database, or for an Empty one:
//
//	func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }
//
//	func TestCommit(t *testing.T) {
//		pool := open(t, pgtest.Database(t))
//		…
//
// The first test that needs a server starts it, and all tests of the process use it. It comes from the first of these that
// works; `go test -v` shows which one, and why those before it failed:
//
//   - TEST_DATABASE_URL, a postgres:// URL whose user may create databases. Any number of processes may share it.
//   - A container of the image POSTGRES_IMAGE, which is the official postgres:17 unless set.
//   - PostgreSQL's own programs (initdb, postgres), in a temporary folder and on a loopback port. A machine that has none
//     downloads them once into the user's cache.
//
// A test never skips because there is no server: it fails and says how to get one. The servers that pgtest starts run
// without fsync, since nobody needs their data after a power failure. A kill of their processes loses no committed data.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/adapters/postgres/migrate"
)

// stopTimeout limits each clean-up, so that a server that hangs fails one test and not the whole run.
const stopTimeout = 30 * time.Second

// Main runs the tests of a package and then stops what they started. It returns the code for os.Exit.
func Main(m *testing.M) int {
	shared.enterMain()
	code := m.Run()
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	if err := shared.close(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "pgtest: stop the server:", err)
	}
	return code
}

// Database creates a database with pawl's schema and returns its URL. When the test ends the database is dropped, even if
// clients are still connected.
func Database(tb testing.TB) string {
	tb.Helper()
	srv := requireServer(tb)
	template, err := shared.ensureTemplate(tb.Context(), srv)
	if err != nil {
		tb.Fatalf("pgtest: make the template database: %v", err)
	}
	return createForTest(tb, srv, template)
}

// Empty does what [Database] does, without the schema.
func Empty(tb testing.TB) string {
	tb.Helper()
	return createForTest(tb, requireServer(tb), emptyTemplate)
}

// Local creates a database with pawl's schema on a separate server for this test and returns its URL. The server's
// processes run on this machine, whatever server the other tests use. It is for tests that inspect the server's sockets,
// or put something between the server and its clients. The server is stopped when the test ends.
func Local(tb testing.TB) string {
	tb.Helper()
	srv, err := openLocal(tb.Context(), tb.Logf)
	if err != nil {
		tb.Fatalf("pgtest: start a server for this test: %v", err)
	}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), stopTimeout)
		defer cancel()
		if err := srv.stop(ctx); err != nil {
			tb.Errorf("pgtest: stop the server: %v", err)
		}
	})
	name, err := srv.create(tb.Context(), emptyTemplate)
	if err == nil {
		err = applyMigrations(tb.Context(), srv.databaseURL(name))
	}
	if err != nil {
		tb.Fatalf("pgtest: make the database: %v", err)
	}
	return srv.databaseURL(name)
}

// WithParam returns a connection URL with a parameter set.
func WithParam(tb testing.TB, databaseURL, name, value string) string {
	tb.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		tb.Fatalf("pgtest: %v", err)
	}
	query := u.Query()
	query.Set(name, value)
	u.RawQuery = strings.ReplaceAll(query.Encode(), "+", "%20") // PostgreSQL does not read a plus as a space
	return u.String()
}

func requireServer(tb testing.TB) *server {
	tb.Helper()
	srv, err := shared.get(tb.Context(), tb.Logf)
	if err != nil {
		tb.Fatalf("pgtest: %v", err)
	}
	return srv
}

// createForTest creates a database and returns its URL. The database is dropped when the test ends.
func createForTest(tb testing.TB, srv *server, template string) string {
	tb.Helper()
	name, err := srv.create(tb.Context(), template)
	if err != nil {
		tb.Fatalf("pgtest: create a database: %v", err)
	}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), stopTimeout)
		defer cancel()
		if err := srv.drop(ctx, name); err != nil {
			tb.Errorf("pgtest: drop database %s: %v", name, err)
		}
	})
	return srv.databaseURL(name)
}

// applyMigrations applies pawl's own migrations, so that tests use the schema that users get.
func applyMigrations(ctx context.Context, databaseURL string) error {
	_, err := migrate.Up(ctx, databaseURL)
	return err
}

// shared is global because a test can pass only its testing.TB to this package.
var shared sharedServer

// A sharedServer is the one server of a process and the template database in it. Each is made when it is first needed. An
// error is stored: every test that needs the server reports it, and none tries again.
type sharedServer struct {
	mu          sync.Mutex
	inMain      bool
	server      *server
	serverErr   error
	template    string
	templateErr error
}

// enterMain allows get to start the server, since Main will stop it.
func (s *sharedServer) enterMain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inMain = true
}

func (s *sharedServer) get(ctx context.Context, logf logf) (*server, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.inMain {
		return nil, errors.New("nothing would stop the server: " +
			"the package needs func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }")
	}
	if s.server == nil && s.serverErr == nil {
		s.server, s.serverErr = openFirst(ctx, serverSources(), logf)
	}
	return s.server, s.serverErr
}

// ensureTemplate returns the name of a database with pawl's schema. It creates the database in the first call.
func (s *sharedServer) ensureTemplate(ctx context.Context, srv *server) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.template == "" && s.templateErr == nil {
		s.template, s.templateErr = srv.create(ctx, emptyTemplate)
		if s.templateErr == nil {
			s.templateErr = applyMigrations(ctx, srv.databaseURL(s.template))
		}
	}
	return s.template, s.templateErr
}

func (s *sharedServer) close(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inMain = false
	if s.server == nil {
		return nil
	}
	var dropErr error
	if s.template != "" {
		dropErr = s.server.drop(ctx, s.template)
	}
	return errors.Join(dropErr, s.server.stop(ctx))
}
