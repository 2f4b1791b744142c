//go:build unix

package pgtest

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pawldata/pawl/internal/adapters/embeddedpg/pgprograms"
)

func TestLocalServer(t *testing.T) {
	srv := localServer(t)
	dir := homeOf(t, srv.url.String())
	checkServer(t, srv)
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", dir, err)
	}
}

// serveEnv makes the test below the process that is going to be killed.
const serveEnv = "PGTEST_SERVE_UNTIL_KILLED"

func TestKilledProcessTakesItsServerAlong(t *testing.T) {
	if os.Getenv(serveEnv) != "" {
		fmt.Fprintln(os.Stdout, serveEnv, localServer(t).url.String())
		_, _ = io.Copy(io.Discard, os.Stdin)
		return
	}
	if len(pgprograms.Folders()) == 0 {
		t.Skip("SKIPPED: no initdb and postgres here")
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
	url := announced(t, out)
	dir := homeOf(t, url)

	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}

	eventually(t, "the folder goes", func() bool {
		_, err := os.Stat(dir)
		return os.IsNotExist(err)
	})
	if conn, err := pgx.Connect(t.Context(), url); err == nil {
		t.Errorf("the server still answers: %v", conn.Close(t.Context()))
	}
	_ = child.Wait() // it was killed, which is an error
}

func announced(t *testing.T, out io.Reader) string {
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

func localServer(t *testing.T) *server {
	t.Helper()
	if len(pgprograms.Folders()) == 0 {
		t.Skip("SKIPPED: no initdb and postgres here")
	}
	srv, err := openLocal(t.Context(), t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	return srv
}

// homeOf is the folder that goes with the server.
func homeOf(t *testing.T, url string) string {
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

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("in vain: %s", what)
		}
	}
}
