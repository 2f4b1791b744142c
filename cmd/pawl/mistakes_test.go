package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/pgtest"
	"github.com/pawldata/pawl/mockapi"
)

// A mistake is a wrong command, setting or file of a user.
type mistake struct {
	name  string
	args  string            // the arguments, separated by spaces
	env   map[string]string // changes the right settings; an empty value unsets a variable
	files map[string]string // the content of files in the working folder

	newStream bool // the run is the first one of a stream

	code  int           // the wanted exit code
	limit time.Duration // the time after which the mistake fails without an answer; 0 means answerTime
	words []string      // what the message must say; ${NAME} stands for a value of the fixture
}

// mistakes returns the mistakes of TestMistakes. In their values ${DB}, ${API}, ${SERVER}, ${WEB} and ${OTHER} stand for the URLs of the
// fixture.
func mistakes() []mistake {
	run := func(name, value string, code int, words ...string) mistake { // a wrong setting of a run
		return mistake{name: name + "=" + value, args: "run --tries 2 --max-outage 1s", newStream: true, env: map[string]string{name: value}, code: code, words: words}
	}
	flag := func(args string, words ...string) mistake {
		return mistake{name: args, args: args, code: 2, words: words}
	}
	file := func(name, content string, words ...string) mistake {
		return mistake{name: name, args: "run", files: map[string]string{".env": content}, code: 2, words: words}
	}
	return []mistake{
		run("API_BASE_URL", "", 2, "API_BASE_URL", "https://host/api/v1"),
		run("API_KEY", "", 2, "API_KEY", "API_KEY_FILE"),
		{
			name: "neither address nor key", args: "run", env: map[string]string{"API_BASE_URL": "", "API_KEY": ""},
			code: 2, words: []string{"API_BASE_URL: the API's base URL, like https://host/api/v1; API_KEY: the API's key"},
		},
		{
			name: "nothing is set", args: "run", env: map[string]string{"API_BASE_URL": "", "API_KEY": "", "DATABASE_URL": ""},
			code: 2, words: []string{"API_BASE_URL: ", "; API_KEY: ", "; DATABASE_URL: postgres://", "embedded:.pawl/data"},
		},
		{
			name: "no database in a cron job", args: "run", env: map[string]string{"DATABASE_URL": ""},
			code: 2, words: []string{"DATABASE_URL", "embedded:.pawl/data"},
		},
		{
			name: "no database to read", args: "status", env: map[string]string{"DATABASE_URL": "", "API_BASE_URL": ""},
			code: 2, words: []string{".pawl/data has no database", "`DATABASE_URL=embedded:.pawl/data pawl run`", "pawl demo"},
		},
		{
			name: "a folder without a database", args: "status", env: map[string]string{"DATABASE_URL": "embedded:elsewhere"},
			code: 2, words: []string{"elsewhere has no database"},
		},
		{
			name: "a misspelt address variable", args: "run", env: map[string]string{"API_BASE_URL": "", "API_BASEURL": "x"},
			code: 2, words: []string{"API_BASEURL", "API_BASE_URL"},
		},
		{
			name: "a misspelt database variable", args: "run", env: map[string]string{"DATABASE_URL": "", "DATABSE_URL": "x"},
			code: 2, words: []string{"DATABSE_URL", "DATABASE_URL"},
		},

		run("API_BASE_URL", "${API}/events", 2, "API_BASE_URL", "/events"),
		run("API_BASE_URL", "localhost/api/v1", 2, "API_BASE_URL", "http"),
		run("API_BASE_URL", "ftp://localhost/api/v1", 2, "API_BASE_URL", "http"),
		run("API_BASE_URL", "${SERVER}", 2, "API_BASE_URL", "/api/v1"),
		run("API_BASE_URL", "${WEB}", 2, "web page", "API_BASE_URL"),
		run("API_BASE_URL", "${OTHER}", 2, "data is missing", "API_BASE_URL"),
		run("API_BASE_URL", "http://127.0.0.1:1/api/v1", 3, "refused"),
		run("API_KEY", "wrong-key", 2, "API_KEY"),
		run("API_KEY", "two words", 2, "API_KEY", "spaces"),
		run("API_KEY_FILE", "missing.txt", 2, "API_KEY_FILE", "missing.txt"),

		run("DATABASE_URL", "not a url", 2, "DATABASE_URL", "postgres://"),
		run("DATABASE_URL", "mysql://u:p@127.0.0.1/d", 2, "DATABASE_URL", "postgres://"),
		run("DATABASE_URL", "postgres://u:p@ss@127.0.0.1/d", 2, "%40"),
		run("DATABASE_URL", "postgres://u:p/ss@127.0.0.1/d", 2, "%2F"),
		run("DATABASE_URL", "postgres://u:p#ss@127.0.0.1:1/d", 3, "127.0.0.1:1"), // a # is a part of the password
		run("DATABASE_URL", "postgres://127.0.0.1:1/d", 3, "DATABASE_URL"),
		run("DATABASE_URL", "${DB_WITH:dbname=missing}", 2, "missing", "does not exist"),
		run("DATABASE_URL", "${DB_WITH:user=nobody_here}", 2, "nobody_here"),
		run("DATABASE_URL", "${DB_WITH:sslmode=require}", 2, "TLS", "sslmode"),
		run("DATABASE_URL", "${DB_WITH:sslmode=maybe}", 2, "DATABASE_URL"),

		{
			name: "a second runner", args: "run --tries 2 --stream held", code: 5, limit: claimTime,
			words: []string{"held", "pawl status", "stream-held"},
		},

		flag("rnu", "run"),
		flag("dlq lst", "list"),
		flag("run --page-sise 5", "--page-size"),
		flag("run --batch-size 5", "--page-size"),
		flag("run --api-key secret", "API_KEY"),
		flag("run --database-url postgres://x", "DATABASE_URL"),
		flag("run extra", "extra"),
		flag("run --page-size 0", "--page-size", "1", "5000"),
		flag("run --page-size 9999", "--page-size", "5000"),
		flag("run --page-size abc", "--page-size", "abc"),
		flag("run --request-timeout 10", "--request-timeout", "90s"),
		flag("run --max-reject-ratio 2", "--max-reject-ratio", "1"),
		flag("run --max-pages -1", "--max-pages"),
		flag("run --migrate maybe", "--migrate", "auto"),
		flag("run --stream a/b", "--stream", "letters"),
		flag("status --max-age 2h", "--max-age", "--check"),
		flag("status --stream unknown", "unknown"),
		flag("verify --stream unknown", "unknown"),
		flag("drift --stream unknown", "unknown"),
		flag("dlq show 99999", "99999", "dlq list"),
		flag("dlq show first", "first"),
		flag("dlq replay", "--all"),
		flag("dlq discard 1", "--why"),
		flag("move --from https://former.example", "former.example"),
		flag("help no-such-word", "no-such-word"),

		file("a line without =", "API_KEY=a\nAPI_BASE_URL\n", ".env", "line 2"),
		file("an unquoted $", "API_KEY=a$b\n", ".env", "line 1", "$"),
		file("an open quote", "API_KEY='a\n", ".env", "line 1"),
	}
}

