// Package cli is pawl's command line: it reads settings, runs a command and turns its error into a sentence and an exit
// code. It knows the use cases, not the adapters; those come in through Wiring.
package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"reflect"
	"strconv"
	"unicode/utf8"

	"github.com/alecthomas/kong"

	"github.com/pawldata/pawl/internal/adapters/cli/terminal"
	"github.com/pawldata/pawl/internal/app/ingest"
	"github.com/pawldata/pawl/internal/app/replay"
	"github.com/pawldata/pawl/internal/app/retry"
	"github.com/pawldata/pawl/internal/domain"
)

// A Process is what the operating system gives a program.
type Process struct {
	Args    []string // without the program's name
	Environ []string
	Stdin   io.Reader
	Stdout  io.Writer
	Stderr  io.Writer
	Signals <-chan os.Signal // to stop; nil if there are none
}

// Wiring makes what the commands work with. Each function is called at most once a command, and does no I/O unless it
// says so; the returned func() releases what was made and is nil with an error.
type Wiring struct {
	Runner  func(context.Context, Settings, RunOptions, ingest.Observer) (Runner, func(), error)
	Status  func(context.Context, Settings) (StatusReader, func(), error)
	Verify  func(context.Context, Settings, VerifyOptions, VerifyObserver) (Verifier, func(), error)
	Letters func(context.Context, Settings) (Letters, func(), error)
	Replay  func(context.Context, Settings, ReplayOptions, replay.Observer) (Replayer, func(), error)
	Drift   func(context.Context, Settings) (DriftReader, func(), error)
	Move    func(context.Context, Settings) (Mover, func(), error)

	// Database makes a server ready, where the setting asks pawl to, and says what takes time. The func() leaves it.
	Database func(ctx context.Context, databaseURL string, say func(string)) (Database, func() error, error)
	// Migrate brings the database's schema up to date and names the migrations applied; CheckSchema only looks.
	Migrate     func(ctx context.Context, databaseURL string) ([]string, error)
	CheckSchema func(ctx context.Context, databaseURL string) error
	// NormalizeURL is the one form of an API's address.
	NormalizeURL func(address string) (string, error)
	// PsqlEnviron is a database's URL as environment variables for psql.
	PsqlEnviron func(databaseURL string) ([]string, error)

	Jitter  func() float64 // uniform in [0, 1), for backoffs
	Version string
}

// A Database is a server that can be connected to.
type Database struct {
	URL string // for a driver; with the password
	Bin string // the folder of the server's own programs, empty where they are not known
}

// RunOptions are what one run is asked for beyond the settings.
type RunOptions struct {
	NewPass        bool
	AcceptShortEnd bool
	Retry          retry.Policy
	Warn           func(what string, why error) // tells the user what does not stop the run; from any goroutine
}

// A Runner reads the stream into the database, as ingest.Runner does.
type Runner interface {
	Run(ctx context.Context) (domain.Summary, error)
}

// A StatusReader reads what the database says of a stream.
type StatusReader interface {
	Report(ctx context.Context, stream domain.StreamID) (domain.StreamReport, error)
}

// grammar is what kong parses: the knobs are taken before or after the command.
type grammar struct {
	knobs `embed:""`

	Run     runCommand     `cmd:"" help:"Read the stream into PostgreSQL until it is complete, from where the last run stopped."`
	Status  statusCommand  `cmd:"" help:"Tell where the stream stands, from the database."`
	Verify  verifyCommand  `cmd:"" help:"Prove that the database holds together, and with --against-api that it holds what the API returns."`
	Dlq     dlqCommand     `cmd:"" help:"Dead letters, the records that no row could hold: list, show, replay or discard them."`
	Drift   driftCommand   `cmd:"" help:"Tell what the API sends that nobody expected. Nothing of it is lost."`
	Psql    psqlCommand    `cmd:"" passthrough:"" help:"Start psql on the database; what follows is for psql."`
	Config  configCommand  `cmd:"" help:"Print every setting, and where it comes from."`
	Migrate migrateCommand `cmd:"" help:"Bring the database's schema up to date."`
	Move    moveCommand    `cmd:"" help:"Follow an API that has moved: the stream reads from API_BASE_URL from now on."`
	Version versionCommand `cmd:"" help:"Print the version."`
}

