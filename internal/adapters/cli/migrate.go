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
	err = s.try(func(ctx context.Context) (err error) {
		applied, err = s.wiring.Migrate(ctx, db.URL)
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
