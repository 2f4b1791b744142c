package main

import (
	"errors"
	"flag"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/pawldata/pawl/internal/pgtest"
	"github.com/pawldata/pawl/mockapi"
)

var update = flag.Bool("update", false, "update the expected output in the scripts")

func TestMain(m *testing.M) {
	testscript.Main(serverRunner{m}, map[string]func(){"pawl": main})
}

// A serverRunner runs the tests for testscript.Main, which needs a Run method, and stops the PostgreSQL server afterwards.
type serverRunner struct{ m *testing.M }

func (r serverRunner) Run() int { return pgtest.Main(r.m) }

// TestScripts runs the program as a user does. Each .txtar file tests one documented behaviour, in its own folder, with its
// own database and mock API.
func TestScripts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("testdata", "*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			testscript.Run(t, testscript.Params{
				Files:               []string{file},
				RequireExplicitExec: true,
				UpdateScripts:       *update,
				Setup:               func(env *testscript.Env) error { return setUp(t, env) },
				Cmds:                map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
			})
		})
	}
}

// setUp sets the variables of a script:
//   - DATABASE_URL, API_BASE_URL and API_KEY: an empty database and a mock API, as `pawl run` needs them
//   - OTHER_API: a second mock API
//   - MESSY_API: a mock API with 6 records that cannot become rows and 11 records with drift
//   - SILENT: the URL of a server that never answers
//   - BIN: the folder of pawl, which testscript puts first into PATH
func setUp(t *testing.T, env *testscript.Env) error {
	t.Helper()
	env.Setenv("DATABASE_URL", pgtest.Empty(t))
	env.Setenv("API_KEY", "demo-key")
	bin, _, _ := strings.Cut(env.Getenv("PATH"), string(os.PathListSeparator))
	env.Setenv("BIN", bin)
	silent, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	env.Defer(func() { _ = silent.Close() })
	env.Setenv("SILENT", "http://"+silent.Addr().String())
	for name, drifts := range map[string][]string{
		"API_BASE_URL": nil, "OTHER_API": nil,
		"MESSY_API": {
			"missing-field@1", "bad-id@2", "null-timestamp@3", "not-an-object@4", "conflict@11", "unstorable-number@13",
			"new-field@20-29", "timestamp-s@30",
		},
	} {
		cfg := mockapi.DefaultConfig()
		cfg.Events, cfg.RateLimit = 1000, 0
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

// exits runs a command that must end with a code: `exits 2 pawl run`.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
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
		ts.Fatalf("exit %d, want %d", code, want)
	}
}
