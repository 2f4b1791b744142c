package cli

import (
	"context"
	"fmt"

	"github.com/pawldata/pawl/internal/adapters/cli/progress"
	"github.com/pawldata/pawl/internal/app/retry"
	"github.com/pawldata/pawl/internal/domain"
)

type runCommand struct {
	NewPass        bool `name:"new-pass" help:"If the stream is complete, read it from the head again; what is stored counts as duplicate."`
	AcceptShortEnd bool `name:"accept-short-end" help:"Accept an end below the announced total, if two answers in a row say it."`
	JSON           bool `name:"json" help:"Print the summary as one JSON object."`
}

// Run is called by kong.
func (c *runCommand) Run(s *session) error {
	if err := s.settings.needAPI(); err != nil {
		return err
	}
	_, closeDatabase, err := s.openDatabase()
	if err != nil {
		return err
	}
	defer closeDatabase()
	tracker := progress.NewTracker(c.NewPass)
	observer := observers{newLogObserver(s.log, c.NewPass, s.live()), tracker}
	warn := func(what string, why error) { s.log.Warn(what, "why", why.Error()) }
	asked := RunOptions{NewPass: c.NewPass, AcceptShortEnd: c.AcceptShortEnd, Retry: s.policy(), Warn: warn}
	runner, release, err := s.wiring.Runner(s.ctx, s.settings, asked, observer)
	if err != nil {
		return err
	}
	defer release()
	sum, err := s.ingest(runner, observer, tracker)
	if sum.Pass == 0 {
		return err
	}
	if printErr := c.print(s, sum); err == nil {
		err = printErr
	}
	return err
}

// print writes the summary, and where to look at what this run parked.
func (c *runCommand) print(s *session, sum domain.Summary) error {
	if err := printSummary(s.Stdout, sum, c.JSON); err != nil || c.JSON || sum.Parked == 0 {
		return err
	}
	_, err := fmt.Fprintln(s.Stdout, "What was parked: pawl dlq list --summary")
	return printed(err)
}

// ingest runs the runner and shows how it gets on. What it showed is gone when it returns.
func (s *session) ingest(runner Runner, observer observers, tracker *progress.Tracker) (domain.Summary, error) {
	defer s.show(tracker)()
	if err := s.prepareSchema(observer.Waiting); err != nil {
		return domain.Summary{}, err
	}
	tracker.Claiming()
	return runner.Run(s.ctx)
}

// prepareSchema does what --migrate says.
func (s *session) prepareSchema(notify func(retry.Wait)) error {
	return s.policy().Do(s.ctx, notify, func(ctx context.Context) error {
		switch s.settings.Migrate {
		case MigrateAuto:
			applied, err := s.wiring.Migrate(ctx, s.settings.DatabaseURL)
			for _, name := range applied {
				s.log.Info("migration applied", "name", name)
			}
			return err
		case MigrateCheck:
			return s.wiring.CheckSchema(ctx, s.settings.DatabaseURL)
		}
		return nil
	})
}
