//go:build unix

package pgtest

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pawldata/pawl/internal/adapters/embeddedpg/pgprograms"
)

// TestOpenLocal checks that a local server works, and that its folder is removed when the server is stopped.
func TestOpenLocal(t *testing.T) {
	srv := openLocalOrSkip(t)
	dir := readServerDir(t, srv.url.String())
	checkServer(t, srv) // this also stops the server
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("after the server's stop: got error %v for its folder %s, want that it does not exist", err, dir)
	}
}

// serveEnv is an environment variable that is set in the child process of TestOpenLocal_KilledProcess.
const serveEnv = "PGTEST_SERVE_UNTIL_KILLED"

// TestOpenLocal_KilledProcess checks that a server and its folder disappear if the test process is killed. The test runs
// itself in a child process, which starts the server, and then kills the child process.
func TestOpenLocal_KilledProcess(t *testing.T) {
	if os.Getenv(serveEnv) != "" { // this is the child process
		srv := openLocalOrSkip(t)
		fmt.Fprintln(os.Stdout, serveEnv, srv.url.String())
		_, _ = io.Copy(io.Discard, os.Stdin) // wait until the process is killed
		runtime.KeepAlive(srv)               // otherwise the garbage collector could close the pipe to the cleaner
		return
	}
	if len(pgprograms.Folders()) == 0 {
		t.Skip("SKIPPED: this machine has no initdb and postgres")
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
	child.Env = append(os.Environ(), serveEnv+"=1")
	if _, err := child.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	url := readURL(t, out)
	dir := readServerDir(t, url)

	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}

	EventuallyWithin(t, 20*time.Second, "the folder is removed", func() bool {
		_, err := os.Stat(dir)
		return os.IsNotExist(err)
	})
	if conn, err := pgx.Connect(t.Context(), url); err == nil {
		_ = conn.Close(t.Context())
		t.Error("the server still accepts connections, want that it is stopped")
	}
	_ = child.Wait() // the error only says that the child was killed
}

// readURL returns the URL of the server that the child process prints.
func readURL(t *testing.T, out io.Reader) string {
	t.Helper()
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if url, ok := strings.CutPrefix(lines.Text(), serveEnv+" "); ok {
			return url
		}
	}
	t.Fatal("the child process printed no URL")
	return ""
}

// openLocalOrSkip opens a local server. If this machine has no server programs, it skips the test, so that the test
// downloads nothing.
func openLocalOrSkip(t *testing.T) *server {
	t.Helper()
	if len(pgprograms.Folders()) == 0 {
		t.Skip("SKIPPED: this machine has no initdb and postgres")
	}
	srv, err := openLocal(t.Context(), t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	return srv
}

// readServerDir returns the path of the localDir of a running server. The localDir contains the server's data folder.
func readServerDir(t *testing.T, url string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	var data string
	if err := conn.QueryRow(t.Context(), "SHOW data_directory").Scan(&data); err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	return filepath.Dir(data)
}
