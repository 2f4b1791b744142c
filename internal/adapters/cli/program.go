// Package cli is pawl's command line: it reads settings, runs a command and turns its error into a sentence and an exit
// code. It knows the use cases, not the adapters; those come in through Wiring.
package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"reflect"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/pawldata/pawl/internal/adapters/cli/terminal"
	"github.com/pawldata/pawl/internal/app/ingest"
	"github.com/pawldata/pawl/internal/app/retry"
	"github.com/pawldata/pawl/internal/domain"
)

// Wiring makes what the commands work with. Each function is called at most once a command, and does no I/O unless it
// says so; the returned func() releases what was made and is nil with an error.
type Wiring struct {
	Runner func(context.Context, Settings, RunOptions, ingest.Observer) (*ingest.Runner, func(), error)
	Status func(context.Context, Settings) (StatusReader, func(), error)

	// Migrate brings the database's schema up to date and names the migrations applied; CheckSchema only looks.
	Migrate     func(ctx context.Context, databaseURL string) ([]string, error)
	CheckSchema func(ctx context.Context, databaseURL string) error

	Jitter  func() float64 // uniform in [0, 1), for backoffs
	Version string
}

// RunOptions are what one run is asked for beyond the settings.
type RunOptions struct {
	NewPass bool
	Retry   retry.Policy
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
	Migrate migrateCommand `cmd:"" help:"Bring the database's schema up to date."`
	Version versionCommand `cmd:"" help:"Print the version."`
}

// A session is what a command runs in.
type session struct {
	ctx      context.Context //nolint:containedctx // lives for one command; kong passes bound values, not arguments
	settings Settings
	log      *slog.Logger
	wiring   Wiring
	stdout   io.Writer
	screen   *terminal.Screen // standard error
}

// Main runs the command in args (without the program's name) in the given environment and returns the exit code. It
// writes results to stdout, and log lines and errors to stderr. When ctx ends, the command finishes what it has in hand
// and returns ExitAgain.
func Main(ctx context.Context, args, environ []string, stdout, stderr io.Writer, w Wiring) int {
	var g grammar
	env, origin := newEnvironment(environ), map[string]string{}
	screen := terminal.NewScreen(stderr, env["TERM"], env["NO_COLOR"])
	stderr = screen // one writer, so that a live line and other lines do not mix
	s := session{ctx: ctx, wiring: w, stdout: stdout, screen: screen}

	var envErr error
	prepare := func(c *kong.Context) {
		if envErr = env.addFile(envFile(c)); envErr == nil {
			envErr = env.checkNames()
		}
	}
	exited := false
	parser, err := kong.New(&g,
		kong.Name("pawl"), kong.Description(description()),
		kong.Writers(stdout, stderr), kong.Exit(func(int) { exited = true }),
		kong.Resolvers(env.resolver(origin, prepare)), kong.ValueFormatter(explain),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}),
	)
	if err != nil {
		sayError(stderr, s.settings, err)
		return ExitBug
	}
	command, err := parser.Parse(args)
	if exited { // --help
		return ExitDone
	}
	if envErr != nil {
		sayError(stderr, s.settings, envErr)
		return exitCode(envErr)
	}
	if err != nil {
		sayError(stderr, s.settings, &domain.Error{
			Kind: domain.Invalid, Op: "command line", Err: err, Hint: "see `pawl --help`",
		})
		return ExitSettings
	}
	env.fillSecrets(&g.knobs)
	if s.settings, err = g.settings(origin); err == nil {
		s.log = newLogger(screen, s.settings)
		defer context.AfterFunc(ctx, func() {
			s.log.Warn("told to stop: finishing the page in hand; once more to leave at once")
		})()
		err = command.Run(&s)
	}
	if err != nil {
		sayError(stderr, s.settings, err)
	}
	return exitCode(err)
}

// policy is what one piece of work may cost.
func (s *session) policy() retry.Policy {
	return retry.Policy{Tries: s.settings.Tries, MaxWait: s.settings.MaxWait, Jitter: s.wiring.Jitter}
}

// try does what may fail for a while, as often as the policy allows, and logs what it waits for.
func (s *session) try(work func(context.Context) error) error {
	return s.policy().Do(s.ctx, newLogObserver(s.log, false, false).Waiting, work)
}

// explain is a flag's line of help with its environment name and default.
func explain(value *kong.Value) string {
	help, env := value.Help, value.Tag.Get("setting")
	if value.HasDefault {
		help += fmt.Sprintf(" Default %s.", value.Default)
	}
	if env != "" {
		help += fmt.Sprintf(" (%s)", env)
	}
	return help
}

func description() string {
	var b strings.Builder
	b.WriteString("Takes events from a cursor-paginated, rate-limited HTTP API into PostgreSQL, each exactly once.\n\n")
	b.WriteString("Settings come from flags, then the environment. Secrets have no flag:\n\n")
	for field := range reflect.TypeFor[knobs]().Fields() {
		if tag := field.Tag; tag.Get("kong") == "-" {
			fmt.Fprintf(&b, "  %-24s %s\n", strings.ReplaceAll(tag.Get("setting"), ",", ", "), tag.Get("help"))
		}
	}
	b.WriteString("\nExit codes: 0 done, 1 report a bug, 2 fix the settings, 3 run again later, 4 look at the data, 5 another runner has the stream.")
	return b.String()
}
