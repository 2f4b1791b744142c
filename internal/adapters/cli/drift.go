package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/dustin/go-humanize"

	"github.com/pawldata/pawl/internal/domain"
)

type driftCommand struct {
	JSON bool `name:"json" help:"Print one JSON object."`
}

// Run executes `pawl drift`. kong calls it.
func (c *driftCommand) Run(s *session) error {
	var entries []domain.DriftEntry
	err := withDatabase(s, s.openReader, func(ctx context.Context, reader Reader) (err error) {
		entries, err = reader.Drift(ctx, s.settings.Stream)
		return err
	})
	if err != nil {
		return err
	}
	write := writeDrift
	if c.JSON {
		write = writeDriftJSON
	}
	return outputError(write(s.Stdout, s.settings.Stream, entries))
}

func writeDrift(w io.Writer, stream domain.StreamID, entries []domain.DriftEntry) error {
	if len(entries) == 0 {
		_, err := fmt.Fprintf(w, "stream %s: no drift; every stored record was as expected\n", stream)
		return err
	}
	rows := table{{"path", "kind", "count", "first page", "last page", "sample"}}
	for _, e := range entries {
		rows = append(rows, []string{
			escapeExceptEllipsis(e.Path), escapeExceptEllipsis(e.Kind), humanize.Comma(e.Count),
			formatID(e.FirstPageID), formatID(e.LastPageID), escapeExceptEllipsis(e.Sample),
		})
	}
	return rows.write(w)
}

// driftJSON is what `pawl drift --json` prints.
type driftJSON struct {
	Stream  string           `json:"stream"`  // the stream's name
	Entries []driftEntryJSON `json:"entries"` // an entry for each path and kind
}

type driftEntryJSON struct {
	Path        string `json:"path"`          // the field in the record, with dots between the names
	Kind        string `json:"kind"`          // what was unexpected about the field
	Count       int64  `json:"count"`         // the number of records that had it, including duplicates
	FirstPageID int64  `json:"first_page_id"` // the id in the ledger of the first page that had it
	LastPageID  int64  `json:"last_page_id"`  // the id in the ledger of the last page that had it
	Sample      string `json:"sample"`        // the beginning of the first unexpected value
}

func writeDriftJSON(w io.Writer, stream domain.StreamID, entries []domain.DriftEntry) error {
	out := driftJSON{Stream: stream.String(), Entries: []driftEntryJSON{}}
	for _, e := range entries {
		out.Entries = append(out.Entries, driftEntryJSON(e))
	}
	return writeASCIIJSON(w, out)
}
