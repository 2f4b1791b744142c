package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// roleVar is the environment variable that selects what the test binary does. If it is "mockapi", the binary is mockapi
// itself. If it is "command", the binary is a command for mockapi to run. Otherwise the binary runs the tests.
const roleVar = "MOCKAPI_TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(roleVar) {
	case "mockapi":
		_ = os.Setenv(roleVar, "command") // a command of this mockapi inherits the variable
		main()
	case "command":
		os.Exit(runTestCommand())
	default:
		os.Exit(m.Run())
	}
}

// runTestCommand prints "ready", waits for a signal, and returns signalExitCode of this signal.
func runTestCommand() int {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	fmt.Println("ready")
	sig := <-signals
	return signalExitCode(sig.(syscall.Signal))
}

// signalExitCode returns the exit code of the test command for a signal. mockapi itself never returns such a code.
func signalExitCode(sig syscall.Signal) int { return 40 + int(sig) }

// TestServe checks that the process serves pages and the expected rows.
func TestServe(t *testing.T) {
	runProcess(t, []string{"--listen", freePort}, func(mock *exec.Cmd, baseURL, adminURL string) {
		var page struct {
			Data []struct{ ID string }
			Meta struct{ Total int }
		}
		const defaultKey, defaultEvents = "demo-key", 100_000
		if err := json.Unmarshal(fetch(t, baseURL+"/events?limit=10", defaultKey), &page); err != nil {
			t.Error(err)
		}
		if len(page.Data) != 10 || page.Meta.Total != defaultEvents {
			t.Errorf("got %d events of %d, want 10 of %d", len(page.Data), page.Meta.Total, defaultEvents)
		}
		rows := bufio.NewScanner(bytes.NewReader(fetch(t, adminURL+"/truth?limit=10", noKey)))
		for i, event := range page.Data {
			if !rows.Scan() || !strings.Contains(rows.Text(), event.ID) {
				t.Errorf("expected row %d: got %s, want id %s", i, rows.Text(), event.ID)
			}
		}
		_ = mock.Process.Signal(os.Interrupt)
	})
}

// TestListenAddressInUse checks that stderr asks about another mockapi only if the address is in use.
func TestListenAddressInUse(t *testing.T) {
	other, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	for address, wantHint := range map[string]bool{
		other.Addr().String(): true,
		"127.0.0.1:99999":     false, // ports end at 65535
		"nonsense":            false,
	} {
		code, _, stderr := runMain(t, "--listen", address)
		if code != exitUsage || !strings.HasPrefix(stderr, "mockapi: --listen: ") {
			t.Errorf("%s: got exit code %d, stderr %q, want %d and an error about --listen", address, code, stderr, exitUsage)
		}
		if hasHint := strings.Contains(stderr, "another mockapi"); hasHint != wantHint {
			t.Errorf("%s: got stderr %q, want the hint: %t", address, stderr, wantHint)
		}
	}
}

// freePort makes mockapi listen on a free port of the loopback interface.
const freePort = "127.0.0.1:0"

// runMain runs realMain with an environment that contains PATH only.
func runMain(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = realMain(t.Context(), args, []string{"PATH=" + os.Getenv("PATH")}, &out, &errs)
	return code, out.String(), errs.String()
}

// A processResult is what a process has left after its end.
type processResult struct {
	code           int // the exit code
	stdout, stderr string
}

// runProcess runs mockapi as a process and calls use with the process and the URLs of its API and its admin endpoints. use
// must end the process. runProcess waits for the end.
func runProcess(t *testing.T, args []string, use func(mock *exec.Cmd, baseURL, adminURL string)) processResult {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var stdout bytes.Buffer
	mock := exec.CommandContext(t.Context(), self, args...)
	mock.Env = append(os.Environ(), roleVar+"=mockapi")
	mock.Stdout = &stdout
	pipe, err := mock.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := mock.Start(); err != nil {
		t.Fatal(err)
	}
	stderr := bufio.NewReader(pipe)
	firstLine, _ := stderr.ReadString('\n')
	urls := regexp.MustCompile(`http://[^ )\n]+`).FindAllString(firstLine, -1)
	if len(urls) != 2 {
		t.Fatalf("got stderr %q, want a first line with two URLs", firstLine)
	}
	baseURL, adminURL := urls[0], urls[1]
	use(mock, baseURL, adminURL)
	rest, _ := io.ReadAll(stderr)
	_ = mock.Wait()
	return processResult{code: mock.ProcessState.ExitCode(), stdout: stdout.String(), stderr: firstLine + string(rest)}
}

const noKey = ""

// fetch requests a URL with a key and returns the body. The status must be 200.
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
		t.Fatalf("%s: got status %d, %v: %s", url, resp.StatusCode, err, body)
	}
	return body
}
