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

// A DriftReader reads what a stream showed that nobody expected.
type DriftReader interface {
	Entries(ctx context.Context, stream domain.StreamID) ([]domain.DriftEntry, error)
}

// Run is called by kong.
func (c *driftCommand) Run(s *session) error {
	_, closeDatabase, err := s.openDatabase()
	if err != nil {
		return err
	}
	defer closeDatabase()
	reader, release, err := s.wiring.Drift(s.ctx, s.settings)
	if err != nil {
		return err
	}
	defer release()
	var entries []domain.DriftEntry
	err = s.try(func(ctx context.Context) (err error) {
		entries, err = reader.Entries(ctx, s.settings.Stream)
		return err
	})
	if err != nil {
		return err
	}
	write := writeDrift
	if c.JSON {
		write = writeDriftJSON
	}
	return printed(write(s.Stdout, s.settings.Stream, entries))
}

func writeDrift(w io.Writer, stream domain.StreamID, entries []domain.DriftEntry) error {
	if len(entries) == 0 {
		_, err := fmt.Fprintf(w, "stream %s: no drift; every record that was stored looked as expected\n", stream)
		return err
	}
	rows := table{{"path", "kind", "count", "first page", "last page", "sample"}}
	for _, e := range entries {
		rows = append(rows, []string{
			words(e.Path), words(e.Kind), humanize.Comma(e.Count), decimal(e.FirstPageID), decimal(e.LastPageID), words(e.Sample),
		})
	}
	return rows.write(w)
}

type driftJSON struct {
	Stream  string           `json:"stream"`
	Entries []driftEntryJSON `json:"entries"`
}

type driftEntryJSON struct {
	Path        string `json:"path"`
	Kind        string `json:"kind"`
	Count       int64  `json:"count"`
	FirstPageID int64  `json:"first_page_id"`
	LastPageID  int64  `json:"last_page_id"`
	Sample      string `json:"sample"`
}

func writeDriftJSON(w io.Writer, stream domain.StreamID, entries []domain.DriftEntry) error {
	out := driftJSON{Stream: stream.String(), Entries: []driftEntryJSON{}}
	for _, e := range entries {
		out.Entries = append(out.Entries, driftEntryJSON(e))
	}
	return writeASCIIJSON(w, out)
}
