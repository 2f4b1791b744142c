// Command mockapi serves the bundled mock of the DataSync Analytics API, alone or around a command that needs one.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/pawldata/pawl/mockapi"
)

const (
	exitUsage         = 2
	exitNotExecutable = 126
	exitNotFound      = 127
	exitSignal        = 128

	// grace is what answers in hand, and a command told to stop, get before they are cut off.
	grace = 5 * time.Second
)

const usage = `mockapi serves a deterministic mock of the DataSync Analytics API.

  mockapi [flags]                       serve on 127.0.0.1:8080 until SIGINT or SIGTERM
  mockapi [flags] -- COMMAND [ARGS]     serve on a free loopback port, run COMMAND, end with its exit code

COMMAND finds API_BASE_URL, API_KEY and MOCKAPI_ADMIN_URL in its environment. It runs in its own process group; SIGINT and
SIGTERM are passed on to it. Exit code 128+n means that signal n ended it, 127 that it was not found, 126 that it could
not be executed, 2 that a flag was wrong.
`

func main() {
	os.Exit(realMain(context.Background(), os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}

// realMain is the program without its process: it ends when ctx does, when a signal tells it to, or with its command.
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
	// Before anyone learns the address, and with it that there is something to stop.
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
	say(stderr, "mockapi: serving %d events at %s (admin %s)", opts.cfg.Events, served.url+mockapi.BasePath, served.url+mockapi.AdminPath)

	if len(opts.command) == 0 {
		select {
		case <-signals:
		case <-ctx.Done():
		}
		return 0
	}
	env = append(withoutKey(env),
		"API_BASE_URL="+served.url+mockapi.BasePath,
		"API_KEY="+opts.cfg.APIKey,
		"MOCKAPI_ADMIN_URL="+served.url+mockapi.AdminPath)
	return run(ctx, signals, opts.command, env, stdout, stderr)
}

type options struct {
	cfg     mockapi.Config
	listen  string
	command []string
}

func parse(args []string) (options, error) {
	opts := options{cfg: mockapi.DefaultConfig()}
	if i := slices.Index(args, "--"); i >= 0 {
		if opts.command = args[i+1:]; len(opts.command) == 0 {
			return options{}, errors.New("there is no command after --")
		}
		args = args[:i]
	}
	flags := newFlags(&opts)
	if err := flags.Parse(args); err != nil {
		return options{}, err
	}
	if flags.NArg() > 0 {
		return options{}, fmt.Errorf("%q is not a flag; a command goes after --", flags.Arg(0))
	}
	if opts.listen == "" {
		opts.listen = "127.0.0.1:8080"
		if opts.command != nil {
			opts.listen = "127.0.0.1:0"
		}
	}
	return opts, nil
}

func newFlags(opts *options) *flag.FlagSet {
	cfg := &opts.cfg
	flags := flag.NewFlagSet("mockapi", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&opts.listen, "listen", "", "`address` to listen on (default 127.0.0.1:8080, with a command 127.0.0.1:0)")
	flags.IntVar(&cfg.Events, "events", cfg.Events, "size of the collection")
	flags.Uint64Var(&cfg.Seed, "seed", cfg.Seed, "decides every event and every random fault")
	flags.StringVar(&cfg.APIKey, "api-key", cfg.APIKey, "`key` that X-API-Key must hold")
	flags.IntVar(&cfg.RateLimit, "rate-limit", cfg.RateLimit, "`requests` in a window, 0 for no limit")
	flags.DurationVar(&cfg.RateWindow, "rate-window", cfg.RateWindow, "length of a window, opened by its first request")
	flags.DurationVar(&cfg.CursorTTL, "cursor-ttl", cfg.CursorTTL, "life of a cursor")
	flags.DurationVar(&cfg.Latency, "latency", cfg.Latency, "time from the arrival of a request to its answer")
	flags.StringVar((*string)(&cfg.Envelope), "envelope", string(cfg.Envelope), "`shape` of a page: nested as recorded, flat as documented, mixed")
	flags.IntVar(&cfg.DefaultLimit, "default-limit", cfg.DefaultLimit, "`events` in a page when no limit is asked for")
	flags.IntVar(&cfg.MaxLimit, "max-limit", cfg.MaxLimit, "`events` to which a page is capped")
	flags.IntVar(&cfg.JournalLimit, "journal-limit", cfg.JournalLimit, "`requests` that the journal keeps")
	scenarioFlags(flags, &cfg.Scenario)
	return flags
}

func printHelp(to io.Writer) {
	say(to, "%s", usage)
	printScenario(to)
	say(to, "Flags:")
	newFlags(&options{cfg: mockapi.DefaultConfig()}).VisitAll(func(f *flag.Flag) {
		value, text := flag.UnquoteUsage(f)
		if f.DefValue != "" {
			text += " (default " + f.DefValue + ")"
		}
		say(to, "  %-24s %s", "--"+f.Name+" "+value, text)
	})
}

// A service is a listening mock.
type service struct {
	url  string
	stop func() // cuts what is still going on after a grace
}

func serve(ctx context.Context, api http.Handler, listen string, stderr io.Writer) (service, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", listen)
	if err != nil {
		return service{}, err
	}
	// Whatever waits inside an answer waits under this context.
	ctx, cancel := context.WithCancel(ctx)
	// No ReadTimeout: it would also end a long poll. WriteTimeout is left to the mock, which sets a deadline per answer.
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
		patience, end := context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer end()
		if server.Shutdown(patience) != nil {
			_ = server.Close()
		}
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			say(stderr, "mockapi: %v", err)
		}
	}
	return service{url: "http://" + reachable(listener.Addr()), stop: stop}, nil
}

