package cli_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pawldata/pawl/internal/adapters/cli"
)

// TestCompletion compares the script for each shell with a golden file, and lets the shell check the syntax if it is installed.
func TestCompletion(t *testing.T) {
	t.Parallel()
	for _, shell := range []string{"bash", "zsh", "fish"} {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			path := writeCompletionScript(t, shell)
			script, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			cli.Golden(t, "completion_"+shell, string(script))
			program, err := exec.LookPath(shell)
			if err != nil {
				t.Skipf("%s is not on this machine, so only the text of its script was compared", shell)
			}
			if out, err := exec.CommandContext(t.Context(), program, "-n", path).CombinedOutput(); err != nil {
				t.Errorf("%s does not accept the script: %v\n%s", shell, err, out)
			}
		})
	}
}

// writeCompletionScript runs `pawl completion` for a shell and writes the script to a file. One setting is wrong, because the command
// must work with wrong settings too.
func writeCompletionScript(t *testing.T, shell string) (path string) {
	t.Helper()
	code, stdout, stderr := pawl(t, []string{"PAWL_TRIES=none"}, cli.Wiring{}, "completion", shell)
	if code != cli.ExitDone || stderr != "" {
		t.Fatalf("got exit %d and error %q, want exit 0 and no error", code, stderr)
	}
	path = filepath.Join(t.TempDir(), "pawl."+shell)
	if err := os.WriteFile(path, []byte(stdout), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestCompletion_Bash lets bash complete command lines with the script.
func TestCompletion_Bash(t *testing.T) {
	t.Parallel()
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("bash is not on this machine")
	}
	script := writeCompletionScript(t, "bash")
	out, err := exec.CommandContext(t.Context(), bash, "-c", "source "+script+" && complete -p pawl").CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "complete -F _pawl pawl" {
		t.Errorf("complete -p pawl: got %s, %v, want complete -F _pawl pawl", out, err)
	}
	for _, tt := range []struct {
		words []string // the words after pawl; the cursor is at the end of the last word
		want  []string // candidates that bash must offer
		deny  []string // candidates that bash must not offer
	}{
		{words: []string{""}, want: []string{"run", "dlq", "completion", "--stream", "--help"}, deny: []string{"list", "--new-pass"}},
		{words: []string{"st"}, want: []string{"status"}, deny: []string{"run", "--stream"}},
		{words: []string{"dlq", ""}, want: []string{"list", "show", "replay", "discard", "--stream"}, deny: []string{"run", "--state"}},
		{words: []string{"dlq", "list", "--"}, want: []string{"--state", "--json", "--log-level"}, deny: []string{"list", "--new-pass"}},
		{words: []string{"dlq", "list", "--state", ""}, want: []string{"open", "resolved", "all"}, deny: []string{"--json"}},
		// bash passes --state=re as three words.
		{words: []string{"dlq", "list", "--state", "=", "re"}, want: []string{"resolved"}, deny: []string{"open"}},
		{words: []string{"--log-level", "="}, want: []string{"debug", "info", "warn", "error"}, deny: []string{"run"}},
		// Here dlq is the value of --stream and not the command.
		{words: []string{"--stream", "dlq", ""}, want: []string{"run", "dlq"}, deny: []string{"list"}},
		{words: []string{"--stream", "=", "dlq", ""}, want: []string{"run", "dlq"}, deny: []string{"list"}},
		{words: []string{"--stream", "r"}, deny: []string{"run"}},
		{words: []string{"run", "--migrate", "a"}, want: []string{"auto"}, deny: []string{"off"}},
		{words: []string{"completion", ""}, want: []string{"bash", "zsh", "fish"}, deny: []string{"run"}},
		{words: []string{"dlq", "show", "7", "--"}, want: []string{"--raw", "--json"}, deny: []string{"--state"}},
	} {
		var quoted []string
		for _, word := range tt.words {
			quoted = append(quoted, "'"+word+"'")
		}
		command := fmt.Sprintf(`source %s; COMP_WORDS=(pawl %s) COMP_CWORD=%d; _pawl; printf '%%s\n' "${COMPREPLY[@]}"`,
			script, strings.Join(quoted, " "), len(tt.words))
		out, err := exec.CommandContext(t.Context(), bash, "-c", command).CombinedOutput()
		if err != nil {
			t.Errorf("%q: %v\n%s", tt.words, err, out)
			continue
		}
		got := strings.Fields(string(out))
		for _, word := range tt.want {
			if !slices.Contains(got, word) {
				t.Errorf("%q: got %q, want %s among the candidates", tt.words, got, word)
			}
		}
		for _, word := range tt.deny {
			if slices.Contains(got, word) {
				t.Errorf("%q: got %q, want candidates without %s", tt.words, got, word)
			}
		}
	}
}

// TestCompletion_UnknownShell checks that the error about a wrong shell names a right one.
func TestCompletion_UnknownShell(t *testing.T) {
	t.Parallel()
	code, stdout, stderr := pawl(t, nil, cli.Wiring{}, "completion", "tcsh")
	if code != cli.ExitSettings || stdout != "" || !strings.Contains(stderr, "bash") {
		t.Errorf("got exit %d, output %q, error %q, want exit %d and an error that names bash", code, stdout, stderr, cli.ExitSettings)
	}
}
