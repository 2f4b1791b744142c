package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

type statusCommand struct {
	JSON bool `name:"json" help:"Print the same fields as run --json, for all runs together."`
}

// Run is called by kong.
func (c *statusCommand) Run(s *session) error {
	_, closeDatabase, err := s.openDatabase()
	if err != nil {
		return err
	}
	defer closeDatabase()
	reader, release, err := s.wiring.Status(s.ctx, s.settings)
	if err != nil {
		return err
	}
	defer release()
	var report domain.StreamReport
	err = s.try(func(ctx context.Context) (err error) {
		report, err = reader.Report(ctx, s.settings.Stream)
		return err
	})
	if err != nil {
		return err
	}
	if err := printSummary(s.Stdout, report.Summary(), c.JSON); err != nil || c.JSON {
		return err
	}
	_, err = fmt.Fprintf(s.Stdout, "reads from %s; last moved %s\n",
		report.Checkpoint.SourceURL, report.Checkpoint.UpdatedAt.Format(time.RFC3339))
	return printed(err)
}
