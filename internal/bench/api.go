package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/pawldata/pawl/mockapi"
)

const apiKey = "demo-key"

// A mockProcess is the mock API in a process of its own.
type mockProcess struct {
	url, adminURL string
	cmd           *exec.Cmd
}

// startAPI starts the mock API and waits until it answers. The mock has no rate limit and keeps no journal of requests, unless args say
// otherwise. Each run of pawl gets a mock of its own, because faults depend on the number of earlier requests, and so does the rate limit.
func (b *bench) startAPI(ctx context.Context, events int, args ...string) (*mockProcess, error) {
	port, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	address := "127.0.0.1:" + strconv.Itoa(port)
	args = append([]string{
		"--listen", address, "--events", strconv.Itoa(events), "--rate-limit", "0", "--journal-limit", "0",
	}, args...)
	cmd := exec.CommandContext(ctx, filepath.Join(b.dir, "mockapi"), args...)
	cmd.Stderr = io.Discard
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	api := &mockProcess{url: "http://" + address + "/api/v1", adminURL: "http://" + address + mockapi.AdminPath, cmd: cmd}
	if err := waitForHTTP(ctx, api.url); err != nil {
		api.stop()
		return nil, err
	}
	return api, nil
}

func (a *mockProcess) stop() {
	_ = a.cmd.Process.Signal(syscall.SIGTERM)
	_ = a.cmd.Wait()
}

// journal returns the requests after request number after, oldest first. It waits up to ten seconds for one, and then returns an error.
func (a *mockProcess) journal(ctx context.Context, after int) ([]mockapi.Entry, error) {
	url := a.adminURL + "/journal?wait=10s&after=" + strconv.Itoa(after)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close() //nolint:errcheck // the body was only read
	var entries []mockapi.Entry
	for decoder := json.NewDecoder(bufio.NewReader(res.Body)); decoder.More(); {
		var entry mockapi.Entry
		if err := decoder.Decode(&entry); err != nil {
			return nil, fmt.Errorf("journal: %w", err)
		}
		entries = append(entries, entry)
	}
	if len(entries) == 0 {
		return nil, fmt.Errorf("no request after request %d", after)
	}
	return entries, nil
}

// waitForHTTP waits until the server at url answers, with any status. It returns an error if there is no answer within ten seconds.
func waitForHTTP(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
		if err != nil {
			return err
		}
		if res, err := http.DefaultClient.Do(req); err == nil {
			return res.Body.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer: %w", url, ctx.Err())
		case <-tick.C:
		}
	}
}

// freePort returns a TCP port of the loopback interface that nobody listens on.
func freePort(ctx context.Context) (int, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()                          //nolint:errcheck // the port is free either way
	return listener.Addr().(*net.TCPAddr).Port, nil //nolint:forcetypeassert // a TCP listener
}
