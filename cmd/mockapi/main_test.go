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
	return signalExitCode((<-signals).(syscall.Signal))
}

// signalExitCode returns the exit code of the test command for a signal. mockapi itself never returns such a code.
func signalExitCode(sig syscall.Signal) int { return 40 + int(sig) }

// TestServe checks that the process serves pages and the expected rows.
func TestServe(t *testing.T) {
	_, _, _ = runProcess(t, func(cmd *exec.Cmd, base, admin string) {
		var page struct {
			Data []struct{ ID string }
			Meta struct{ Total int }
		}
		if err := json.Unmarshal(fetch(t, base+"/events?limit=10", "demo-key"), &page); err != nil {
			t.Error(err)
		}
		if len(page.Data) != 10 || page.Meta.Total != 100_000 {
			t.Errorf("got %d events of %d, want 10 of 100000", len(page.Data), page.Meta.Total)
		}
		rows := bufio.NewScanner(bytes.NewReader(fetch(t, admin+"/truth?limit=10", "")))
		for i, event := range page.Data {
			if !rows.Scan() || !strings.Contains(rows.Text(), event.ID) {
				t.Errorf("expected row %d: got %s, want id %s", i, rows.Text(), event.ID)
			}
		}
		_ = cmd.Process.Signal(os.Interrupt)
	}, "--listen", "127.0.0.1:0")
}

// TestListenAddressInUse checks that the hint at another process is printed only if the address is in use.
func TestListenAddressInUse(t *testing.T) {
	other, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	for address, wantHint := range map[string]bool{other.Addr().String(): true, "127.0.0.1:99999": false, "nonsense": false} {
		code, _, stderr := runMain(t, "--listen", address)
		if code != exitUsage || !strings.HasPrefix(stderr, "mockapi: --listen: ") {
			t.Errorf("%s: got exit code %d, stderr %q, want %d and an error about --listen", address, code, stderr, exitUsage)
		}
		if hasHint := strings.Contains(stderr, "another mockapi"); hasHint != wantHint {
			t.Errorf("%s: got stderr %q, want the hint: %t", address, stderr, wantHint)
		}
	}
}

// runMain runs realMain with an environment that contains PATH only.
func runMain(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = realMain(t.Context(), args, []string{"PATH=" + os.Getenv("PATH")}, &out, &errs)
	return code, out.String(), errs.String()
}

// runProcess runs mockapi as a process and calls use with the process and the URLs of its API and its admin endpoints. use
// must end the process. runProcess waits for the end.
func runProcess(t *testing.T, use func(cmd *exec.Cmd, base, admin string), args ...string) (code int, stdout, stderr string) {
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
	firstLine, _ := lines.ReadString('\n')
	urls := regexp.MustCompile(`http://[^ )\n]+`).FindAllString(firstLine, -1)
	if len(urls) != 2 {
		t.Fatalf("got stderr %q, want a first line with two URLs", firstLine)
	}
	use(cmd, urls[0], urls[1])
	rest, _ := io.ReadAll(lines)
	_ = cmd.Wait()
	return cmd.ProcessState.ExitCode(), out.String(), firstLine + string(rest)
}

// fetch requests a URL and returns the body. The status must be 200.
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
