// Package pgtest creates databases for tests on a real PostgreSQL server. Each test has its own database.
//
// The package under test calls [Main] in TestMain, and each test calls [Database], or [Empty] for a database without tables:
//
//	func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }
//
//	func TestCommit(t *testing.T) {
//		pool := open(t, pgtest.Database(t))
//		…
//
// The first test that needs a server starts it, and all tests of the process use it. pgtest tries these servers in order,
// and uses the first one that works. `go test -v` shows which one that is, and why the others failed:
//
//   - The server of TEST_DATABASE_URL, a postgres:// URL whose user may create databases. Several processes may use it at
//     the same time.
//   - A container. The variable POSTGRES_IMAGE names its image. If it is not set, the image is the official postgres:17.
//   - A server that runs in a temporary folder and on a loopback port, with PostgreSQL's own programs initdb and postgres.
//     If the machine has no such programs, pgtest downloads them once into the user's cache.
//
// If no server works, a test fails and says how to get a server. It is never skipped for this reason.
//
// The servers that pgtest starts run without fsync, because nobody needs their data after a power failure. If only their
// processes are killed, no committed data is lost.
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

	"go.uber.org/goleak"

	"github.com/pawldata/pawl/internal/adapters/postgres/migrate"
)

// stopTimeout limits the time of each clean-up. So if a server does not answer, the test fails and the others continue.
const stopTimeout = 30 * time.Second

// Main does what [Run] does. If the tests have left a goroutine behind, the exit code is not 0.
func Main(m *testing.M) int {
	code := Run(m)
	// The client of the container engine keeps a connection that nobody can close.
	idle := goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop")
	idleWriter := goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop")
	if err := goleak.Find(idle, idleWriter); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, "pgtest: the tests left goroutines behind:", err)
		code = 1
	}
	return code
}

// Run runs the tests of a package and then stops the server that they used, if pgtest started it. It returns the exit code
// of the process.
func Run(m *testing.M) int {
	shared.enterMain()
	code := m.Run()
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	if err := shared.close(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "pgtest: stop the server:", err)
	}
	return code
}

// Database creates a database with pawl's schema and returns its URL. When the test ends, the database is dropped, even if
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

// Empty creates an empty database and returns its URL. When the test ends, the database is dropped, even if clients are
// still connected.
func Empty(tb testing.TB) string {
	tb.Helper()
	return createForTest(tb, requireServer(tb), emptyTemplate)
}

// Local starts a server only for this test, creates a database with pawl's schema on this server, and returns the URL of the
// database. The server's processes always run on this machine. So a test can inspect the server's sockets, or put a proxy
// between the server and its clients. When the test ends, the server is stopped.
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

// WithParam returns the connection URL with the parameter name set to value.
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

// createForTest creates a copy of the template database and returns its URL. When the test ends, the copy is dropped.
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

// A sharedServer is the server that all tests of a process use, together with the template database on it. Server and
// template are each created when a test needs them for the first time. If that fails, every later test reports the same
// error without another attempt.
type sharedServer struct {
	mu          sync.Mutex
	isInMain    bool    // Main is running
	server      *server // nil until a test needs it
	serverErr   error
	template    string // the name of the template database, empty until a test needs it
	templateErr error
}

// enterMain allows get to start the server, because Main will stop it.
func (s *sharedServer) enterMain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.isInMain = true
}

// get returns the server. The first call starts the server.
func (s *sharedServer) get(ctx context.Context, logf logf) (*server, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.isInMain {
		return nil, errors.New("nothing would stop the server: " +
			"the package needs func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }")
	}
	if s.server == nil && s.serverErr == nil {
		s.server, s.serverErr = openFirst(ctx, serverSources(), logf)
	}
	return s.server, s.serverErr
}

// ensureTemplate returns the name of a database with pawl's schema. The first call creates this database.
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

// close drops the template and stops the server, if they exist.
func (s *sharedServer) close(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.isInMain = false
	if s.server == nil {
		return nil
	}
	var dropErr error
	if s.template != "" {
		dropErr = s.server.drop(ctx, s.template)
	}
	return errors.Join(dropErr, s.server.stop(ctx))
}
