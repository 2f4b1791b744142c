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

func TestOpenLocal(t *testing.T) {
	srv := openTestLocal(t)
	dir := findDir(t, srv.url.String())
	checkServer(t, srv)
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("folder %s still exists: %v", dir, err)
	}
}

// serveEnv makes the test binary run the following test as the process that will be killed.
const serveEnv = "PGTEST_SERVE_UNTIL_KILLED"

func TestOpenLocal_KilledProcess(t *testing.T) {
	if os.Getenv(serveEnv) != "" {
		srv := openTestLocal(t)
		fmt.Fprintln(os.Stdout, serveEnv, srv.url.String())
		_, _ = io.Copy(io.Discard, os.Stdin)
		runtime.KeepAlive(srv) // else the pipe to the cleaner is collected and closed, and the cleaner stops the server
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
	dir := findDir(t, url)

	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}

	waitFor(t, "the folder to be removed", func() bool {
		_, err := os.Stat(dir)
		return os.IsNotExist(err)
	})
	if conn, err := pgx.Connect(t.Context(), url); err == nil {
		t.Errorf("the server still accepts connections: %v", conn.Close(t.Context()))
	}
	_ = child.Wait() // the error only says that it was killed
}

// readURL returns the URL that the process prints.
func readURL(t *testing.T, out io.Reader) string {
	t.Helper()
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if url, ok := strings.CutPrefix(lines.Text(), serveEnv+" "); ok {
			return url
		}
	}
	t.Fatal("the process started no server")
	return ""
}

func openTestLocal(t *testing.T) *server {
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

// findDir returns the folder of the server.
func findDir(t *testing.T, url string) string {
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

// waitFor waits until condition returns true; what describes it.
func waitFor(t *testing.T, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("timed out waiting for %s", what)
		}
	}
}
