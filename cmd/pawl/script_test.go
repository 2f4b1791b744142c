package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/pawldata/pawl/internal/pgtest"
	"github.com/pawldata/pawl/mockapi"
)

var update = flag.Bool("update", false, "update the expected output in the scripts")

// TestMain runs the tests. testscript.Main lets the scripts start this test binary under the name pawl. Under this name, it calls main.
func TestMain(m *testing.M) {
	testscript.Main(serverRunner{m: m}, map[string]func(){"pawl": main})
}

// A serverRunner runs the tests and then stops the PostgreSQL server that they used. It is a type because testscript.Main needs a
// value with a method Run.
type serverRunner struct{ m *testing.M }

func (r serverRunner) Run() int { return pgtest.Main(r.m) }

// TestScripts runs the program as a user does. Each .txtar file tests one documented behaviour, in its own folder, with its
// own database and mock API.
func TestScripts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("testdata", "*.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatal("got no scripts in testdata, want some")
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			testscript.Run(t, testscript.Params{
				Files:               []string{file},
				RequireExplicitExec: true,
				UpdateScripts:       *update,
				Setup:               func(env *testscript.Env) error { return setUp(t, env) },
				Cmds:                map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "restore": restore},
			})
		})
	}
}

// setUp sets these variables for a script:
//   - DATABASE_URL: the URL of an empty database
//   - API_BASE_URL and API_KEY: the URL of a mock API with 1000 records, and its key
//   - OTHER_API: the URL of a second such API
//   - MESSY_API: the URL of a third such API, in which 6 records cannot become rows and 11 others have drift
//   - KEPT_API: the URL of a fourth such API, with the records that the kept schemas were made from, see restore
//   - SILENT: the URL of a server that never answers
//   - BIN: the folder of pawl, which testscript puts first into PATH
func setUp(t *testing.T, env *testscript.Env) error {
	t.Helper()
	env.Setenv("DATABASE_URL", pgtest.Empty(t))
	env.Setenv("API_KEY", "demo-key") // the key of mockapi.DefaultConfig
	bin, _, _ := strings.Cut(env.Getenv("PATH"), string(os.PathListSeparator))
	env.Setenv("BIN", bin)
	silent, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	env.Defer(func() { _ = silent.Close() })
	env.Setenv("SILENT", "http://"+silent.Addr().String())
	for name, drifts := range map[string][]string{
		"API_BASE_URL": nil,
		"OTHER_API":    nil,
		"MESSY_API": { // each drift names the numbers of its records
			// These six records cannot become rows.
			"missing-field@1", "bad-id@2", "null-timestamp@3", "not-an-object@4", "conflict@11", "unstorable-number@13",
			// These eleven records can become rows.
			"new-field@20-29", "timestamp-s@30",
		},
		"KEPT_API": {"missing-field@1", "bad-id@2", "new-field@7", "conflict@11", "unstorable-number@13"},
	} {
		cfg := mockapi.DefaultConfig()
		cfg.Events, cfg.RateLimit = 1000, 0 // 0 means no limit
		for _, text := range drifts {
			drift, err := mockapi.ParseDrift(text)
			if err != nil {
				return err
			}
			cfg.Drifts = append(cfg.Drifts, drift)
		}
		api, err := mockapi.New(cfg)
		if err != nil {
			return err
		}
		server := httptest.NewServer(api)
		env.Defer(server.Close)
		env.Setenv(name, server.URL+mockapi.BasePath)
	}
	return nil
}

// exits is the script command `exits CODE COMMAND [ARGS]`. It runs COMMAND and fails the test if the exit code is not CODE. The form
// `! exits …` is an error; isNegated reports this form.
func exits(ts *testscript.TestScript, isNegated bool, args []string) {
	if isNegated || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARGS]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	code := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		code = exit.ExitCode()
	}
	if code != want {
		ts.Fatalf("got exit code %d, want %d", code, want)
	}
	ts.Check(checkExplained(code, ts.ReadFile("stderr")))
}

// codeOfMessage matches the message of an error. Group 1 is its code.
var codeOfMessage = regexp.MustCompile(`(?m)^pawl: .*\[([a-z0-9-]+)\]$`)

// checkExplained returns an error if docs/reference/errors.md does not list the exit code for the code of the message in stderr.
func checkExplained(exitCode int, stderr string) error {
	found := codeOfMessage.FindStringSubmatch(stderr)
	if found == nil {
		return nil
	}
	reference, err := os.ReadFile(filepath.Join("..", "..", "docs", "reference", "errors.md"))
	if err != nil {
		return err
	}
	_, section, _ := strings.Cut(string(reference), "\n## "+found[1]+"\n")
	section, _, _ = strings.Cut(section, "\n## ")
	_, listed, _ := strings.Cut(section, "\nExit code: ")
	if !strings.Contains(listed, strconv.Itoa(exitCode)) {
		return fmt.Errorf("got exit code %d with the code %s, whose explanation lists %q", exitCode, found[1], listed)
	}
	return nil
}

// restore is the script command `restore VERSION`. It replaces the database by the one that a version of pawl has left, see
// internal/adapters/postgres/migrate/testdata/schemas, and makes API_BASE_URL the address of its stream.
func restore(ts *testscript.TestScript, isNegated bool, args []string) {
	if isNegated || len(args) != 1 {
		ts.Fatalf("usage: restore VERSION")
	}
	dump, err := os.ReadFile(filepath.Join(keptSchemas, args[0]+".sql"))
	ts.Check(err)
	ctx, cancel := context.WithTimeout(context.Background(), restoreTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, ts.Getenv("DATABASE_URL"))
	ts.Check(err)
	defer conn.Close(ctx) //nolint:errcheck // the result of the statements is already known
	_, err = conn.Exec(ctx, "DROP SCHEMA public CASCADE; CREATE SCHEMA public; "+string(dump))
	ts.Check(err)
	_, err = conn.Exec(ctx, "UPDATE checkpoints SET source_url = $1", ts.Getenv("API_BASE_URL"))
	ts.Check(err)
}

// keptSchemas is the folder with the databases of earlier versions.
var keptSchemas = filepath.Join("..", "..", "internal", "adapters", "postgres", "migrate", "testdata", "schemas") //nolint:gochecknoglobals // a constant that Go cannot have

const restoreTimeout = 30 * time.Second
