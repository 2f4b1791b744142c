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

// roleVar makes the test binary act as mockapi itself, or as a command that mockapi runs.
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

// command prints "ready" and exits with 40 plus the number of the signal that it receives.
func command() int {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	fmt.Println("ready")
	return 40 + int((<-signals).(syscall.Signal))
}

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
			t.Errorf("got %d events of %d", len(page.Data), page.Meta.Total)
		}
		truth := bufio.NewScanner(bytes.NewReader(fetch(t, admin+"/truth?limit=10", "")))
		for i, event := range page.Data {
			if !truth.Scan() || !strings.Contains(truth.Text(), event.ID) {
				t.Errorf("row %d: got %s", i, truth.Text())
			}
		}
		_ = cmd.Process.Signal(os.Interrupt)
	}, "--listen", "127.0.0.1:0")
}

// The hint at another process is printed only if the address is in use.
func TestListenAddressInUse(t *testing.T) {
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	for address, hint := range map[string]bool{taken.Addr().String(): true, "127.0.0.1:99999": false, "nonsense": false} {
		code, _, stderr := runMain(t, "--listen", address)
		if code != 2 || !strings.HasPrefix(stderr, "mockapi: --listen: ") || strings.Contains(stderr, "another one") != hint {
			t.Errorf("%s: got %d, %q", address, code, stderr)
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

// runProcess runs mockapi as a process, calls use with its URLs when it listens, and waits until it ends.
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
	line, _ := lines.ReadString('\n')
	urls := regexp.MustCompile(`http://[^ )\n]+`).FindAllString(line, -1)
	if len(urls) != 2 {
		t.Fatalf("got stderr %q", line)
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
		t.Fatalf("got %d, %v: %s", resp.StatusCode, err, body)
	}
	return body
}
