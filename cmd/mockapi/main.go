// Command mockapi serves the mock of the DataSync Analytics API, alone or for a command that it runs.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/pawldata/pawl/mockapi"
)

const (
	exitUsage = 2

	// grace is the time that responses, and a command that was told to stop, have to end.
	grace = 5 * time.Second
)

func main() {
	os.Exit(realMain(context.Background(), os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}

// realMain runs the program and returns its exit code. It ends when ctx ends, at SIGINT or SIGTERM, or with its command.
func realMain(ctx context.Context, args, env []string, stdout, stderr io.Writer) int {
	opts, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		printHelp(stdout)
		return 0
	}
	if err != nil {
		return fail(stderr, exitUsage, err)
	}
	api, err := mockapi.New(opts.cfg)
	if err != nil {
		return fail(stderr, exitUsage, err)
	}
	// Before the address is printed, because its reader may send a signal at once.
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	defer signal.Stop(signals)
	served, err := serve(ctx, api, opts.listen, stderr)
	if errors.Is(err, syscall.EADDRINUSE) {
		err = fmt.Errorf("%w; is another one running there?", err)
	}
	if err != nil {
		return fail(stderr, exitUsage, fmt.Errorf("--listen: %w", err))
	}
	defer served.stop()
	printLine(stderr, "mockapi: serving %d events at %s (admin %s)",
		opts.cfg.Events, served.url+mockapi.BasePath, served.url+mockapi.AdminPath)

	if len(opts.command) == 0 {
		select {
		case <-signals:
		case <-ctx.Done():
		}
		return 0
	}
	env = append(removeOtherKeys(env),
		"API_BASE_URL="+served.url+mockapi.BasePath,
		"API_KEY="+opts.cfg.APIKey,
		"MOCKAPI_ADMIN_URL="+served.url+mockapi.AdminPath)
	return runCommand(ctx, signals, opts.command, env, stdout, stderr)
}

// A service is a mock that listens.
type service struct {
	url  string
	stop func() // ends the service; it interrupts responses that last longer than grace
}

// serve listens on an address and serves api until the service is stopped. When ctx ends, responses that wait end too.
func serve(ctx context.Context, api http.Handler, listen string, stderr io.Writer) (service, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", listen)
	if err != nil {
		return service{}, err
	}
	ctx, cancel := context.WithCancel(ctx)
	// Without ReadTimeout, because it would end a long poll. Without WriteTimeout, because mockapi sets a deadline for each
	// response.
	server := &http.Server{
		Handler:           api,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          log.New(stderr, "mockapi: ", 0),
	}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	stop := func() {
		cancel()
		shutdownCtx, cancelShutdown := context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer cancelShutdown()
		if server.Shutdown(shutdownCtx) != nil {
			_ = server.Close()
		}
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			printLine(stderr, "mockapi: %v", err)
		}
	}
	return service{url: "http://" + connectAddress(listener.Addr()), stop: stop}, nil
}

// connectAddress returns the address to connect to. If the service listens on all interfaces, that is the loopback.
func connectAddress(addr net.Addr) string {
	if tcp, ok := addr.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		return net.JoinHostPort("127.0.0.1", strconv.Itoa(tcp.Port))
	}
	return addr.String()
}

// fail prints err in one line and returns code.
func fail(stderr io.Writer, code int, err error) int {
	printLine(stderr, "mockapi: %s", strings.TrimPrefix(err.Error(), "mockapi: "))
	return code
}

// printLine prints a line to a standard stream. It ignores errors, because there is nowhere to report them.
func printLine(to io.Writer, format string, args ...any) {
	_, _ = fmt.Fprintf(to, format+"\n", args...)
}
