package cli

import (
	"context"
	"fmt"
)

type migrateCommand struct{}

// Run is called by kong.
func (c *migrateCommand) Run(s *session) error {
	if err := s.settings.needDatabase(); err != nil {
		return err
	}
	var applied []string
	log := newLogger(s.stderr, s.settings)
	err := s.policy().Do(s.ctx, newLogObserver(log, false).Waiting, func(ctx context.Context) (err error) {
		applied, err = s.wiring.Migrate(ctx, s.settings.DatabaseURL)
		return err
	})
	if err != nil {
		return err
	}
	for _, name := range applied {
		fmt.Fprintln(s.stdout, "applied", name)
	}
	if len(applied) == 0 {
		fmt.Fprintln(s.stdout, "the schema is up to date")
	}
	return nil
}