// reachable is an address to connect to: one that listens everywhere is reached on the loopback.
func reachable(addr net.Addr) string {
	if tcp, ok := addr.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		return net.JoinHostPort("127.0.0.1", strconv.Itoa(tcp.Port))
	}
	return addr.String()
}

// withoutKey leaves out the other ways in which a command may be given a key: the mock's is the one that fits.
func withoutKey(env []string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(pair string) bool {
		name, _, _ := strings.Cut(pair, "=")
		return name == "API_KEY_FILE" || name == "TARGET_API_KEY"
	})
}

// run runs a command to its end, passes signals on to it, and gives the exit code that a shell would.
func run(ctx context.Context, signals <-chan os.Signal, command, env []string, stdout, stderr io.Writer) int {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...) //nolint:gosec // running what it is given is its purpose
	cmd.Env = env
	// In the terminal's group ^C would reach the command twice, from the terminal and from here. Out of it the command
	// may not read from the terminal, so it gets no input.
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	defer dieTogether(cmd.SysProcAttr)()
	signalGroup := func(sig syscall.Signal) error { return syscall.Kill(-cmd.Process.Pid, sig) } // its children too
	cmd.Cancel = func() error { return signalGroup(syscall.SIGTERM) }
	cmd.WaitDelay = grace

	if err := cmd.Start(); err != nil {
		if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
			return fail(stderr, exitNotFound, err)
		}
		return fail(stderr, exitNotExecutable, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case sig := <-signals:
			if number, ok := sig.(syscall.Signal); ok {
				_ = signalGroup(number) // it fails if the command has just ended
			}
		case err := <-ended:
			return exitCode(cmd.ProcessState, err, stderr)
		}
	}
}

func exitCode(state *os.ProcessState, err error, stderr io.Writer) int {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return exitSignal + int(status.Signal())
	}
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		say(stderr, "mockapi: %v", err)
	}
	return state.ExitCode()
}

func fail(stderr io.Writer, code int, err error) int {
	say(stderr, "mockapi: %s", strings.TrimPrefix(err.Error(), "mockapi: "))
	return code
}

// say writes a line to a standard stream; there is nowhere to report that it could not.
func say(to io.Writer, format string, args ...any) {
	_, _ = fmt.Fprintf(to, format+"\n", args...)
}
