// Package cli is pawl's command line: it reads settings, runs a command and turns its error into a sentence and an exit
// code. The package knows the use cases but no other adapter. Package main passes the adapters in a [Wiring].
package cli

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"reflect"
	"time"

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
	Environ []string // NAME=value pairs, as os.Environ returns them
	Stdin   io.Reader
	Stdout  io.Writer
	Stderr  io.Writer
	Signals <-chan os.Signal // the signals that ask the program to stop; nil if it should stop for none
}

// Settings are the checked settings, as the functions of a Wiring get them.
type Settings = settings.Settings

// A Wiring holds the functions that create what the commands work with. A command may call a function again, for example after a failure.
// Some functions return a func() that releases what the function created. With an error, this func() is nil.
type Wiring struct {
	Runner func(context.Context, Settings, RunOptions, ingest.Observer) (Runner, func(), error)
	Pages  PageReader
	Reader func(context.Context, Settings) (Reader, func(), error)
	Verify func(context.Context, Settings, VerifyOptions, VerifyObserver) (Verifier, func(), error)
	Replay func(context.Context, Settings, ReplayOptions, replay.Observer) (Replayer, func(), error)
	Admin  func(context.Context, Settings) (Admin, func(), error)

	// Database returns the server of databaseURL. If the URL is embedded:DIR, Database first starts the private server in that
	// folder. Before each step that takes time, it calls report with a description of the step. Before it downloads a release of
	// PostgreSQL, it calls consent, and if that returns an error, Database returns this error. The returned func() ends pawl's use of
	// the server.
	Database func(
		ctx context.Context, databaseURL string, report func(string), consent func(release string) error,
	) (Database, func() error, error)
	// PrivateFolder returns DIR if databaseURL is embedded:DIR, and whether DIR has a database. For any other URL, isPrivate is false.
	PrivateFolder func(databaseURL string) (dir string, hasDatabase, isPrivate bool)
	// Demo starts the mock API of the demo on this port of the loopback interface, and returns its base URL and its key. The returned
	// func() ends it.
	Demo func(ctx context.Context, port int) (baseURL, key string, stop func(), err error)
	// Migrate updates the database's schema and returns the names of the migrations that it applied.
	Migrate func(ctx context.Context, databaseURL string) ([]string, error)
	// CheckSchema returns an error if the schema is not up to date. It changes nothing.
	CheckSchema func(ctx context.Context, databaseURL string) error
	// CheckRights returns an error if the database accepts no changes or, if creates is true, if its user may not create pawl's tables. It
	// changes nothing.
	CheckRights func(ctx context.Context, databaseURL string, creates bool) error
	// NormalizeURL returns the form of an API's base URL that the database stores.
	NormalizeURL func(baseURL string) (string, error)
	// PsqlEnviron returns the environment variables that make psql connect to a database URL.
	PsqlEnviron func(databaseURL string) ([]string, error)

	Jitter func() float64 // returns a random number in [0, 1); it spreads the retries of several runs over time
	Build  Build
}

// A Database is a server that accepts connections.
type Database struct {
	URL  string // the URL for a database driver; it contains the password
	Name string // the database in words: the folder of a private server, or host:port/database
	Bin  string // the folder of the server's own programs; empty if it is not known

	// HasEnded reports whether the server of this database has ended and nobody starts it again. It may be nil.
	HasEnded func() bool
	// Explain returns an error of this database with a better reason, if the server's own files tell one. It may be nil.
	Explain func(error) error
}

// A Reader reads what the database has about a stream. Every method with a stream returns an error of the kind domain.Invalid if no run
// has claimed the stream yet.
type Reader interface {
	// Streams returns the streams in the database, in the order of their names.
	Streams(ctx context.Context) ([]domain.StreamID, error)
	// FailedStarts returns the streams whose first run failed before it stored a page, in the order of their names. Streams leaves them out.
	FailedStarts(ctx context.Context) ([]domain.FailedStart, error)
	// Status returns the stream's checkpoint, its counts and what its last runner reported.
	Status(ctx context.Context, stream domain.StreamID) (domain.StreamStatus, error)
	// Drift returns the entries of the stream's drift register in the order in which they were first seen.
	Drift(ctx context.Context, stream domain.StreamID) ([]domain.DriftEntry, error)
	// DeadLetters returns the dead letters of a range in the order of their ids, without their payloads. more reports whether
	// other dead letters follow after the range.
	DeadLetters(
		ctx context.Context, stream domain.StreamID, f domain.DeadLetterFilter, r domain.DeadLetterRange,
	) (letters []domain.DeadLetter, more bool, err error)
	// DeadLetterReasons counts dead letters by reason, the most frequent first.
	DeadLetterReasons(ctx context.Context, stream domain.StreamID, f domain.DeadLetterFilter) ([]domain.ReasonCount, error)
	// DeadLetter returns one dead letter with its payload. It returns an Invalid error if the stream has none with this id.
	DeadLetter(ctx context.Context, stream domain.StreamID, id int64) (domain.DeadLetter, error)
}

