package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/pawldata/pawl/mockapi"
)

// The names of the baseline and the limit, which run in this program.
const (
	baselineName = "baseline"
	limitName    = "limit"
)

// A copyTask says what the baseline or the limit copies.
type copyTask struct {
	DatabaseURL string
	Events      int
	PageSize    int
	Stored      int  // per cent of the events: every event whose index modulo 100 is smaller
	OnlyStored  bool // copy just these, to prepare a database
}

// A copyResult is what the baseline or the limit reports.
type copyResult struct {
	Elapsed time.Duration
}

var eventColumns = []string{ //nolint:gochecknoglobals // a constant that Go cannot have
	"id", "session_id", "user_id", "type", "name", "properties", "occurred_at", "device_type", "browser", "extra", "page_id",
}

// runCopy reads a copyTask as JSON and writes a copyResult as JSON. The time is that of copying alone: rows are decoded, and
// for the limit also encoded, before the clock starts.
func runCopy(ctx context.Context, name string, in io.Reader, out io.Writer) error {
	var task copyTask
	if err := json.NewDecoder(in).Decode(&task); err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, task.DatabaseURL)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // the process ends anyway
	pages, err := readPages(task)
	if err != nil {
		return err
	}
	store := copyRows
	var encoded [][]byte
	if name == limitName {
		if encoded, err = encodePages(conn.TypeMap(), pages); err != nil {
			return err
		}
		store = func(ctx context.Context, tx pgx.Tx, i int, _ [][]any) error {
			_, err := tx.Conn().PgConn().CopyFrom(ctx, bytes.NewReader(encoded[i]), "COPY events ("+joinColumns()+") FROM STDIN BINARY")
			return err
		}
	}
	start := time.Now()
	for i, rows := range pages {
		if err := storePage(ctx, conn, i, rows, store); err != nil {
			return err
		}
	}
	return json.NewEncoder(out).Encode(copyResult{time.Since(start)})
}

// storePage stores one page and moves a checkpoint, in one transaction.
func storePage(
	ctx context.Context, conn *pgx.Conn, i int, rows [][]any, store func(context.Context, pgx.Tx, int, [][]any) error,
) error {
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if err := store(ctx, tx, i, rows); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `INSERT INTO checkpoints (stream, source_url, epoch, seq) VALUES ('bench', 'bench', 1, $1)
			ON CONFLICT (stream) DO UPDATE SET seq = excluded.seq`, i+1)
		return err
	})
}

func copyRows(ctx context.Context, tx pgx.Tx, _ int, rows [][]any) error {
	_, err := tx.CopyFrom(ctx, pgx.Identifier{"events"}, eventColumns, pgx.CopyFromRows(rows))
	return err
}

// readPages returns the rows that the mock API's events are to become, page by page.
func readPages(task copyTask) ([][][]any, error) {
	cfg := mockapi.DefaultConfig()
	cfg.Events = task.Events
	api, err := mockapi.New(cfg)
	if err != nil {
		return nil, err
	}
	var pages [][][]any
	for first := 0; first < task.Events; first += task.PageSize {
		var rows [][]any
		for i, r := range api.Truth().Rows(first, first+task.PageSize) {
			if task.OnlyStored && i%100 >= task.Stored {
				continue
			}
			row, err := toRow(r, int64(len(pages)+1))
			if err != nil {
				return nil, err
			}
			rows = append(rows, row)
		}
		pages = append(pages, rows)
	}
	return pages, nil
}

// toRow returns the values of one row in the order of eventColumns.
func toRow(r mockapi.Row, pageID int64) ([]any, error) {
	ids := make([]pgtype.UUID, 3)
	for i, text := range []string{r.ID, r.SessionID, r.UserID} {
		if err := ids[i].Scan(text); err != nil {
			return nil, fmt.Errorf("event %d: %w", r.Index, err)
		}
	}
	return []any{
		ids[0], ids[1], ids[2], r.Type, r.Name, []byte(r.Properties), r.OccurredAt, r.DeviceType, r.Browser, nil, pageID,
	}, nil
}
