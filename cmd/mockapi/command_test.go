package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestCommandEnvironment(t *testing.T) {
	const script = `echo "$API_BASE_URL"; echo "$API_KEY"; echo "$MOCKAPI_ADMIN_URL"; echo oops >&2`
	code, stdout, stderr := runMain(t, "--api-key", "k 1", "--", "sh", "-c", script)
	want := regexp.MustCompile(`^http://127\.0\.0\.1:(\d+)/api/v1\nk 1\nhttp://127\.0\.0\.1:(\d+)/_mock\n$`)
	ports := want.FindStringSubmatch(stdout)
	if code != 0 || ports == nil || ports[1] != ports[2] {
		t.Errorf("got %d, stdout %q", code, stdout)
	}
	if !strings.Contains(stderr, "oops\n") || !strings.Contains(stderr, "http://127.0.0.1:"+ports[1]+"/api/v1") {
		t.Errorf("got stderr %q", stderr)
	}
}

// The other variables with a key are removed, because the mock would refuse that key.
func TestCommandEnvironmentOtherKeys(t *testing.T) {
	env := []string{"PATH=" + os.Getenv("PATH"), "API_KEY=own", "API_KEY_FILE=/own", "TARGET_API_KEY=own", "API_KEY_NAME=kept"}
	var out bytes.Buffer
	code := realMain(t.Context(), []string{"--", "sh", "-c", "env | grep API_KEY | sort"}, env, &out, io.Discard)
	if want := "API_KEY=demo-key\nAPI_KEY_NAME=kept\n"; code != 0 || out.String() != want {
		t.Errorf("got %d, %q, want %q", code, out.String(), want)
	}
}

// A mock that listens on all interfaces has a loopback address in its URL.
func TestCommandListenAddresses(t *testing.T) {
	for address, host := range map[string]string{"0.0.0.0:0": "127.0.0.1", ":0": "127.0.0.1", "127.0.0.2:0": "127.0.0.2"} {
		_, stdout, stderr := runMain(t, "--listen", address, "--", "sh", "-c", `echo "$API_BASE_URL"`)
		if !strings.HasPrefix(stdout, "http://"+host+":") {
			t.Errorf("%s: got %q, %s", address, stdout, stderr)
		}
	}
}

func TestExitCodes(t *testing.T) {
	notExecutable := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(notExecutable, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		args   []string
		code   int
		stderr string
	}{
		{[]string{"--", "true"}, 0, ""},
		{[]string{"--", "sh", "-c", "exit 3"}, 3, ""},
		{[]string{"--", "sh", "-c", "exit 2", "--", "--events"}, 2, ""},
		{[]string{"--", "sh", "-c", "kill -9 $$"}, 128 + 9, ""},
		{[]string{"--", "no-such-command-here"}, 127, "no-such-command-here"},
		{[]string{"--", "./no/such/file"}, 127, "no/such/file"},
		{[]string{"--", notExecutable}, 126, "permission denied"},
	} {
		code, _, stderr := runMain(t, tc.args...)
		if code != tc.code || !strings.Contains(stderr, tc.stderr) {
			t.Errorf("%q: got %d, stderr %q; want %d with %q", tc.args, code, stderr, tc.code, tc.stderr)
		}
	}
}

func TestCommandSignals(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		cmd, _ := startCommand(t)
		_ = cmd.Process.Signal(sig)
		_ = cmd.Wait()
		if got, want := cmd.ProcessState.ExitCode(), 40+int(sig); got != want {
			t.Errorf("%v: got exit code %d, want %d", sig, got, want)
		}
	}
}

// Signals go to the children of the command too: a shell that a signal ends does not end its children.
func TestCommandSignalsChildren(t *testing.T) {
	cmd, lines := startCommand(t, "sh", "-c", `"$0"; exit 9`)
	_ = cmd.Process.Signal(syscall.SIGTERM)
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_, _ = io.Copy(io.Discard, lines) // ends when no process has the pipe open
	}()
	select {
	case <-gone:
	case <-time.After(20 * time.Second):
		t.Error("a child of the command still runs")
	}
	_ = cmd.Wait()
}

func TestCommandContextEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	out, ready := io.Pipe()
	ended := make(chan int)
	go func() {
		ended <- realMain(ctx, []string{"--", os.Args[0]}, append(os.Environ(), roleVar+"=command"), ready, io.Discard)
	}()
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatalf("got %q, %v", line, err)
	}
	cancel()
	if got, want := <-ended, 40+int(syscall.SIGTERM); got != want {
		t.Errorf("got exit code %d, want %d", got, want)
	}
}

// startCommand starts mockapi with a command that runs the test binary, and returns when that has printed "ready".
func startCommand(t *testing.T, command ...string) (cmd *exec.Cmd, stdout *bufio.Reader) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd = exec.CommandContext(t.Context(), self, append(append([]string{"--"}, command...), self)...)
	cmd.Env = append(os.Environ(), roleVar+"=mockapi")
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stdout = bufio.NewReader(pipe)
	if line, err := stdout.ReadString('\n'); line != "ready\n" {
		t.Fatalf("got %q from the command, %v", line, err)
	}
	return cmd, stdout
}
