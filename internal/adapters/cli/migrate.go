package cli

import (
	"context"
	"fmt"
	"strings"
)

type migrateCommand struct{}

// Run is called by kong.
func (c *migrateCommand) Run(s *session) error {
	if err := s.settings.needDatabase(); err != nil {
		return err
	}
	var applied []string
	err := s.try(func(ctx context.Context) (err error) {
		applied, err = s.wiring.Migrate(ctx, s.settings.DatabaseURL)
		return err
	})
	if err != nil {
		return err
	}
	text := "the schema is up to date"
	if len(applied) > 0 {
		text = "applied " + strings.Join(applied, "\napplied ")
	}
	_, err = fmt.Fprintln(s.stdout, text)
	return printed(err)
}