// A session is what a command runs in.
type session struct {
	Process
	obedience

	ctx      context.Context //nolint:containedctx // lives for one command; kong passes bound values, not arguments
	knobs    knobs
	from     origins
	settings Settings
	again    string // what running it again does, where that is not to go on from the last page
	wrong    error  // what is wrong with the settings; only config is run in spite of it
	log      *slog.Logger
	wiring   Wiring
	screen   *terminal.Screen // standard error, for all but what psql writes
}

// Main runs the command that p asks for and returns the exit code. It writes results to p.Stdout, and log lines and errors
// to p.Stderr. At the first signal, or when ctx ends, the command finishes what it has in hand and the code is ExitAgain;
// at the second one Main returns at once, with 128 + the signal's number, and the process should end.
func Main(ctx context.Context, p Process, w Wiring) int {
	env := newEnvironment(p.Environ)
	s := session{
		Process: p, ctx: ctx, from: origins{}, wiring: w,
		screen: terminal.NewScreen(p.Stderr, env["TERM"].value, env["NO_COLOR"].value),
	}
	return s.obeying(func() int { return s.main(env) })
}

// main is Main without its signals.
func (s *session) main(env environment) int {
	var g grammar
	command, err := s.parse(&g, env)
	if err != nil {
		return s.end(err)
	}
	if command == nil { // --help
		return ExitDone
	}
	s.knobs = g.knobs
	s.settings, s.wrong = g.settings(s.from)
	if _, shows := reflect.TypeAssert[*configCommand](command.Selected().Target.Addr()); s.wrong != nil && !shows {
		return s.end(s.wrong)
	}
	s.log = newLogger(s.screen, s.settings)
	defer context.AfterFunc(s.ctx, func() {
		s.log.Warn("told to stop: finishing what is in hand; once more to leave at once")
	})()
	s.busy.Store(true)
	return s.end(command.Run(s))
}

// end says what went wrong and returns the exit code.
func (s *session) end(err error) int {
	if status, ok := errors.AsType[statusError](err); ok {
		return int(status)
	}
	if err != nil {
		sayError(s.screen, s.settings, err, cmp.Or(s.again, "run it again to go on from the last page stored"))
	}
	return exitCode(err)
}

// parse reads the command line, under it the environment and under that the .env file. Without an error and a command,
// help was asked for and given.
func (s *session) parse(g *grammar, env environment) (*kong.Context, error) {
	var envErr error
	prepare := func(c *kong.Context) {
		if envErr = env.addFile(envFile(c)); envErr == nil {
			envErr = env.checkNames()
		}
	}
	helped := false
	parser, err := kong.New(g,
		kong.Name("pawl"), kong.Description(description),
		kong.Writers(s.Stdout, s.screen), kong.Exit(func(int) { helped = true }),
		kong.Resolvers(env.resolver(s.from, prepare)), kong.ValueFormatter(explain),
		kong.ExplicitGroups(flagGroups()), kong.Help(printHelp),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true, FlagsLast: true, WrapUpperBound: 120}),
	)
	if err != nil {
		return nil, err
	}
	command, err := parser.Parse(s.Args)
	if err == nil && !helped && command.Selected().Name != "psql" {
		err = refuseBytes(s.Args)
	}
	switch {
	case helped:
		return nil, nil
	case envErr != nil:
		return nil, envErr
	case err != nil:
		return nil, &domain.Error{Kind: domain.Invalid, Op: "command line", Err: err, Hint: "see `pawl --help`"}
	}
	s.from.addFlags(command)
	env.fillSecrets(&g.knobs, s.from)
	return command, nil
}

// refuseBytes refuses an argument that is no text: a database would.
func refuseBytes(args []string) error {
	for _, arg := range args {
		if !utf8.ValidString(arg) {
			return fmt.Errorf("%s is not UTF-8", strconv.QuoteToASCII(arg))
		}
	}
	return nil
}

// policy is what one piece of work may cost.
func (s *session) policy() retry.Policy {
	return retry.Policy{Tries: s.settings.Tries, MaxWait: s.settings.MaxWait, Jitter: s.wiring.Jitter}
}

// try does what may fail for a while, as often as the policy allows, and logs what it waits for.
func (s *session) try(work func(context.Context) error) error {
	return s.policy().Do(s.ctx, newLogObserver(s.log, false, false).Waiting, work)
}
