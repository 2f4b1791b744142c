//go:build e2e

package e2e

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pawldata/pawl/internal/pgtest"
)

// The secrets of TestSecrets.
const (
	secretKey      = "e2e-key-3f9a1c77d0b84e26"
	secretPassword = "e2e-password-81c5e0f2a6"
)

// TestSecrets searches all that pawl prints, traces and stores for the API key and the database's password. The API repeats the key in
// its errors, and settings and connections fail in many ways.
func TestSecrets(t *testing.T) {
	t.Parallel()
	traces := collectTraces(t)
	databaseURL := withPassword(t, pgtest.Empty(t), secretPassword)
	m := startMock(t, "--events", "3000", "--rate-limit", "0", "--api-key", secretKey, "--drift", "new-field:0.01", "--drift", "nul:0.01",
		"--fault", "echo-key@3", "--fault", "control-chars@4", "--fault", "500@6", "--fault", "reset-body@8", "--fault", "bad-headers@10")
	refusing := startMock(t, "--events", "10", "--api-key", "another", "--fault", "403:1")
	echoing := startMock(t, "--events", "10", "--api-key", secretKey, "--fault", "echo-key:1")
	redirecting := startMock(t, "--events", "10", "--api-key", secretKey, "--fault", "redirect:1")
	const closedPort = "127.0.0.1:1" // nothing listens there
	withKeyInURL := strings.Replace(m.baseURL, "http://", "http://user:"+secretKey+"@", 1)
	withPasswordTwice := func(port string) string {
		return "postgres://u:" + secretPassword + "@" + port + "/db?password=" + secretPassword
	}
	s := secretsTest{
		t: t, dir: t.TempDir(),
		env: []string{
			"API_BASE_URL=" + m.baseURL, "API_KEY=" + secretKey, "DATABASE_URL=" + databaseURL,
			"OTEL_EXPORTER_OTLP_ENDPOINT=" + traces.url, "OTEL_EXPORTER_OTLP_HEADERS=authorization=" + secretPassword,
		},
	}
	s.run(exitDone, "init")
	s.run(exitDone, "config")
	s.run(exitDone, "config --json")
	s.run(exitDone, "run --page-size 300 --tries 8 --log-level debug")
	s.run(exitDone, "run --page-size 300 --new-pass --json --log-format json --log-level debug --progress json")
	for _, args := range []string{
		"status", "status --json", "status --check", "verify", "verify --json", "verify --against-api", "dlq list", "dlq list --json", "drift",
		"drift --json", "migrate", "run", "run --dry-run --max-pages 1",
	} {
		s.run(exitDone, args)
	}
	for i, tt := range []struct {
		name     string
		env      []string // replaces variables
		wantCode int
	}{
		{"key refused", []string{"API_BASE_URL=" + refusing.baseURL}, exitSettings},
		{"key repeated", []string{"API_BASE_URL=" + echoing.baseURL}, exitRetryLater},
		{"redirect", []string{"API_BASE_URL=" + redirecting.baseURL}, exitSettings},
		{"no API", []string{"API_BASE_URL=http://" + closedPort}, exitRetryLater},
		{"key in the address", []string{"API_BASE_URL=" + withKeyInURL}, exitSettings},
		{"key with a line break", []string{"API_KEY=" + secretKey + "\nx"}, exitSettings},
		{"no database server", []string{"DATABASE_URL=" + withPasswordTwice(closedPort)}, exitRetryLater},
		{"no database", []string{"DATABASE_URL=" + strings.Replace(databaseURL, "/pawl_test", "/no_such", 1)}, exitSettings},
		{"malformed database", []string{"DATABASE_URL=" + withPasswordTwice("[::1")}, exitSettings},
		{"malformed port", []string{"DATABASE_URL=" + withPasswordTwice("127.0.0.1:x"+secretPassword)}, exitSettings},
		{"unknown parameter", []string{"DATABASE_URL=" + databaseURL + "?sslmode=wrong"}, exitSettings},
		{"words", []string{"DATABASE_URL=host=127.0.0.1 port=1 password=" + secretPassword + " dbname=x"}, exitRetryLater},
	} {
		before := s.outputLength()
		run := fmt.Sprintf("run --tries 2 --max-outage 1s --stream s%d", i) // the tables keep the last error of each stream
		s.run(tt.wantCode, run, tt.env...)
		s.run(tt.wantCode, run+" --log-format json", tt.env...)
		if s.outputLength() == before {
			t.Errorf("%s: no output", tt.name)
		}
	}
	s.run(exitDone, "run --stream eager", "API_BASE_URL="+serveTwice(t, secretKey, lastPage(1, validEvent(1))))
	s.run(exitSettings, "init --force", "API_BASE_URL="+refusing.baseURL)
	s.run(exitRetryLater, "init --force", "API_BASE_URL="+echoing.baseURL)

	checkNoSecret(t, "the output", s.output.String())
	checkNoSecret(t, "the traces", traces.received.String())
	checkNoSecret(t, "the tables", dumpTables(t, databaseURL))
	if traces.received.count("pawl page") == 0 {
		t.Error("the collector received no trace of a page")
	}
	if info, err := os.Stat(filepath.Join(s.dir, ".env")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf(".env: got %v, error %v, want a file that only its owner can read", info, err)
	}
}

