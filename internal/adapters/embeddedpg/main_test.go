package embeddedpg

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pawldata/pawl/internal/adapters/embeddedpg/pgprograms"
	"github.com/pawldata/pawl/internal/domain"
)

// These make the test binary a user of the folder: it opens it, says so, and closes it when its standard input ends.
const (
	userEnv     = "EMBEDDEDPG_TEST_USER_OF"
	standInsEnv = "EMBEDDEDPG_TEST_STAND_INS"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(userEnv); dir != "" {
		os.Exit(beUser(dir))
	}
	os.Exit(m.Run())
}

func beUser(dir string) int {
	o := defaults()
	o.standIns = os.Getenv(standInsEnv)
	o.repository = nowhere
	srv, err := o.open(context.Background(), dir, func(line string) { fmt.Fprintln(os.Stdout, "say", line) })
	if err != nil {
		fmt.Fprintln(os.Stdout, "failed", domain.KindOf(err), err, domain.HintOf(err))
		return 1
	}
	fmt.Fprintln(os.Stdout, "opened", srv.URL())
	_, _ = io.Copy(io.Discard, os.Stdin)
	if err := srv.Close(); err != nil {
		fmt.Fprintln(os.Stdout, "failed", err)
		return 1
	}
	return 0
}

// nowhere is a repository that a test must not ask.
func nowhere() (string, error) { return "http://127.0.0.1:1", nil }

func needPrograms(t *testing.T) {
	t.Helper()
	if len(pgprograms.Folders()) == 0 {
		t.Skip("SKIPPED: no initdb and postgres here")
	}
}

// passable is a temporary folder that other accounts can get into: the testing package's are closed to them.
func passable(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "pawl-embeddedpg-") //nolint:usetesting // as above
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

// A transcript is what say was told.
type transcript struct{ lines []string }

func (s *transcript) say(line string) { s.lines = append(s.lines, line) }

func (s *transcript) String() string { return strings.Join(s.lines, "\n") }

func testSetup(t *testing.T) setup {
	t.Helper()
	needPrograms(t)
	o := defaults()
	o.standIns = t.TempDir() + "/stand-ins"
	o.repository = nowhere
	return o
}

func (o setup) mustOpen(t *testing.T, dir string) *Server {
	t.Helper()
	srv, err := o.open(t.Context(), dir, func(line string) { t.Log(line) })
	if err != nil {
		t.Fatalf("%v; %s", err, domain.HintOf(err))
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

// query runs one statement and returns the number it answers, if any.
func query(ctx context.Context, url, sql string) (int, error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return 0, err
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // it closes the socket whatever it returns
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

func mustQuery(t *testing.T, url, sql string) int {
	t.Helper()
	n, err := query(t.Context(), url, sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return n
}

func answers(ctx context.Context, url string) bool {
	_, err := query(ctx, url, "SELECT 1")
	return err == nil
}

func within(t *testing.T, what string, holds func() bool) {
	t.Helper()
	if !eventually(t.Context(), 20*time.Second, holds) {
		t.Fatalf("in vain: %s", what)
	}
}
