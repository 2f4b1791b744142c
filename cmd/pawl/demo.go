package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/mockapi"
)

// demoScenario returns the scenario of the demo. The API has 100 pages of 1000 events. It refuses some requests, fails some others, and
// sends a few records that cannot become rows.
func demoScenario() (mockapi.Scenario, error) {
	s := mockapi.DefaultScenario()
	s.Events, s.RateLimit, s.RateWindow, s.Latency = 100_000, 30, 4*time.Second, 20*time.Millisecond
	for _, rule := range []string{"429@10,60", "503@25,75-76"} {
		fault, err := mockapi.ParseFault(rule)
		if err != nil {
			return s, err
		}
		s.Faults = append(s.Faults, fault)
	}
	for _, rule := range []string{"missing-field@1500", "bad-timestamp@7000", "new-field:0.01"} {
		drift, err := mockapi.ParseDrift(rule)
		if err != nil {
			return s, err
		}
		s.Drifts = append(s.Drifts, drift)
	}
	return s, nil
}

// serveDemo is the function Demo of cli.Wiring.
func serveDemo(ctx context.Context, port int) (baseURL, key string, stop func(), err error) {
	const op = "start the demo's API"
	cfg := mockapi.DefaultConfig()
	if cfg.Scenario, err = demoScenario(); err != nil {
		return "", "", nil, err
	}
	api, err := mockapi.New(cfg)
	if err != nil {
		return "", "", nil, err
	}
	listener, err := listenSoon(ctx, fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		failure := &domain.Error{Kind: domain.Invalid, Op: op, Err: err, Hint: "name another port with --port"}
		if errors.Is(err, syscall.EADDRINUSE) {
			failure.Hint = "another demo may be running; end it, or name another port with --port"
		}
		return "", "", nil, failure
	}
	server := &http.Server{
		Handler: api, ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0), // pawl reports its own failed requests
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(listener) // it returns when stop closes the server
	}()
	stop = func() {
		_ = server.Close()
		<-served
	}
	return "http://" + listener.Addr().String() + mockapi.BasePath, cfg.APIKey, stop, nil
}

// listenSoon listens on an address. While another process uses the address, it tries again for two seconds, because a demo that was killed
// a moment ago may not have ended yet.
func listenSoon(ctx context.Context, address string) (net.Listener, error) {
	const patience, interval = 2 * time.Second, 50 * time.Millisecond
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
		if !errors.Is(err, syscall.EADDRINUSE) {
			return listener, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, err
		}
	}
}
