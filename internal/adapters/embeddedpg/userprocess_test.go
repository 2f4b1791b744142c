package embeddedpg

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/pawldata/pawl/internal/domain"
)

// These environment variables make the test binary run runAsUser.
const (
	userEnv         = "EMBEDDEDPG_TEST_USER_OF"
	fallbackRootEnv = "EMBEDDEDPG_TEST_FALLBACK_ROOT"
)

// A userProcess is another process that opens a folder. It closes the folder when stdin is closed.
type userProcess struct {
	cmd   *exec.Cmd
	stdin io.Closer
	lines *bufio.Scanner
}

// startUserProcess starts a process that opens dir. It runs as account, or as this process's own if that is nil.
func startUserProcess(t *testing.T, dir string, account *syscall.Credential) *userProcess {
	t.Helper()
	program := os.Args[0]
	if account != nil {
		program = filepath.Join(makePublicTempDir(t), "user") // the go command's folder is closed to other accounts
		if out, err := exec.CommandContext(t.Context(), "cp", os.Args[0], program).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	p := &userProcess{cmd: exec.CommandContext(t.Context(), program)}
	p.cmd.Env = append(os.Environ(), userEnv+"="+dir, fallbackRootEnv+"="+filepath.Join(filepath.Dir(dir), "fallback"))
	p.cmd.Dir = "/" // every account can enter it
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: account, Setpgid: true}
	p.cmd.Stderr = os.Stderr
	stdin, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.stdin, p.lines = stdin, bufio.NewScanner(out)
	t.Cleanup(func() { // in case the test has not ended it
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	})
	return p
}

// outcome waits until the process has opened the server and returns its URL, or the whole output of a process that failed.
func (p *userProcess) outcome() (url, output string) {
	var lines []string
	for p.lines.Scan() {
		if url, ok := strings.CutPrefix(p.lines.Text(), "opened "); ok {
			return url, ""
		}
		lines = append(lines, p.lines.Text())
	}
	return "", strings.Join(lines, "\n")
}

// waitForLine waits until the process has printed a line that begins with prefix.
func (p *userProcess) waitForLine(t *testing.T, prefix string) {
	t.Helper()
	for prefix != "" {
		if !p.lines.Scan() {
			t.Fatalf("the other process ended before it printed %q", prefix)
		}
		if strings.HasPrefix(p.lines.Text(), prefix) {
			return
		}
	}
}

func (p *userProcess) mustOpen(t *testing.T) string {
	t.Helper()
	url, output := p.outcome()
	if url == "" {
		t.Fatalf("the other process failed to open the server: %s", output)
	}
	return url
}

func (p *userProcess) close(t *testing.T) {
	t.Helper()
	if err := p.stdin.Close(); err != nil {
		t.Error(err)
	}
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("the other process failed: %v", err)
	}
}

// kill kills the process and its group, as a closed terminal or a supervisor does.
func (p *userProcess) kill(t *testing.T) {
	t.Helper()
	if err := syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL); err != nil {
		t.Error(err)
	}
	_ = p.cmd.Wait() // the error only says that it was killed
}

// runAsUser opens the server in dir, prints the outcome, and closes the server when the standard input ends.
func runAsUser(dir string) int {
	c := defaultConfig()
	c.fallbackRoot = os.Getenv(fallbackRootEnv)
	c.repository = unreachableRepository
	srv, err := c.open(context.Background(), dir, func(line string) { fmt.Fprintln(os.Stdout, "report", line) })
	if err != nil {
		fmt.Fprintln(os.Stdout, "failed", domain.KindOf(err), err, domain.HintOf(err))
		return 1
	}
	fmt.Fprintln(os.Stdout, "opened", srv.URL())
	_, _ = io.Copy(io.Discard, os.Stdin)
	if err := srv.Close(); err != nil {
		fmt.Fprintln(os.Stdout, "failed", err)
		return 1
	}
	return 0
}
