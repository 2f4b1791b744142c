package embeddedpg

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/pawldata/pawl/internal/adapters/embeddedpg/pgprograms"
	"github.com/pawldata/pawl/internal/domain"
)

// TestMain runs the tests and checks that they leave no goroutine behind. But in a process that startUserProcess has started, it calls runAsUser instead (userprocess_test.go).
func TestMain(m *testing.M) {
	if dir := os.Getenv(userEnv); dir != "" {
		os.Exit(runAsUser(dir))
	}
	goleak.VerifyTestMain(m)
}

// unreachableRepository returns a URL at which no server listens. It is for tests that must download nothing.
func unreachableRepository() (string, error) { return "http://127.0.0.1:1", nil }

func requirePrograms(t *testing.T) {
	t.Helper()
	if len(pgprograms.Folders()) == 0 {
		t.Skip("SKIPPED: this machine has no initdb and postgres")
	}
}

// makePublicTempDir makes a temporary folder that other accounts can enter. They cannot enter the folders of t.TempDir.
func makePublicTempDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "pawl-embeddedpg-") //nolint:usetesting // other accounts cannot enter the folders of t.TempDir
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// A transcript stores the lines that Open reports.
type transcript struct{ lines []string }

func (s *transcript) report(line string) { s.lines = append(s.lines, line) }

func (s *transcript) String() string { return strings.Join(s.lines, "\n") }

// testConfig returns the default config for a test that downloads nothing. It skips the test if this machine has no PostgreSQL.
func testConfig(t *testing.T) config {
	t.Helper()
	requirePrograms(t)
	c := defaultConfig()
	c.fallbackRoot = t.TempDir() + "/fallback"
	c.repository = unreachableRepository
	c.consent = func(string) error { return nil }
	return c
}

// mustOpen opens a server and closes it when the test ends. If the server cannot be opened, mustOpen ends the test.
func (c config) mustOpen(t *testing.T, dir string) *Server {
	t.Helper()
	srv, err := c.open(t.Context(), dir, func(line string) { t.Log(line) })
	if err != nil {
		t.Fatalf("open: got %v, hint %q, want no error", err, domain.HintOf(err))
	}
	t.Cleanup(func() { mustClose(t, srv) })
	return srv
}

func mustClose(t *testing.T, srv *Server) {
	t.Helper()
	if err := srv.Close(); err != nil {
		t.Error(err)
	}
}

// storedRows is the number of rows in the table stored of createStoredTable.
const storedRows = 1000

func createStoredTable(t *testing.T, url string) {
	t.Helper()
	mustQuery(t, url, fmt.Sprintf("CREATE TABLE stored AS SELECT generate_series(1, %d) AS n", storedRows))
}

func mustQuery(t *testing.T, url, sql string) int {
	t.Helper()
	n, err := query(t.Context(), url, sql)
	if err != nil {
		t.Fatalf("%s: got %v, want no error", sql, err)
	}
	return n
}

// query runs one statement and returns the number in its last row. It returns 0 if the statement returns no rows.
func query(ctx context.Context, url, sql string) (int, error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return 0, err
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // Close closes the socket even if it returns an error
	rows, err := conn.Query(ctx, sql)
	if err != nil {
		return 0, err
	}
	var n int
	for rows.Next() {
		if err := rows.Scan(&n); err != nil {
			return 0, err
		}
	}
	return n, rows.Err()
}

func isAlive(ctx context.Context, url string) bool {
	_, err := query(ctx, url, "SELECT 1")
	return err == nil
}

// waitFor waits until condition returns true. After 20 s it ends the test with a message that names the awaited event.
func waitFor(t *testing.T, event string, condition func() bool) {
	t.Helper()
	if !poll(t.Context(), 20*time.Second, condition) {
		t.Fatalf("timed out waiting for %s", event)
	}
}
