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

// The environment variables of a userProcess.
const (
	userEnv         = "EMBEDDEDPG_TEST_USER_OF"       // makes the test binary run runAsUser; the value is the folder to open
	fallbackRootEnv = "EMBEDDEDPG_TEST_FALLBACK_ROOT" // the value is the config's fallbackRoot
)

// A userProcess is another process that opens the server of a folder. When its standard input is closed, it closes the server.
type userProcess struct {
	cmd   *exec.Cmd
	stdin io.Closer
	lines *bufio.Scanner // scans the standard output of the process
}

// startUserProcess starts a process that runs runAsUser with dir as account. If account is nil, the process runs as the account of
// this process.
func startUserProcess(t *testing.T, dir string, account *syscall.Credential) *userProcess {
	t.Helper()
	program := os.Args[0]
	if account != nil {
		program = filepath.Join(makePublicTempDir(t), "user") // other accounts cannot enter the folder of the test binary
		if out, err := exec.CommandContext(t.Context(), "cp", os.Args[0], program).CombinedOutput(); err != nil {
			t.Fatalf("cp: got %v, %s, want no error", err, out)
		}
	}
	p := &userProcess{cmd: exec.CommandContext(t.Context(), program)}
	p.cmd.Env = append(os.Environ(), userEnv+"="+dir, fallbackRootEnv+"="+filepath.Join(filepath.Dir(dir), "fallback"))
	p.cmd.Dir = "/" // every account can enter this folder
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
	t.Cleanup(func() { // a test that fails may leave the process running
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	})
	return p
}

// outcome waits until the process has opened the server and returns the server's URL. If the process fails, outcome returns an
// empty URL and the whole output.
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

// waitForLine waits until the process has printed a line that begins with prefix. If prefix is empty, it does not wait. If the process
// ends first, waitForLine ends the test.
func (p *userProcess) waitForLine(t *testing.T, prefix string) {
	t.Helper()
	if prefix == "" {
		return
	}
	for p.lines.Scan() {
		if strings.HasPrefix(p.lines.Text(), prefix) {
			return
		}
	}
	t.Fatalf("the other process ended before it printed a line that begins with %q", prefix)
}

// mustOpen waits until the process has opened the server and returns the server's URL. It ends the test if the process fails.
func (p *userProcess) mustOpen(t *testing.T) string {
	t.Helper()
	url, output := p.outcome()
	if url == "" {
		t.Fatalf("the other process failed to open the server: got output %q", output)
	}
	return url
}

// close makes the process close the server, and waits until the process has ended.
func (p *userProcess) close(t *testing.T) {
	t.Helper()
	if err := p.stdin.Close(); err != nil {
		t.Error(err)
	}
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("the other process failed: got %v, want no error", err)
	}
}

// kill kills the process and its process group, as a closed terminal or a supervisor does. It does not kill the server, because the
// server is not in this group.
func (p *userProcess) kill(t *testing.T) {
	t.Helper()
	if err := syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL); err != nil {
		t.Error(err)
	}
	_ = p.cmd.Wait() // the error only says that the process was killed
}

// runAsUser opens the server in dir. It prints each report of Open in a line that begins with "report". Then it prints a line with
// "opened" and the URL. When the standard input ends, it closes the server. If a step fails, it prints a line with "failed" and the
// error. It returns the exit code of the process.
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
