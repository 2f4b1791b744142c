// Package cli is pawl's command line: it reads settings, runs a command and turns its error into a sentence and an exit
// code. It knows the use cases, not the adapters; main passes those in a [Wiring].
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

	"github.com/pawldata/pawl/internal/adapters/cli/settings"
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
	Signals <-chan os.Signal // that ask the program to stop; nil if there are none
}

// Settings are the checked settings, as the functions of a Wiring get them.
type Settings = settings.Settings

// A Wiring creates what the commands work with. A command calls each function at most once. The functions do no I/O unless
// their comment says so. The func() that they return releases what they created; it is nil if the error is not.
type Wiring struct {
	Runner func(context.Context, Settings, RunOptions, ingest.Observer) (Runner, func(), error)
	Reader func(context.Context, Settings) (Reader, func(), error)
	Verify func(context.Context, Settings, VerifyOptions, VerifyObserver) (Verifier, func(), error)
	Replay func(context.Context, Settings, ReplayOptions, replay.Observer) (Replayer, func(), error)
	Admin  func(context.Context, Settings) (Admin, func(), error)

	// Database starts the server if the setting asks pawl to, and calls report before steps that take time. The func() that it
	// returns leaves the server.
	Database func(ctx context.Context, databaseURL string, report func(string)) (Database, func() error, error)
	// Migrate updates the database's schema and returns the names of the migrations it applied.
	Migrate func(ctx context.Context, databaseURL string) ([]string, error)
	// CheckSchema returns an error unless the schema is up to date. It changes nothing.
	CheckSchema func(ctx context.Context, databaseURL string) error
	// NormalizeURL returns the form of an API's base URL that the database stores.
	NormalizeURL func(baseURL string) (string, error)
	// PsqlEnviron returns the environment variables that make psql connect to a database URL.
	PsqlEnviron func(databaseURL string) ([]string, error)

	Jitter func() float64 // returns a random number in [0, 1), for backoffs
	Build  Build
}

// A Database is a server that accepts connections.
type Database struct {
	URL string // for a driver, with the password
	Bin string // the folder of the server's own programs; empty if it is not known
}

// A Reader reads what the database has about a stream. It returns an Invalid error for a stream that was never claimed.
type Reader interface {
	Report(ctx context.Context, stream domain.StreamID) (domain.StreamReport, error)
	// Drift returns the stream's drift register, in order of appearance.
	Drift(ctx context.Context, stream domain.StreamID) ([]domain.DriftEntry, error)
	// DeadLetters returns dead letters in the order of their ids, without their payloads, and whether more follow the range.
	DeadLetters(
		ctx context.Context, stream domain.StreamID, f domain.DeadLetterFilter, part domain.DeadLetterRange,
	) (letters []domain.DeadLetter, more bool, err error)
	// DeadLetterReasons counts dead letters by reason, the most frequent first.
	DeadLetterReasons(ctx context.Context, stream domain.StreamID, f domain.DeadLetterFilter) ([]domain.ReasonCount, error)
	// DeadLetter returns one dead letter with its payload. It returns an Invalid error if the stream has none with this id.
	DeadLetter(ctx context.Context, stream domain.StreamID, id int64) (domain.DeadLetter, error)
}

// An Admin makes the changes that a user asks for. It returns an Invalid error for a stream that was never claimed.
type Admin interface {
	// MoveStream changes the stream's source URL. It returns an Invalid error if the stream does not read from the URL from.
	MoveStream(ctx context.Context, stream domain.StreamID, from, to string) error
	// DiscardDeadLetter resolves an open dead letter. It returns an Invalid error if the dead letter is resolved already.
	DiscardDeadLetter(ctx context.Context, stream domain.StreamID, id int64, why string) error
}

// grammar is the command line that kong parses. The settings may stand before or after the command.
type grammar struct {
	settings.Values `embed:""`

	Run        runCommand        `cmd:"" help:"Read the stream into PostgreSQL until it is complete, from where the last run stopped."`
	Status     statusCommand     `cmd:"" help:"Print how far the stream is, from the database."`
	Verify     verifyCommand     `cmd:"" help:"Check that the stored data is consistent and, with --against-api, that it is what the API returns."`
	Dlq        dlqCommand        `cmd:"" help:"List, show, replay or discard dead letters: records that cannot become rows."`
	Drift      driftCommand      `cmd:"" help:"Print what the API sends that pawl does not expect. Nothing of it is lost."`
	Psql       psqlCommand       `cmd:"" passthrough:"" help:"Start psql on the database. The rest of the line is for psql."`
	Config     configCommand     `cmd:"" help:"Print every setting and where it comes from."`
	Migrate    migrateCommand    `cmd:"" help:"Update the database's schema."`
	Move       moveCommand       `cmd:"" help:"Follow an API that has moved: the stream reads from API_BASE_URL from now on."`
	Completion completionCommand `cmd:"" help:"Print a script for the shell that completes pawl's commands and flags."`
	Version    versionCommand    `cmd:"" help:"Print the version."`
}

// A session holds what a command needs while it runs.
type session struct {
	Process
	signalState

	ctx         context.Context //nolint:containedctx // lives for one command; kong passes bound values, not arguments
	values      settings.Values
	origins     settings.Origins
	settings    Settings
	settingsErr error  // of checking the settings; only a command with toleratesSettings runs in spite of it
	again       string // says what happens if a command that was stopped runs again; empty for the usual sentence
	log         *slog.Logger
	wiring      Wiring
	screen      *terminal.Screen // standard error for everything except psql
}

