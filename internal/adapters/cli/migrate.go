package cli

import (
	"context"
	"fmt"
	"strings"
)

type migrateCommand struct{}

// Run executes `pawl migrate`. kong calls it.
func (c *migrateCommand) Run(s *session) error {
	db, closeDatabase, err := s.openDatabase(mayCreate)
	if err != nil {
		return err
	}
	defer closeDatabase()
	var applied []string
	err = s.outage().Do(s.ctx, (&logObserver{log: s.log}).WaitingToStore, func(ctx context.Context) (err error) {
		applied, err = s.updateSchema(ctx, db.URL)
		return err
	})
	if err != nil {
		return err
	}
	text := "the schema is up to date"
	if len(applied) > 0 {
		text = "applied " + strings.Join(applied, "\napplied ")
	}
	_, err = fmt.Fprintln(s.Stdout, text)
	return outputError(err)
}

// updateSchema applies the migrations that the database needs and returns their names. If a URL is set for migrations, it uses that one, and
// then checks that the URL of the database leads to the same schema.
func (s *session) updateSchema(ctx context.Context, databaseURL string) ([]string, error) {
	if s.settings.MigrateURL == "" {
		return s.wiring.Migrate(ctx, databaseURL)
	}
	applied, err := s.wiring.Migrate(ctx, s.settings.MigrateURL)
	if err != nil {
		return applied, err
	}
	return applied, s.wiring.CheckSchema(ctx, databaseURL)
}
