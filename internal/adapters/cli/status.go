package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

type statusCommand struct {
	JSON bool `name:"json" help:"Print one JSON object with the same fields as run --json, for all runs together."`
}

// Run executes `pawl status`. kong calls it.
func (c *statusCommand) Run(s *session) error {
	var report domain.StreamReport
	err := withDatabase(s, s.wiring.Reader, func(ctx context.Context, reader Reader) (err error) {
		report, err = reader.Report(ctx, s.settings.Stream)
		return err
	})
	if err != nil {
		return err
	}
	if err := printSummary(s.Stdout, report.Summary(), "", c.JSON); err != nil {
		return err
	}
	if c.JSON {
		return nil
	}
	_, err = fmt.Fprintf(s.Stdout, "reads from %s; last updated %s\n",
		report.Checkpoint.SourceURL, report.Checkpoint.UpdatedAt.Format(time.RFC3339))
	return outputError(err)
}