// These are times after which a mistake without an answer fails the test. They are long, because other tests run at the same time.
const (
	answerTime = 20 * time.Second
	claimTime  = time.Minute // of a run that waits for another runner first
)

// TestMistakes makes mistakes of users. Each must end with the right exit code, and with one sentence that has the right words and ends in
// its code.
func TestMistakes(t *testing.T) {
	t.Parallel()
	values := mistakeFixture(t)
	sentence := regexp.MustCompile(`(?m)^pawl: .*\[[a-z0-9-]+\]$`)
	for i, tt := range mistakes() {
		if tt.newStream {
			tt.args += " --stream new" + strconv.Itoa(i)
		}
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			code, stderr := runMistake(t, tt, values)
			if code != tt.code {
				t.Errorf("got exit %d, want %d: %s", code, tt.code, stderr)
			}
			found := sentence.FindAllString(stderr, -1)
			if len(found) != 1 {
				t.Fatalf("got %d sentences, want one that begins with pawl: and ends in its code:\n%s", len(found), stderr)
			}
			for _, word := range tt.words {
				if !strings.Contains(found[0], word) {
					t.Errorf("got %q, want one with %q", found[0], word)
				}
			}
			if err := checkExplained(code, stderr); err != nil {
				t.Error(err)
			}
			if strings.Contains(stderr, "wrong-key") {
				t.Errorf("got the key in the message: %s", stderr)
			}
		})
	}
}