// An Admin makes the changes that a user asks for. Every method returns an error of the kind domain.Invalid if no run has claimed
// the stream yet.
type Admin interface {
	// MoveStream changes the stream's source URL from oldURL to newURL. It returns an Invalid error if the source URL is not oldURL.
	MoveStream(ctx context.Context, stream domain.StreamID, oldURL, newURL string) error
	// ResetCheckpoint makes the next run read the stream from its first page. If it does so already, nothing is changed. It returns a Fenced
	// error if a runner seems to be alive.
	ResetCheckpoint(ctx context.Context, stream domain.StreamID) (domain.CheckpointReset, error)
	// DiscardDeadLetter resolves an open dead letter. It returns an Invalid error if the dead letter is resolved already.
	DiscardDeadLetter(ctx context.Context, stream domain.StreamID, id int64, why string) error
}

// A grammar describes the command line that kong parses. The flags of the settings may come before or after the command's name.
type grammar struct {
	settings.Values `embed:""`

	Demo       demoCommand       `cmd:"" example:"pawl demo" help:"Read a mock API into a private PostgreSQL, to see what pawl does. It needs no settings."`
	Init       initCommand       `cmd:"" example:"pawl init  # asks for your own API" help:"Ask for the API and the database, try both, and write .env."`
	Run        runCommand        `cmd:"" example:"DATABASE_URL=embedded:.pawl/demo API_KEY=demo-key \\\n  pawl run --api-base-url http://127.0.0.1:18080/api/v1" help:"Read the stream into PostgreSQL until it is complete, from where the last run stopped."`
	Status     statusCommand     `cmd:"" example:"pawl status" help:"Print how far each stream is, whether a runner is alive, and what needs attention."`
	Verify     verifyCommand     `cmd:"" example:"pawl verify" help:"Check that the stored data is consistent and, with --against-api, that it equals what the API returns."`
	Dlq        dlqCommand        `cmd:"" help:"List, show, replay or discard dead letters: records that cannot become rows."`
	Drift      driftCommand      `cmd:"" example:"pawl drift" help:"Print the unexpected fields and values in the API's records. None of them is lost."`
	Psql       psqlCommand       `cmd:"" example:"pawl psql -c 'SELECT type, count(*) FROM events GROUP BY type'" passthrough:"" help:"Start psql on the database. The rest of the line is for psql."`
	Config     configCommand     `cmd:"" example:"pawl config" help:"Print every setting and where it comes from."`
	Migrate    migrateCommand    `cmd:"" example:"pawl migrate" help:"Update the database's schema."`
	Move       moveCommand       `cmd:"" example:"API_BASE_URL=http://127.0.0.1:18081/api/v1 DATABASE_URL=embedded:.pawl/demo \\\n  pawl move --from http://127.0.0.1:18080/api/v1\n# and back:\nAPI_BASE_URL=http://127.0.0.1:18080/api/v1 DATABASE_URL=embedded:.pawl/demo \\\n  pawl move --from http://127.0.0.1:18081/api/v1" help:"Set the stream's source URL to API_BASE_URL, after the API has moved."`
	Checkpoint checkpointCommand `cmd:"" help:"Show where a stream continues, or make it start over from its first page."`
	Completion completionCommand `cmd:"" example:"pawl completion bash" help:"Print a script for the shell that completes pawl's commands and flags."`
	Version    versionCommand    `cmd:"" example:"pawl version" help:"Print the version."`
	Help       helpCommand       `cmd:"" example:"pawl help api-key-refused" help:"Explain a command, or the code at the end of a message."`
}

// A session holds what a command needs while it runs.
type session struct {
	Process
	signalState

	env         settings.Environment
	ctx         context.Context  //nolint:containedctx // it lives for one command; kong can pass it only in a bound value
	values      settings.Values  // the settings as text
	origins     settings.Origins // where the values come from
	settings    Settings         // the checked values
	settingsErr error            // the error of checking the values; if it is not nil, only a settingsTolerant command runs
	stopHint    string           // says how to continue after a signal stopped the command; empty for the default sentence
	folderHint  string           // in place of the text of domain.OtherFolder; empty for the default text
	prefix      string           // what a command needs before its name to find the database of this one; usually empty
	log         *slog.Logger
	wiring      Wiring
	unwatched   Process          // has the outputs themselves; psql needs them
	database    Database         // the database that the command has opened
	screen      *terminal.Screen // writes to standard error; psql writes to it directly
}

// A settingsTolerant command runs even if a setting is wrong.
type settingsTolerant interface{ toleratesWrongSettings() }

