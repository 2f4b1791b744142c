package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// roleVar makes the test binary play a program: mockapi itself, or a command that mockapi runs.
const roleVar = "MOCKAPI_TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(roleVar) {
	case "mockapi":
		_ = os.Setenv(roleVar, "command")
		main()
	case "command":
		os.Exit(command())
	default:
		os.Exit(m.Run())
	}
}

// command says that it is ready, and ends with 40 plus the number of the signal that it gets.
func command() int {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	fmt.Println("ready")
	return 40 + int((<-signals).(syscall.Signal))
}

// do runs realMain with an environment that has nothing but a path.
func do(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = realMain(t.Context(), args, []string{"PATH=" + os.Getenv("PATH")}, &out, &errs)
	return code, out.String(), errs.String()
}

func TestFlagsReachTheMock(t *testing.T) {
	code, stdout, stderr := runSelf(t, func(cmd *exec.Cmd, _, admin string) {
		var config map[string]any
		if err := json.Unmarshal(fetch(t, admin+"/config", ""), &config); err != nil {
			t.Error(err)
		}
		got := fmt.Sprint(config)
		const want = "map[cursor_ttl:7s default_limit:2 drifts:[nul@1] envelope:flat events:5 faults:[503@7 500:0.5] grow:11 " +
			"journal_limit:9 latency:1ms max_limit:3 rate_headers:ietf rate_limit:4 rate_window:6s retry_after:zero seed:8]"
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		_ = cmd.Process.Signal(syscall.SIGTERM)
	}, "--listen", "127.0.0.1:0", "--events", "5", "--seed=8", "--rate-limit", "4", "--rate-window", "6s", "--cursor-ttl", "7s",
		"--latency", "1ms", "--envelope", "flat", "--default-limit", "2", "--max-limit", "3", "--journal-limit", "9",
		"--fault", "503@7", "--fault", "500:0.5", "--drift", "nul@1", "--grow", "11", "--rate-headers", "ietf", "--retry-after", "zero")
	if code != 0 || stdout != "" {
		t.Errorf("after SIGTERM: %d, stdout %q, stderr %q", code, stdout, stderr)
	}
}

func TestEventsAreServed(t *testing.T) {
	_, _, _ = runSelf(t, func(cmd *exec.Cmd, base, admin string) {
		var page struct {
			Data []struct{ ID string }
			Meta struct{ Total int }
		}
		if err := json.Unmarshal(fetch(t, base+"/events?limit=10", "demo-key"), &page); err != nil {
			t.Error(err)
		}
		if len(page.Data) != 10 || page.Meta.Total != 100_000 {
			t.Errorf("%d events of %d", len(page.Data), page.Meta.Total)
		}
		truth := bufio.NewScanner(bytes.NewReader(fetch(t, admin+"/truth?limit=10", "")))
		for i, event := range page.Data {
			if !truth.Scan() || !strings.Contains(truth.Text(), event.ID) {
				t.Errorf("row %d: %s", i, truth.Text())
			}
		}
		_ = cmd.Process.Signal(os.Interrupt)
	}, "--listen", "127.0.0.1:0")
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
		code, _, stderr := do(t, tc.args...)
		if code != tc.code || !strings.Contains(stderr, tc.stderr) {
			t.Errorf("%q: %d, stderr %q; want %d with %q", tc.args, code, stderr, tc.code, tc.stderr)
		}
	}
}

func TestABadFlagIsNamedInOneLine(t *testing.T) {
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"--nonsense"}, "-nonsense"},
		{[]string{"--events", "many"}, "-events"},
		{[]string{"--events=-1"}, "events: -1"},
		{[]string{"--fault", "503"}, "-fault"},
		{[]string{"--fault", "500@1", "--fault", "503@1"}, "fault: request 1"},
		{[]string{"--envelope", "round"}, "envelope: "},
		{[]string{"--rate-window", "0s"}, "rate-window: "},
		{[]string{"--listen", "127.0.0.1:99999"}, "listen: "},
		{[]string{"sh", "-c", "true"}, `"sh" is not a flag`},
		{[]string{"--"}, "no command"},
	} {
		code, stdout, stderr := do(t, tc.args...)
		if code != 2 || stdout != "" || !strings.Contains(stderr, tc.want) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%q: %d, stdout %q, stderr %q", tc.args, code, stdout, stderr)
		}
	}
}

func TestHelpShowsEveryFlagAndFault(t *testing.T) {
	for _, arg := range []string{"-h", "--help"} {
		code, stdout, stderr := do(t, arg)
		if code != 0 || stderr != "" {
			t.Errorf("%d, stderr %q", code, stderr)
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

// startReady starts mockapi with a command that ends in the test binary, and returns once that says it is ready.
func startReady(t *testing.T, command ...string) (cmd *exec.Cmd, stdout *bufio.Reader) {
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
		t.Fatalf("the command said %q, %v", line, err)
	}
	return cmd, stdout
}

func TestSignalsArePassedOnToTheCommand(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		cmd, _ := startReady(t)
		_ = cmd.Process.Signal(sig)
		_ = cmd.Wait()
		if got, want := cmd.ProcessState.ExitCode(), 40+int(sig); got != want {
			t.Errorf("%v: exit code %d, want %d", sig, got, want)
		}
	}
}

// TestSignalsReachTheCommandsChildren: a shell that dies of a signal leaves its children running.
func TestSignalsReachTheCommandsChildren(t *testing.T) {
	cmd, lines := startReady(t, "sh", "-c", `"$0"; exit 9`)
	_ = cmd.Process.Signal(syscall.SIGTERM)
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_, _ = io.Copy(io.Discard, lines) // ends when nobody holds the pipe any more
	}()
	select {
	case <-gone:
	case <-time.After(20 * time.Second):
		t.Error("a child of the command is still there")
	}
	_ = cmd.Wait()
}

func TestTheCommandEndsWithItsCaller(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	out, ready := io.Pipe()
	ended := make(chan int)
	go func() {
		ended <- realMain(ctx, []string{"--", os.Args[0]}, append(os.Environ(), roleVar+"=command"), ready, io.Discard)
	}()
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatalf("%q, %v", line, err)
	}
	cancel()
	if got, want := <-ended, 40+int(syscall.SIGTERM); got != want {
		t.Errorf("exit code %d, want %d", got, want)
	}
}

// runSelf runs mockapi as a process, hands its URLs to use when it listens, and waits for its end.
func runSelf(t *testing.T, use func(cmd *exec.Cmd, base, admin string), args ...string) (code int, stdout, stderr string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Env = append(os.Environ(), roleVar+"=mockapi")
	cmd.Stdout = &out
	errs, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(errs)
	line, _ := lines.ReadString('\n')
	urls := regexp.MustCompile(`http://[^ )\n]+`).FindAllString(line, -1)
	if len(urls) != 2 {
		t.Fatalf("stderr %q", line)
	}
	use(cmd, urls[0], urls[1])
	rest, _ := io.ReadAll(lines)
	_ = cmd.Wait()
	return cmd.ProcessState.ExitCode(), out.String(), line + string(rest)
}

func fetch(t *testing.T, url, key string) []byte {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-API-Key", key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%d, %v: %s", resp.StatusCode, err, body)
	}
	return body
}
