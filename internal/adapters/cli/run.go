package cli

import (
	"context"
	"fmt"

	"github.com/pawldata/pawl/internal/adapters/cli/progress"
	"github.com/pawldata/pawl/internal/adapters/cli/settings"
	"github.com/pawldata/pawl/internal/adapters/cli/terminal"
	"github.com/pawldata/pawl/internal/app/retry"
	"github.com/pawldata/pawl/internal/domain"
)

type runCommand struct {
	NewPass        bool `name:"new-pass" help:"Read a complete stream from the head again. Stored events count as duplicates."`
	AcceptShortEnd bool `name:"accept-short-end" help:"Accept an end below the announced total, if two answers in a row report it."`
	JSON           bool `name:"json" help:"Print the summary as one JSON object."`
}

// RunOptions are the options of one run beyond the settings.
type RunOptions struct {
	NewPass        bool
	AcceptShortEnd bool
	Retry          retry.Policy
	Warn           func(problem string, cause error) // reports what does not stop the run; from any goroutine
}

// A Runner reads the stream into the database, as ingest.Runner does.
type Runner interface {
	Run(ctx context.Context) (domain.Summary, error)
}

// Run is called by kong.
func (c *runCommand) Run(s *session) error {
	if err := s.settings.RequireAPI(); err != nil {
		return err
	}
	db, closeDatabase, err := s.openDatabase()
	if err != nil {
		return err
	}
	defer closeDatabase()
	tracker := progress.NewTracker(c.NewPass)
	observer := observers{newLogObserver(s.log, c.NewPass, s.showsLiveLine()), tracker}
	warn := func(problem string, cause error) { s.log.Warn(problem, "why", cause.Error()) }
	options := RunOptions{NewPass: c.NewPass, AcceptShortEnd: c.AcceptShortEnd, Retry: s.policy(), Warn: warn}
	runner, release, err := s.wiring.Runner(s.ctx, s.settingsFor(db), options, observer)
	if err != nil {
		return err
	}
	defer release()
	sum, err := s.ingest(db, runner, observer, tracker)
	if sum.Pass == 0 { // the runner never claimed the stream
		return err
	}
	if printErr := c.print(s, sum); err == nil {
		err = printErr
	}
	return err
}

// ingest prepares the schema of db and runs the runner. It shows the progress until it returns.
func (s *session) ingest(db Database, runner Runner, observer observers, tracker *progress.Tracker) (domain.Summary, error) {
	defer s.showProgress(tracker)()
	if err := s.prepareSchema(db.URL, observer.Waiting); err != nil {
		return domain.Summary{}, err
	}
	tracker.Claiming()
	return runner.Run(s.ctx)
}

// prepareSchema updates or checks the schema, as the setting says.
func (s *session) prepareSchema(databaseURL string, notify func(retry.Wait)) error {
	return s.policy().Do(s.ctx, notify, func(ctx context.Context) error {
		switch s.settings.Migrate {
		case settings.MigrateAuto:
			applied, err := s.wiring.Migrate(ctx, databaseURL)
			for _, name := range applied {
				s.log.Info("migration applied", "name", name)
			}
			return err
		case settings.MigrateCheck:
			return s.wiring.CheckSchema(ctx, databaseURL)
		}
		return nil
	})
}

// print writes the summary, and how to see the dead letters of this run.
func (c *runCommand) print(s *session, sum domain.Summary) error {
	if err := printSummary(s.Stdout, sum, c.JSON); err != nil || c.JSON || sum.Parked == 0 {
		return err
	}
	_, err := fmt.Fprintln(s.Stdout, "What was parked: pawl dlq list --summary")
	return printError(err)
}

// showProgress starts to show the run that the tracker follows. The caller must call stop before it writes anything else for
// the user.
func (s *session) showProgress(tracker *progress.Tracker) (stop func()) {
	switch {
	case s.showsLiveLine():
		return tracker.Show(s.screen)
	case s.settings.Progress == settings.ProgressNever:
		return func() {}
	}
	return tracker.Report(s.log)
}

// showsLiveLine reports whether the user wants a live line and the output can show it.
func (s *session) showsLiveLine() bool {
	return s.settings.Progress == settings.ProgressAlways ||
		s.settings.Progress == settings.ProgressAuto && s.screen.Kind() == terminal.Interactive
}