// A command that implements toleratesSettings runs although the settings are wrong.
type toleratesSettings interface{ toleratesWrongSettings() }

// Main runs the command of p and returns the exit code. It writes results to p.Stdout, and log lines and errors to p.Stderr.
// After the first signal, or when ctx ends, the command finishes its current step and the code is ExitAgain. After the second
// signal Main returns at once, with 128 + the signal's number, and the process should end.
func Main(ctx context.Context, p Process, w Wiring) int {
	env := settings.NewEnvironment(p.Environ)
	s := session{
		Process: p, ctx: ctx, wiring: w,
		screen: terminal.NewScreen(p.Stderr, env.Get("TERM"), env.Get("NO_COLOR")),
	}
	return s.runUntilSignal(func() int { return s.main(settings.NewLoader(env)) })
}

// main is Main without the signals.
func (s *session) main(loader *settings.Loader) int {
	command, err := s.parse(loader)
	if err != nil {
		return s.end(err)
	}
	if command == nil { // --help
		return ExitDone
	}
	s.settings, s.settingsErr = s.values.Check(s.origins)
	if _, tolerates := reflect.TypeAssert[toleratesSettings](command.Selected().Target.Addr()); s.settingsErr != nil && !tolerates {
		return s.end(s.settingsErr)
	}
	s.log = newLogger(s.screen, s.settings)
	defer context.AfterFunc(s.ctx, func() {
		s.log.Warn("stopping: finishing what is in hand; a second signal ends at once")
	})()
	s.busy.Store(true)
	return s.end(command.Run(s))
}

// end writes the error, if there is one, and returns the exit code.
func (s *session) end(err error) int {
	if status, ok := errors.AsType[statusError](err); ok {
		return int(status)
	}
	if err != nil {
		writeError(s.screen, s.settings, err, cmp.Or(s.again, "run it again to continue after the last page stored"))
	}
	return exitCode(err)
}

// parse reads the command line, the environment and the .env file, and sets the values and their origins. It returns nil
// without an error if the user asked for help, which it printed.
func (s *session) parse(loader *settings.Loader) (*kong.Context, error) {
	var g grammar
	helped := false
	parser, err := newParser(&g,
		kong.Writers(s.Stdout, s.screen), kong.Exit(func(int) { helped = true }), kong.Resolvers(loader.Resolver()))
	if err != nil {
		return nil, err
	}
	command, err := parser.Parse(s.Args)
	if err == nil && !helped && command.Selected().Name != "psql" {
		err = checkUTF8(s.Args)
	}
	switch {
	case helped:
		return nil, nil
	case loader.Err() != nil:
		return nil, loader.Err()
	case err != nil:
		return nil, &domain.Error{Kind: domain.Invalid, Op: "command line", Err: err, Hint: "see `pawl --help`"}
	}
	s.origins = loader.Complete(command, &g.Values)
	s.values = g.Values
	return command, nil
}

func newParser(g *grammar, options ...kong.Option) (*kong.Kong, error) {
	return kong.New(g, append(options,
		kong.Name("pawl"), kong.Description(description), kong.ValueFormatter(formatFlagHelp),
		kong.ExplicitGroups(flagGroups()), kong.Help(printHelp),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true, FlagsLast: true, WrapUpperBound: 120}),
	)...)
}

// checkUTF8 returns an error if an argument is not UTF-8, because the database would refuse it.
func checkUTF8(args []string) error {
	for _, arg := range args {
		if !utf8.ValidString(arg) {
			return fmt.Errorf("%s is not UTF-8", strconv.QuoteToASCII(arg))
		}
	}
	return nil
}

// withDatabase opens the database, calls open for a value of type T that works on it, and calls work with that value, as often
// as the retry policy allows.
func withDatabase[T any](
	s *session, open func(context.Context, Settings) (T, func(), error), work func(context.Context, T) error,
) error {
	db, closeDatabase, err := s.openDatabase()
	if err != nil {
		return err
	}
	defer closeDatabase()
	port, release, err := open(s.ctx, s.settingsFor(db))
	if err != nil {
		return err
	}
	defer release()
	return s.try(func(ctx context.Context) error { return work(ctx, port) })
}

// openDatabase makes the database of the settings ready and returns it. The caller must call closeDatabase if there is no
// error.
func (s *session) openDatabase() (db Database, closeDatabase func(), err error) {
	if err := s.settings.RequireDatabase(); err != nil {
		return Database{}, nil, err
	}
	var leave func() error
	err = s.try(func(ctx context.Context) (err error) {
		db, leave, err = s.wiring.Database(ctx, s.settings.DatabaseURL, func(step string) { s.log.Info(step) })
		return err
	})
	return db, func() {
		if err := leave(); err != nil {
			s.log.Warn(err.Error())
		}
	}, err
}

// settingsFor returns the settings with the URL of db.
func (s *session) settingsFor(db Database) Settings {
	with := s.settings
	with.DatabaseURL = db.URL
	return with
}

// policy returns how often and how long one step may be tried.
func (s *session) policy() retry.Policy {
	return retry.Policy{Tries: s.settings.Tries, MaxWait: s.settings.MaxWait, Jitter: s.wiring.Jitter}
}

// try calls work as often as the policy allows, and logs the waits between.
func (s *session) try(work func(context.Context) error) error {
	return s.policy().Do(s.ctx, newLogObserver(s.log, false, false).Waiting, work)
}
