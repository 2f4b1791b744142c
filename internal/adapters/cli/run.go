package cli

import (
	"context"
)

type runCommand struct {
	NewPass bool `name:"new-pass" help:"If the stream is complete, read it from the head again; what is stored counts as duplicate."`
	JSON    bool `name:"json" help:"Print the summary as one JSON object."`
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
	observer := newLogObserver(s.log, c.NewPass)
	warn := func(what string, why error) { s.log.Warn(what, "why", why.Error()) }
	asked := RunOptions{NewPass: c.NewPass, Retry: s.policy(), Warn: warn}
	runner, release, err := s.wiring.Runner(s.ctx, s.settings, asked, observer)
	if err != nil {
		return err
	}
	defer release()
	if err := s.prepareSchema(); err != nil {
		return err
	}
	sum, err := runner.Run(s.ctx)
	if sum.Pass == 0 {
		return err
	}
	if printErr := printSummary(s.Stdout, sum, c.JSON); err == nil {
		err = printErr
	}
	return err
}

// prepareSchema does what --migrate says.
func (s *session) prepareSchema() error {
	return s.try(func(ctx context.Context) error {
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
