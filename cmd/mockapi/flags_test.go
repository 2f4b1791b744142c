package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/pawldata/pawl/mockapi"
)

func scenarioFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "scenario.json")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAScenarioFileIsPlayedAndFlagsBehindItChangeIt(t *testing.T) {
	path := scenarioFile(t, `{"faults": ["503@7"], "drifts": ["nul:0.001"], "rate_headers": "epoch", "latency": "5ms", "grow": 10}`)
	code, _, stderr := runSelf(t, func(cmd *exec.Cmd, _, admin string) {
		var scenario map[string]any
		if err := json.Unmarshal(fetch(t, admin+"/scenario", ""), &scenario); err != nil {
			t.Error(err)
		}
		const want = "map[cursor_ttl:2m0s drifts:[nul:0.001] envelope:nested events:100000 faults:[503@7 500@8] grow:12 " +
			"latency:5ms rate_headers:epoch rate_limit:10 rate_window:1m0s retry_after:seconds]"
		if got := fmt.Sprint(scenario); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		_ = cmd.Process.Signal(syscall.SIGTERM)
	}, "--listen", "127.0.0.1:0", "--scenario", path, "--grow", "12", "--fault", "500@8")
	if code != 0 {
		t.Errorf("after SIGTERM: %d, %s", code, stderr)
	}
}

func TestABadScenarioFileIsNamedInOneLine(t *testing.T) {
	for text, want := range map[string]string{
		`{"faults": ["418@1"]}`:       "418",
		`{"fault": []}`:               `"fault"`,
		`[]`:                          "scenario",
		`{} {}`:                       "after top-level value",
		`{"latency": 5}`:              "latency",
		`{"grow": -1}`:                "grow: -1",
		strings.Repeat(" ", 1<<20+10): "larger than",
	} {
		code, stdout, stderr := do(t, "--scenario", scenarioFile(t, text))
		if code != 2 || stdout != "" || !strings.Contains(stderr, want) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%.40q: %d, stdout %q, stderr %q", text, code, stdout, stderr)
		}
	}
	if code, _, stderr := do(t, "--scenario", "./no/such/file"); code != 2 || !strings.Contains(stderr, "no/such/file") {
		t.Errorf("%d, %q", code, stderr)
	}
}

func TestHelpShowsEveryKind(t *testing.T) {
	_, stdout, _ := do(t, "--help")
	for _, kind := range mockapi.FaultKinds() {
		wantLine(t, stdout, string(kind), kind.Describe())
	}
	for _, kind := range mockapi.DriftKinds() {
		wantLine(t, stdout, string(kind), kind.Describe())
	}
	for _, flag := range []string{"--scenario", "--drift", "--grow", "--rate-headers", "--retry-after"} {
		if !strings.Contains(stdout, flag) {
			t.Errorf("no %s in the help", flag)
		}
	}
}

func wantLine(t *testing.T, text, name, what string) {
	t.Helper()
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimSpace(line), name+" ") && strings.HasSuffix(line, what+"\n") && what != "" {
			return
		}
	}
	t.Errorf("no line for %s in the help", name)
}
