//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// A tutorialStep is a block of commands in the tutorial, and the output that the tutorial shows below it.
type tutorialStep struct{ commands, output string }

// TestTutorial runs the commands of docs/tutorial.md as printed, in an empty folder. Each block must succeed, and print what the tutorial
// shows. Numbers, times and the names of the machine may differ.
func TestTutorial(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "tutorial.md"))
	if err != nil {
		t.Fatal(err)
	}
	steps := tutorialSteps(string(text))
	const minSteps = 10
	if len(steps) < minSteps {
		t.Fatalf("got %d blocks of commands, want at least %d", len(steps), minSteps)
	}
	folder := filepath.Dir(newDemo(t).folder)
	path := "export PATH=" + filepath.Join(bin, noRaceDir) + ":$PATH\n"
	settings := "" // what the tutorial exports in the second terminal
	for _, step := range steps {
		options := "-ec"
		if strings.HasPrefix(step.commands, "timeout -s KILL ") {
			options = "-c" // the first command is killed
		}
		command := exec.CommandContext(context.WithoutCancel(t.Context()), "bash", options, path+settings+step.commands)
		command.Dir = folder
		command.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + folder}
		if mock, isMock := tutorialMock(step.commands); isMock {
			launch(t, command)
			eventually(t, "the mock serves", func() bool { return canConnect(t, mock) })
			continue
		}
		if strings.HasPrefix(step.commands, "export ") {
			settings = step.commands
			continue
		}
		var stdout, stderr bytes.Buffer
		command.Stdout, command.Stderr = &stdout, &stderr
		err := command.Start()
		if err == nil {
			stop := context.AfterFunc(ctx, func() { _ = command.Process.Kill() })
			err = command.Wait()
			stop()
		}
		if err != nil {
			t.Fatalf("%s\n%v\n%s%s", step.commands, err, stdout.String(), stderr.String())
		}
		if got, want := withoutNumbers(stdout.String()), withoutNumbers(step.output); !strings.Contains(got, want) {
			t.Errorf("%s\ngot\n%s\nwhich should contain\n%s", step.commands, got, want)
		}
	}
}

// tutorialSteps returns the blocks of commands in the tutorial. A line that builds pawl or finds it is left out, because the test uses
// programs that are built already.
func tutorialSteps(text string) (steps []tutorialStep) {
	blocks := regexp.MustCompile("(?s)```(sh)?\n(.*?)```\n").FindAllStringSubmatch(text, -1)
	ofBuild := regexp.MustCompile(`(?m)^(make build|export PATH=\$PWD/bin:\$PATH)\n`)
	for _, block := range blocks {
		isOutput := block[1] == ""
		if isOutput {
			steps[len(steps)-1].output = block[2]
			continue
		}
		steps = append(steps, tutorialStep{commands: ofBuild.ReplaceAllString(block[2], "")})
	}
	return steps
}

// tutorialMock returns the address of the mock if the commands start it.
func tutorialMock(commands string) (address string, isMock bool) {
	if !strings.HasPrefix(commands, "mockapi ") {
		return "", false
	}
	found := regexp.MustCompile(`--listen (\S+)`).FindStringSubmatch(commands)
	return found[1], true
}

func canConnect(t *testing.T, address string) bool {
	t.Helper()
	connection, err := (&net.Dialer{Timeout: time.Second}).DialContext(t.Context(), "tcp", address)
	if err != nil {
		return false
	}
	_ = connection.Close()
	return true
}

// withoutNumbers returns text with what differs from one run to the next replaced: numbers, times, and the machine and version of a
// process. It also leaves out what depends on the speed or on the terminal, and joins spaces, because they align columns.
func withoutNumbers(text string) string {
	for _, r := range []struct{ pattern, replacement string }{
		{`\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}`, "TIME"},
		{` on \S+, \S+, since `, " on MACHINE, since "},
		{`\((now|\d+ \S+ ago)\)`, "(AGO)"},
		{`\d[\d,.:]*`, "N"},
		{`✔ `, ""},                   // only on a terminal
		{`(decode|store) N s, `, ""}, // left out if it is short
		{`[ \t]+`, " "},
	} {
		text = regexp.MustCompile(r.pattern).ReplaceAllString(text, r.replacement)
	}
	return text
}
