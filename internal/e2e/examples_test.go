//go:build e2e

package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestExamples starts in an empty folder with nothing but the installed pawl. It runs `pawl demo`, and then every example that the demo and
// `pawl --help` print, as printed. Each must succeed, except `pawl init`, which needs a terminal here. After all of them, a demo must still
// continue.
func TestExamples(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	folder := filepath.Dir(newDemo(t).folder)
	// runExample returns what a command in the folder writes to standard output.
	runExample := func(line string) string {
		t.Helper()
		cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "sh", "-c", line)
		cmd.Dir = folder
		cmd.Env = []string{
			"PATH=" + filepath.Join(bin, noRaceDir) + string(os.PathListSeparator) + os.Getenv("PATH"), "HOME=" + folder,
		}
		p := launch(t, cmd)
		wantCode := exitDone
		if strings.HasPrefix(strings.TrimSpace(line), "pawl init") {
			wantCode = exitSettings
		}
		if code := p.wait(ctx); code != wantCode {
			t.Errorf("got exit %d, want %d from %q: %s%s", code, wantCode, line, p.stdout.String(), p.stderr.String())
		}
		if isComment := strings.HasPrefix(strings.TrimSpace(line), "#"); !isComment && wantCode == exitDone && p.stdout.String() == "" {
			t.Errorf("got no output from %q, want some", line)
		}
		return p.stdout.String()
	}
	demo := runExample("pawl demo")
	help := runExample("pawl --help")
	examples := slices.Concat(lettersExample(demo), examplesBelow(demo, "Go on with:\n"), examplesBelow(help, " in the folder of `pawl demo`:\n"))
	for _, command := range []string{
		"dlq list", "psql", "verify", "status", "demo", "run", "dlq show", "dlq replay", "dlq discard", "drift", "config", "migrate", "move",
		"checkpoint show", "checkpoint reset", "completion", "version", "help", "init",
	} {
		if !slices.ContainsFunc(examples, func(line string) bool { return strings.Contains(line, "pawl "+command) }) {
			t.Errorf("got no example of pawl %s in\n%s\n%s", command, demo, help)
		}
	}
	for _, line := range append(examples, "pawl demo") {
		runExample(line)
	}
}

// lettersExample returns the command in the summary of a run that lists the dead letters.
func lettersExample(summary string) (lines []string) {
	if found := regexp.MustCompile(`new dead letters; list them: (.+)`).FindStringSubmatch(summary); found != nil {
		lines = append(lines, found[1])
	}
	return lines
}

// examplesBelow returns the examples in text between a heading and the next empty line. The line break after a backslash belongs to the
// example.
func examplesBelow(text, heading string) []string {
	_, block, _ := strings.Cut(text, heading)
	block, _, _ = strings.Cut(strings.TrimSuffix(block, "\n"), "\n\n")
	var examples []string
	for line := range strings.Lines(block) {
		line = strings.TrimSuffix(line, "\n")
		if last := len(examples) - 1; last >= 0 && strings.HasSuffix(examples[last], `\`) {
			examples[last] += "\n" + line
			continue
		}
		examples = append(examples, line)
	}
	return examples
}
