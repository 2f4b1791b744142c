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

// TestCommandEnvironment checks that the command gets the URLs and the key of the mock, and that the streams of the command
// are those of mockapi.
func TestCommandEnvironment(t *testing.T) {
	const script = `echo "$API_BASE_URL"; echo "$API_KEY"; echo "$MOCKAPI_ADMIN_URL"; echo "message of the command" >&2`
	const keyWithSpace = "k 1"
	code, stdout, stderr := runMain(t, "--api-key", keyWithSpace, "--", "sh", "-c", script)
	want := regexp.MustCompile(`^http://127\.0\.0\.1:(\d+)/api/v1\n` + keyWithSpace + `\nhttp://127\.0\.0\.1:(\d+)/_mock\n$`)
	match := want.FindStringSubmatch(stdout)
	if code != 0 || match == nil {
		t.Fatalf("got exit code %d, stdout %q, want 0, %s", code, stdout, want)
	}
	apiPort, adminPort := match[1], match[2]
	if apiPort != adminPort {
		t.Errorf("got port %s in API_BASE_URL and %s in MOCKAPI_ADMIN_URL, want equal ports", apiPort, adminPort)
	}
	for _, part := range []string{"message of the command\n", "http://127.0.0.1:" + apiPort + "/api/v1"} {
		if !strings.Contains(stderr, part) {
			t.Errorf("got stderr %q, want it to contain %q", stderr, part)
		}
	}
}

// TestCommandEnvironmentOtherKeys checks that the command gets no other variable with a key than API_KEY, because the mock
// would refuse other keys. API_KEY_NAME is not such a variable.
func TestCommandEnvironmentOtherKeys(t *testing.T) {
	env := []string{"PATH=" + os.Getenv("PATH"), "API_KEY=other", "API_KEY_FILE=/other", "TARGET_API_KEY=other", "API_KEY_NAME=unrelated"}
	var out bytes.Buffer
	args := []string{"--", "sh", "-c", "env | grep API_KEY | sort"}
	code := realMain(t.Context(), args, env, &out, io.Discard)
	if want := "API_KEY=demo-key\nAPI_KEY_NAME=unrelated\n"; code != 0 || out.String() != want {
		t.Errorf("got exit code %d, stdout %q, want 0, %q", code, out.String(), want)
	}
}

// TestCommandListenAddresses checks the host in the URL that the command gets. This host is 127.0.0.1 if the mock listens on
// all interfaces.
func TestCommandListenAddresses(t *testing.T) {
	for listen, host := range map[string]string{
		"0.0.0.0:0":   "127.0.0.1",
		":0":          "127.0.0.1",
		"127.0.0.2:0": "127.0.0.2",
	} {
		_, stdout, stderr := runMain(t, "--listen", listen, "--", "sh", "-c", `echo "$API_BASE_URL"`)
		if !strings.HasPrefix(stdout, "http://"+host+":") {
			t.Errorf("--listen %s: got API_BASE_URL %q, stderr %q, want host %s", listen, stdout, stderr, host)
		}
	}
}

// TestExitCodes checks the exit code of mockapi for commands that end in different ways.
func TestExitCodes(t *testing.T) {
	notExecutable := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(notExecutable, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		command []string
		code    int
		stderr  string // stderr contains this text
	}{
		{command: []string{"true"}, code: 0},
		{command: []string{"sh", "-c", "exit 3"}, code: 3},
		{command: []string{"sh", "-c", "exit 2", "--", "--events"}, code: 2}, // only the first -- is mockapi's own
		{command: []string{"sh", "-c", "kill -9 $$"}, code: 128 + 9},
		{command: []string{"no-such-command-here"}, code: 127, stderr: "no-such-command-here"},
		{command: []string{"./no/such/file"}, code: 127, stderr: "no/such/file"},
		{command: []string{notExecutable}, code: 126, stderr: "permission denied"},
	} {
		code, _, stderr := runMain(t, append([]string{"--"}, tc.command...)...)
		if code != tc.code || !strings.Contains(stderr, tc.stderr) {
			t.Errorf("command %q: got exit code %d, stderr %q, want %d, %q", tc.command, code, stderr, tc.code, tc.stderr)
		}
	}
}

// TestCommandSignals checks that mockapi forwards a signal to the command and ends with the exit code of the command.
func TestCommandSignals(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		mock, _ := startMockWithCommand(t)
		_ = mock.Process.Signal(sig)
		_ = mock.Wait()
		if got, want := mock.ProcessState.ExitCode(), signalExitCode(sig); got != want {
			t.Errorf("%v: got exit code %d, want %d", sig, got, want)
		}
	}
}

// TestCommandSignalsChildren checks that signals go to the children of the command too. The command is a shell that waits
// for a child. A signal to the shell alone would leave the child running.
func TestCommandSignalsChildren(t *testing.T) {
	// $0 is the test binary, the child. The exit 9 makes the shell wait for the child. Without it, the shell would become
	// the child.
	mock, stdout := startMockWithCommand(t, "sh", "-c", `"$0"; exit 9`)
	_ = mock.Process.Signal(syscall.SIGTERM)
	allEnded := make(chan struct{})
	go func() {
		defer close(allEnded)
		_, _ = io.Copy(io.Discard, stdout) // returns when no process has the pipe open
	}()
	const timeout = 20 * time.Second
	select {
	case <-allEnded:
	case <-time.After(timeout):
		t.Errorf("a child of the command still runs %v after the signal", timeout)
	}
	_ = mock.Wait()
}

// TestCommandContextEnds checks that the command gets a SIGTERM when the context of realMain ends.
func TestCommandContextEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	outReader, outWriter := io.Pipe()
	exitCodes := make(chan int)
	go func() {
		testBinary := os.Args[0]
		env := append(os.Environ(), roleVar+"=command") // makes the test binary the command
		exitCodes <- realMain(ctx, []string{"--", testBinary}, env, outWriter, io.Discard)
	}()
	if line, err := bufio.NewReader(outReader).ReadString('\n'); err != nil { // the command is ready
		t.Fatalf("got first line %q of the command, %v", line, err)
	}
	cancel()
	if got, want := <-exitCodes, signalExitCode(syscall.SIGTERM); got != want {
		t.Errorf("got exit code %d, want %d", got, want)
	}
}

// startMockWithCommand starts mockapi as a process. mockapi runs command, with the path of the test binary as an additional
// argument at its end. If command is empty, mockapi runs the test binary itself. startMockWithCommand returns when the test
// binary has printed "ready".
func startMockWithCommand(t *testing.T, command ...string) (mock *exec.Cmd, stdout *bufio.Reader) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	args := append([]string{"--"}, command...)
	args = append(args, self)
	mock = exec.CommandContext(t.Context(), self, args...)
	mock.Env = append(os.Environ(), roleVar+"=mockapi")
	pipe, err := mock.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := mock.Start(); err != nil {
		t.Fatal(err)
	}
	stdout = bufio.NewReader(pipe)
	if line, err := stdout.ReadString('\n'); line != "ready\n" {
		t.Fatalf("got first line %q of the command, %v, want ready", line, err)
	}
	return mock, stdout
}
