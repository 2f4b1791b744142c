package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"

	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/mockapi"
)

// demoScenario is the scenario of the demo. The API has 100 pages of 1000 events. It refuses some requests, fails some others, and sends a
// few records that cannot become rows.
const demoScenario = `{
	"events": 100000, "rate_limit": 30, "rate_window": "4s", "latency": "20ms",
	"faults": ["429@10,60", "503@25,75-76"],
	"drifts": ["missing-field@1500", "bad-timestamp@7000", "new-field:0.01"]
}`

// serveDemo implements the function Demo of cli.Wiring.
func serveDemo(ctx context.Context, port int) (baseURL, key string, stop func(), err error) {
	cfg := mockapi.DefaultConfig()
	if err := json.Unmarshal([]byte(demoScenario), &cfg.Scenario); err != nil {
		return "", "", nil, err
	}
	api, err := mockapi.New(cfg)
	if err != nil {
		return "", "", nil, err
	}
	service, err := serveSoon(ctx, api, fmt.Sprintf("127.0.0.1:%d", port))
	if ctx.Err() != nil && err != nil {
		return "", "", nil, &domain.Error{Kind: domain.Stopped, Code: domain.CodeStopped, Op: "start the demo's API", Err: ctx.Err()}
	}
	if err != nil {
		failure := &domain.Error{
			Kind: domain.Invalid, Code: domain.CodeDemoFailed, Op: "start the demo's API", Err: err, Hint: "name another port with --port",
		}
		if errors.Is(err, syscall.EADDRINUSE) {
			failure.Hint = "another demo may be running; end it, or name another port with --port"
		}
		return "", "", nil, failure
	}
	return service.URL + mockapi.BasePath, cfg.APIKey, service.Stop, nil
}

// serveSoon serves the API on an address. While another process uses the address, it tries again for two seconds, because a demo that was
// killed a moment ago may not have ended yet.
func serveSoon(ctx context.Context, api *mockapi.Server, address string) (mockapi.Service, error) {
	const patience, interval = 2 * time.Second, 50 * time.Millisecond
	waitCtx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		service, err := mockapi.Serve(ctx, api, address, io.Discard) // pawl reports its own failed requests
		if !errors.Is(err, syscall.EADDRINUSE) {
			return service, err
		}
		select {
		case <-tick.C:
		case <-waitCtx.Done():
			return mockapi.Service{}, err
		}
	}
}
