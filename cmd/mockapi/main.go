// Command mockapi serves the mock of the DataSync Analytics API. It can also run a command that uses the mock.
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
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/pawldata/pawl/mockapi"
)

const (
	exitUsage = 2

	// grace is the time that a response or the command has to end after it was asked to end.
	grace = 5 * time.Second
)

func main() {
	os.Exit(realMain(context.Background(), os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}

// realMain runs the program and returns its exit code. Without a command it runs until ctx ends or a SIGINT or SIGTERM
// arrives. With a command it runs until the command ends.
func realMain(ctx context.Context, args, env []string, stdout, stderr io.Writer) int {
	opts, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		printHelp(stdout)
		return 0
	}
	if err != nil {
		return fail(stderr, exitUsage, err)
	}
	if opts.version {
		version := "(devel)" // the build has no information about itself
		if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
			version = info.Main.Version
		}
		printLine(stdout, "mockapi %s", version)
		return 0
	}
	api, err := mockapi.New(opts.cfg)
	if err != nil {
		return fail(stderr, exitUsage, err)
	}
	// Signals must be caught before the address is printed, because a reader of the address can send a signal at once.
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	defer signal.Stop(signals)
	svc, err := serve(ctx, api, opts.listen, stderr)
	if errors.Is(err, syscall.EADDRINUSE) {
		err = fmt.Errorf("%w; is another mockapi running there?", err)
	}
	if err != nil {
		return fail(stderr, exitUsage, fmt.Errorf("--listen: %w", err))
	}
	defer svc.stop()
	baseURL, adminURL := svc.url+mockapi.BasePath, svc.url+mockapi.AdminPath
	printLine(stderr, "mockapi: serving %d events at %s (admin %s)", opts.cfg.Events, baseURL, adminURL)

	if len(opts.command) == 0 {
		select {
		case <-signals:
		case <-ctx.Done():
		}
		return 0
	}
	commandEnv := append(removeOtherKeys(env),
		"API_BASE_URL="+baseURL,
		"API_KEY="+opts.cfg.APIKey,
		"MOCKAPI_ADMIN_URL="+adminURL)
	return runCommand(ctx, signals, opts.command, commandEnv, stdout, stderr)
}

// A service is a mock that listens.
type service struct {
	url string // the beginning of all URLs, without a final slash
	// stop ends the service and waits for the end. It interrupts responses that last longer than grace.
	stop func()
}

// serve listens on an address and serves api until stop is called. When ctx ends, the responses that wait for their latency,
// a journal entry or a fault end at once.
func serve(ctx context.Context, api http.Handler, listen string, stderr io.Writer) (service, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", listen)
	if err != nil {
		return service{}, err
	}
	requestCtx, cancelRequests := context.WithCancel(ctx)
	// There is no ReadTimeout, because it would end a long poll of the journal. There is no WriteTimeout, because the package
	// mockapi sets a deadline for each response.
	server := &http.Server{
		Handler:           api,
		BaseContext:       func(net.Listener) context.Context { return requestCtx },
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          log.New(stderr, "mockapi: ", 0),
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	stop := func() {
		cancelRequests()
		shutdownCtx, cancelShutdown := context.WithTimeout(context.WithoutCancel(ctx), grace) // ctx may have ended
		defer cancelShutdown()
		if server.Shutdown(shutdownCtx) != nil { // a response lasts longer than grace
			_ = server.Close()
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			printLine(stderr, "mockapi: %v", err)
		}
	}
	return service{url: "http://" + connectAddress(listener.Addr()), stop: stop}, nil
}

// connectAddress returns the address to which a client connects. This is addr, but with the host 127.0.0.1 if the service
// listens on all interfaces.
func connectAddress(addr net.Addr) string {
	if tcp, ok := addr.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		return net.JoinHostPort("127.0.0.1", strconv.Itoa(tcp.Port))
	}
	return addr.String()
}

// fail prints err in one line that begins with the program's name, and returns code. Errors of the package mockapi begin
// with this name already.
func fail(stderr io.Writer, code int, err error) int {
	printLine(stderr, "mockapi: %s", strings.TrimPrefix(err.Error(), "mockapi: "))
	return code
}

// printLine prints a line to a standard stream. It ignores errors, because it cannot report them anywhere.
func printLine(to io.Writer, format string, args ...any) {
	_, _ = fmt.Fprintf(to, format+"\n", args...)
}