// Main runs the command of p and returns the exit code. It writes results to p.Stdout, and log lines and errors to p.Stderr.
// After the first signal, or when ctx ends, the command finishes its current step and the code is ExitAgain. After the second
// signal, Main returns at once with 128 + the signal's number, and the process should end. If the command has not begun, Main
// returns at once after the first signal already.
func Main(ctx context.Context, p Process, w Wiring) int {
	env := settings.NewEnvironment(p.Environ)
	s := session{Process: p, ctx: ctx, wiring: w, env: env, unwatched: p}
	s.output = newOutputState()
	s.Stdout, s.Stderr = watchOutput(p.Stdout, &s.output), watchOutput(p.Stderr, &s.output)
	s.screen = terminal.NewScreen(s.Stderr, env.Get("TERM"), env.Get("NO_COLOR"))
	return s.runUntilSignal(func() int { return s.main(settings.NewLoader(env)) })
}

// main parses the command line, runs the command and returns the exit code. Its caller handles the signals.
func (s *session) main(loader *settings.Loader) int {
	command, err := s.parse(loader)
	if err != nil {
		return s.end(err)
	}
	if command == nil { // parse has printed the help
		return ExitDone
	}
	s.settings, s.settingsErr = s.values.Check(s.origins)
	commandStruct := command.Selected().Target.Addr() // for example a *runCommand
	_, isTolerant := reflect.TypeAssert[settingsTolerant](commandStruct)
	if s.settingsErr != nil && !isTolerant {
		return s.end(s.settingsErr)
	}
	s.log = newLogger(s.screen, s.settings)
	warned := make(chan struct{})
	cancelWarning := context.AfterFunc(s.ctx, func() {
		defer close(warned)
		if s.stopsAtOnce.Load() {
			return
		}
		s.log.Warn("stopping: finishing the current step; a second signal ends pawl at once")
	})
	s.busy.Store(true)
	err = command.Run(s)
	if hasStarted := !cancelWarning(); hasStarted {
		<-warned // so that the warning is written before the error
	}
	return s.end(err)
}

// end returns the exit code for err and writes err to standard error. It does not write an exitStatus.
func (s *session) end(err error) int {
	if status, ok := errors.AsType[exitStatus](err); ok {
		return int(status)
	}
	isSilent, err := s.withClosedOutput(err)
	if err != nil && !isSilent {
		err = s.withOrigin(s.withSimilarName(s.withFolderHint(s.explain(err))))
		stopHint := cmp.Or(s.stopHint, "run it again")
		writeError(s.screen, s.settings, err, stopHint)
	}
	return exitCode(err)
}

// withSimilarName returns err. If err is about settings that are not set, and the environment has a variable with nearly the same name, it
// returns err with a hint that names this variable.
func (s *session) withSimilarName(err error) error {
	for _, name := range settings.MissingNames(err) {
		failure := domain.AsError(err)
		if similar := s.env.Similar(name); similar != "" {
			hinted := *failure
			hinted.Hint = similar + " is set; did you mean " + name + "?"
			if failure.Hint != "" {
				hinted.Hint += " else " + failure.Hint
			}
			return &hinted
		}
	}
	return err
}

// withOrigin returns err. If err is about the API's key or the database's URL, it returns err with a hint that says where the value comes
// from.
func (s *session) withOrigin(err error) error {
	var name, what string
	switch code := domain.CodeOf(err); {
	case code == domain.CodeAPIKeyRefused:
		name, what = "API_KEY", "the key"
	case code == domain.CodeDatabaseURLInvalid && s.settings.MigrateURL == "": // otherwise it may be about that URL
		name, what = "DATABASE_URL", "the URL"
	default:
		return err
	}
	origin := s.origins.Describe(name)
	failure := domain.AsError(err)
	if origin == "" || failure == nil {
		return err
	}
	return addHint(failure, what+" is "+origin)
}

// addHint returns a copy of failure with one more hint.
func addHint(failure *domain.Error, hint string) *domain.Error {
	hinted := *failure
	if failure.Hint != "" {
		hint = failure.Hint + "; " + hint
	}
	hinted.Hint = hint
	return &hinted
}

// policy returns the retry policy for a page: how often and how long its request is tried, and how long it may wait.
func (s *session) policy() retry.Policy {
	return retry.Policy{
		Tries: s.settings.Tries, MaxTime: s.settings.MaxPageTime, MaxWait: s.settings.MaxWait, Jitter: s.wiring.Jitter,
		Remedy: domain.RetryLonger,
	}
}

// outage returns the retry policy for the database of a long command: it is tried until it has been away for too long.
func (s *session) outage() retry.Policy {
	// A cursor lives for two minutes, so the run should notice soon that the database is back.
	const longestBackoff = 5 * time.Second
	return retry.Policy{
		MaxTime: s.settings.MaxOutage, Jitter: s.wiring.Jitter, LongestBackoff: longestBackoff,
		IsHopeless: s.database.HasEnded, Remedy: domain.AllowLongerOutage,
	}
}

// try calls work until work succeeds, or until the database was away for some seconds, because a person waits for the result. It logs each
// wait between two calls.
func (s *session) try(work func(context.Context) error) error {
	const patience = 10 * time.Second
	policy := s.outage()
	policy.MaxTime = min(policy.MaxTime, patience)
	policy.Remedy = 0 // a longer outage is not what this command needs
	return policy.Do(s.ctx, (&logObserver{log: s.log}).WaitingToStore, work)
}