// A secretsTest runs pawl and collects its output.
type secretsTest struct {
	t      *testing.T
	dir    string // the working directory
	env    []string
	output strings.Builder
}

// run runs pawl with args, which are separated by spaces. env replaces or adds environment variables.
func (s *secretsTest) run(wantCode int, args string, env ...string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), testTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "pawl"), strings.Fields(args)...)
	cmd.Dir = s.dir
	cmd.Env = append(append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir}, s.env...), env...) // the last value of a variable counts
	output, _ := cmd.CombinedOutput()                                                                  // the exit code is in ProcessState
	if code := cmd.ProcessState.ExitCode(); code != wantCode {
		s.t.Errorf("pawl %s %q: exit %d, want %d: %s", args, env, code, wantCode, output)
	}
	fmt.Fprintf(&s.output, "pawl %s\n%s\n", args, output)
}

func (s *secretsTest) outputLength() int { return s.output.Len() }

// checkNoSecret checks that a text has neither the API key nor the password, also not in an encoded form or their first half alone.
func checkNoSecret(t *testing.T, what, text string) {
	t.Helper()
	for _, secret := range []string{secretKey, secretPassword} {
		firstHalf := secret[:len(secret)/2+1]
		for _, form := range []string{
			firstHalf, hex.EncodeToString([]byte(firstHalf)), base64.StdEncoding.EncodeToString([]byte(firstHalf[:len(firstHalf)/3*3])),
		} {
			if at := strings.Index(text, form); at >= 0 {
				t.Errorf("%s: got a secret, as %q, in …%s…", what, form, text[max(0, at-300):min(len(text), at+100)])
			}
		}
	}
	if text == "" {
		t.Errorf("%s: got nothing to search", what)
	}
}

// withPassword returns databaseURL with a new role that has this password and all rights.
func withPassword(t *testing.T, databaseURL, password string) string {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	role := "secrets_" + strings.TrimPrefix(u.Path, "/")
	db := connect(t, databaseURL)
	db.exec("CREATE ROLE " + role + " LOGIN SUPERUSER PASSWORD '" + password + "'")
	t.Cleanup(func() { db.exec("DROP OWNED BY " + role + "; DROP ROLE " + role) })
	u.User = url.UserPassword(role, password)
	return u.String()
}

// A traceCollector collects the bodies of the requests that it receives. Texts in them are readable.
type traceCollector struct {
	url      string
	received lockedBuffer
}

// collectTraces starts a traceCollector. It serves until the test ends.
func collectTraces(t *testing.T) *traceCollector {
	t.Helper()
	c := &traceCollector{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(&c.received, r.Body)
		w.WriteHeader(http.StatusOK)
	}))
	t.Cleanup(server.Close)
	c.url = server.URL
	return c
}

// dumpTables returns all rows of all tables of the database as text.
func dumpTables(t *testing.T, databaseURL string) string {
	t.Helper()
	db := connect(t, databaseURL)
	rows, err := db.conn.Query(db.ctx, `SELECT format('SELECT coalesce(string_agg(t::text, E''\n''), '''') FROM %I.%I AS t', schemaname, tablename)
		FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')`)
	if err != nil {
		t.Fatal(err)
	}
	queries, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, query := range queries {
		var text string
		if err := db.conn.QueryRow(db.ctx, query).Scan(&text); err != nil {
			t.Fatal(err)
		}
		all.WriteString(text + "\n")
	}
	return all.String()
}

// serveTwice starts a server that sends a second answer, with the key, right after the answer to each request. net/http then logs what
// it got without a request.
func serveTwice(t *testing.T, key, body string) (baseURL string) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 4096)) // the request, which is shorter
			_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
			_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nX-Key: %s\r\n\r\n", key)
		}
	}()
	return "http://" + listener.Addr().String()
}
