// Command mockapi serves the mock of the DataSync Analytics API. It can also run a command that uses the mock.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/pawldata/pawl/mockapi"
)

const (
	exitUsage = 2

	// grace is the time that the command has to end after it was asked to end.
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
	svc, err := mockapi.Serve(ctx, api, opts.listen, stderr)
	if errors.Is(err, syscall.EADDRINUSE) {
		err = fmt.Errorf("%w; is another mockapi running there?", err)
	}
	if err != nil {
		return fail(stderr, exitUsage, fmt.Errorf("--listen: %w", err))
	}
	defer svc.Stop()
	baseURL, adminURL := svc.URL+mockapi.BasePath, svc.URL+mockapi.AdminPath
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