// mistakeFixture returns the values of the fixture: a database with a complete stream and a dead letter, and servers.
func mistakeFixture(t *testing.T) func(string) string {
	t.Helper()
	cfg := mockapi.DefaultConfig()
	cfg.Events, cfg.RateLimit = 100, 0 // no limit
	drift, err := mockapi.ParseDrift("missing-field@1")
	if err != nil {
		t.Fatal(err)
	}
	cfg.Drifts = append(cfg.Drifts, drift)
	api, err := mockapi.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	serve := func(h http.Handler) string {
		server := httptest.NewServer(h)
		t.Cleanup(server.Close)
		return server.URL
	}
	answer := func(contentType, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			_, _ = io.WriteString(w, body)
		}
	}
	values := map[string]string{
		"DB":     pgtest.Empty(t),
		"SERVER": serve(api),
		"WEB":    serve(answer("text/html", "<html></html>")),
		"OTHER":  serve(answer("application/json", `{"status":"ok"}`)),
	}
	values["API"] = values["SERVER"] + mockapi.BasePath
	lookUp := func(name string) string {
		if setting, found := strings.CutPrefix(name, "DB_WITH:"); found { // the database's URL with another parameter
			return withParameter(t, values["DB"], setting)
		}
		return values[name]
	}
	if code, stderr := runMistake(t, mistake{args: "run"}, lookUp); code != 0 {
		t.Fatalf("got exit %d of the first run, want 0: %s", code, stderr)
	}
	holdStream(t, values["DB"], "held")
	return lookUp
}

// holdStream starts a run of the stream whose API does not answer, and returns when the run has claimed the stream. The run ends with the
// test.
func holdStream(t *testing.T, databaseURL, stream string) {
	t.Helper()
	asked, ended := make(chan struct{}, 1), make(chan struct{})
	api := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, _ *http.Request) {
		select {
		case asked <- struct{}{}: // a run asks for a page only after it has claimed the stream
		default:
		}
		<-ended
	}))
	t.Cleanup(api.Close)
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "pawl", "run", "--stream", stream, "--request-timeout", "1h")
	cmd.Dir = t.TempDir()
	cmd.Env = []string{"DATABASE_URL=" + databaseURL, "API_BASE_URL=" + api.URL + mockapi.BasePath, "API_KEY=key", "PATH=" + os.Getenv("PATH")}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		close(ended)
	})
	select {
	case <-asked:
	case <-time.After(claimTime):
		t.Fatal("got no request of the run that should hold the stream")
	}
}

// withParameter returns the database URL with the parameter NAME=VALUE.
func withParameter(t *testing.T, databaseURL, setting string) string {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	name, value, _ := strings.Cut(setting, "=")
	query := u.Query()
	query.Set(name, value)
	u.RawQuery = query.Encode()
	return u.String()
}

// runMistake runs pawl in an empty folder. It returns the exit code and what pawl writes to standard error.
func runMistake(t *testing.T, m mistake, values func(string) string) (code int, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), cmp.Or(m.limit, answerTime))
	defer cancel()
	cmd := exec.CommandContext(ctx, "pawl", strings.Fields(m.args)...)
	cmd.Dir = t.TempDir()
	for name, content := range m.files {
		if err := os.WriteFile(filepath.Join(cmd.Dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	env := map[string]string{"DATABASE_URL": "${DB}", "API_BASE_URL": "${API}", "API_KEY": mockapi.DefaultConfig().APIKey, "PATH": os.Getenv("PATH")}
	if m.files != nil || m.env["API_KEY_FILE"] != "" {
		delete(env, "API_KEY") // a file has it
	}
	maps.Copy(env, m.env)
	for name, value := range env {
		if value != "" {
			cmd.Env = append(cmd.Env, name+"="+os.Expand(value, values))
		}
	}
	var output bytes.Buffer
	cmd.Stderr = &output
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode(), output.String()
	}
	if err != nil {
		t.Fatal(err)
	}
	return 0, output.String()
}
