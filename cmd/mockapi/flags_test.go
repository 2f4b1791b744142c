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

// TestFlagsConfig gives each flag of the configuration a value that is not the default. It checks that mockapi uses all of
// them.
func TestFlagsConfig(t *testing.T) {
	args := []string{
		"--listen", freePort, "--events", "5", "--seed=8", "--rate-limit", "4", "--rate-window", "6s", "--cursor-ttl", "7s",
		"--latency", "1ms", "--envelope", "flat", "--default-limit", "2", "--max-limit", "3", "--journal-limit", "9",
		"--fault", "503@7", "--fault", "500:0.5", "--drift", "nul@1", "--grow", "11", "--rate-headers", "ietf", "--retry-after", "zero",
	}
	const want = "map[cursor_ttl:7s default_limit:2 drifts:[nul@1] envelope:flat events:5 faults:[503@7 500:0.5] grow:11 " +
		"journal_limit:9 latency:1ms max_limit:3 rate_headers:ietf rate_limit:4 rate_window:6s retry_after:zero seed:8]"
	result := runProcess(t, args, func(mock *exec.Cmd, _, adminURL string) {
		var config map[string]any
		if err := json.Unmarshal(fetch(t, adminURL+"/config", noKey), &config); err != nil {
			t.Error(err)
		}
		if got := fmt.Sprint(config); got != want { // Sprint sorts the keys
			t.Errorf("got  %s\nwant %s", got, want)
		}
		_ = mock.Process.Signal(syscall.SIGTERM)
	})
	if result.code != 0 || result.stdout != "" {
		t.Errorf("after SIGTERM: got exit code %d, stdout %q, stderr %q, want 0 and no output", result.code, result.stdout, result.stderr)
	}
}

// TestInvalidFlags checks that the error for invalid arguments names what is wrong.
func TestInvalidFlags(t *testing.T) {
	for _, tc := range []struct {
		args []string
		want string // a part of the error
	}{
		{args: []string{"--nonsense"}, want: "-nonsense"},
		{args: []string{"--events", "many"}, want: "-events"},
		{args: []string{"--events=-1"}, want: "events: -1"},
		{args: []string{"--fault", "503"}, want: "-fault"}, // without numbers or a probability
		{args: []string{"--fault", "500@1", "--fault", "503@1"}, want: "fault: request 1"},
		{args: []string{"--envelope", "round"}, want: "envelope: "},
		{args: []string{"--rate-window", "0s"}, want: "rate-window: "},
		{args: []string{"--listen", "127.0.0.1:99999"}, want: "listen: "},
		{args: []string{"sh", "-c", "true"}, want: `"sh" is not a flag`},
		{args: []string{"--"}, want: "no command"},
	} {
		wantUsageError(t, tc.args, tc.want)
	}
}

// wantUsageError runs mockapi with args. It checks that mockapi prints one line that contains want to stderr, and ends with
// exitUsage.
func wantUsageError(t *testing.T, args []string, want string) {
	t.Helper()
	code, stdout, stderr := runMain(t, args...)
	if code != exitUsage || stdout != "" {
		t.Errorf("%.60q: got exit code %d, stdout %q, want %d and no output", args, code, stdout, exitUsage)
	}
	if !strings.Contains(stderr, want) || strings.Count(stderr, "\n") != 1 {
		t.Errorf("%.60q: got stderr %q, want one line that contains %q", args, stderr, want)
	}
}

// TestScenarioFile checks that the flags after --scenario change the settings of the file. --grow replaces a value, and
// --fault adds a rule.
func TestScenarioFile(t *testing.T) {
	path := writeScenario(t, `{"faults": ["503@7"], "drifts": ["nul:0.001"], "rate_headers": "epoch", "latency": "5ms", "grow": 10}`)
	args := []string{"--listen", freePort, "--scenario", path, "--grow", "12", "--fault", "500@8"}
	const want = "map[cursor_ttl:2m0s drifts:[nul:0.001] envelope:nested events:100000 faults:[503@7 500@8] grow:12 " +
		"latency:5ms rate_headers:epoch rate_limit:10 rate_window:1m0s retry_after:seconds]"
	result := runProcess(t, args, func(mock *exec.Cmd, _, adminURL string) {
		var scenario map[string]any
		if err := json.Unmarshal(fetch(t, adminURL+"/scenario", noKey), &scenario); err != nil {
			t.Error(err)
		}
		if got := fmt.Sprint(scenario); got != want { // Sprint sorts the keys
			t.Errorf("got  %s\nwant %s", got, want)
		}
		_ = mock.Process.Signal(syscall.SIGTERM)
	})
	if result.code != 0 {
		t.Errorf("after SIGTERM: got exit code %d, stderr %q, want 0", result.code, result.stderr)
	}
}

// TestInvalidScenarioFile checks that the error for an invalid or missing file names what is wrong.
func TestInvalidScenarioFile(t *testing.T) {
	for text, want := range map[string]string{ // a part of the error by the text of the file
		`{"faults": ["418@1"]}`:                 "418",
		`{"fault": []}`:                         `"fault"`,
		`[]`:                                    "scenario",
		`{} {}`:                                 "after top-level value",
		`{"latency": 5}`:                        "latency",
		`{"grow": -1}`:                          "grow: -1",
		strings.Repeat(" ", maxScenarioBytes+1): "larger than",
	} {
		wantUsageError(t, []string{"--scenario", writeScenario(t, text)}, want)
	}
	wantUsageError(t, []string{"--scenario", "./no/such/file"}, "no/such/file")
}

// TestHelpFlags checks that the help lists the flags, and mentions some of the kinds, variables and defaults.
func TestHelpFlags(t *testing.T) {
	for _, arg := range []string{"-h", "--help"} {
		code, stdout, stderr := runMain(t, arg)
		if code != 0 || stderr != "" {
			t.Errorf("%s: got exit code %d, stderr %q, want 0 and no errors", arg, code, stderr)
		}
		for _, want := range []string{
			"--listen", "--events", "--seed", "--api-key", "--rate-limit", "--rate-window", "--cursor-ttl", "--latency", "--envelope",
			"--fault", "--default-limit", "--max-limit", "--journal-limit", "reset-body", "expired", "API_BASE_URL", "demo-key",
		} {
			if !strings.Contains(stdout, want) {
				t.Errorf("no %s in the help", want)
			}
		}
	}
}

// TestHelpKinds checks that the help lists all kinds of faults and drifts with their descriptions.
func TestHelpKinds(t *testing.T) {
	_, stdout, _ := runMain(t, "--help")
	for _, kind := range mockapi.FaultKinds() {
		wantHelpLine(t, stdout, string(kind), kind.Describe())
	}
	for _, kind := range mockapi.DriftKinds() {
		wantHelpLine(t, stdout, string(kind), kind.Describe())
	}
	for _, flag := range []string{"--scenario", "--drift", "--grow", "--rate-headers", "--retry-after"} {
		if !strings.Contains(stdout, flag) {
			t.Errorf("no %s in the help", flag)
		}
	}
}

// wantHelpLine checks that the help has a line with this name and description.
func wantHelpLine(t *testing.T, help, name, description string) {
	t.Helper()
	if description == "" {
		t.Errorf("%s has no description", name)
	}
	for line := range strings.Lines(help) {
		if strings.HasPrefix(strings.TrimSpace(line), name+" ") && strings.HasSuffix(line, description+"\n") {
			return
		}
	}
	t.Errorf("the help has no line for %s with its description", name)
}

// writeScenario writes text into a new file and returns its path.
func writeScenario(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "scenario.json")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
