package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/pawldata/pawl/mockapi"
)

// The names of the baseline and the limit, which run in this program. Both store rows with COPY. The rows of the limit
// are encoded before the clock starts.
const (
	baselineName = "baseline"
	limitName    = "limit"
)

// A copyTask says what the baseline or the limit copies into PostgreSQL.
type copyTask struct {
	DatabaseURL string
	Events      int
	PageSize    int

	// If OnlyStored is set, only Stored per cent of the events are copied: in each hundred, the first ones. This prepares a database for
	// a run of pawl.
	OnlyStored bool
	Stored     int
}

// A copyResult is what the baseline or the limit reports.
type copyResult struct {
	Elapsed, CPU time.Duration
}

// maxEventsInMemory is how many decoded events the baseline or the limit holds at most, but it holds at least one page.
const maxEventsInMemory = 500_000

var eventColumns = []string{
	"id", "session_id", "user_id", "type", "name", "properties", "occurred_at", "device_type", "browser", "extra", "page_id",
}

// runCopy reads a copyTask as JSON, runs the program with this name, and writes a copyResult as JSON. The result is about copying alone:
// the clock does not run while rows are decoded, and for the limit also encoded.
func runCopy(ctx context.Context, name string, in io.Reader, out io.Writer) error {
	var task copyTask
	if err := json.NewDecoder(in).Decode(&task); err != nil {
		return err
	}
	cfg := mockapi.DefaultConfig()
	cfg.Events = task.Events
	api, err := mockapi.New(cfg)
	if err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, task.DatabaseURL)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // the process ends anyway
	var result copyResult
	step := max(maxEventsInMemory/task.PageSize, 1) * task.PageSize // whole pages
	for first := 0; first < task.Events; first += step {
		pages, err := readPages(api, task, first, min(first+step, task.Events))
		if err != nil {
			return err
		}
		if err := storePages(ctx, conn, name, first/task.PageSize, pages, &result); err != nil {
			return err
		}
	}
	return json.NewEncoder(out).Encode(result)
}

// storePages stores pages of rows, and adds the time to result. before is the number of pages that are stored already.
func storePages(ctx context.Context, conn *pgx.Conn, name string, before int, pages [][][]any, result *copyResult) error {
	store := copyRows
	if name == limitName {
		encoded, err := encodePages(conn.TypeMap(), pages)
		if err != nil {
			return err
		}
		store = func(ctx context.Context, tx pgx.Tx, i int, _ [][]any) error {
			_, err := tx.Conn().PgConn().CopyFrom(ctx, bytes.NewReader(encoded[i]), "COPY events ("+joinColumns()+") FROM STDIN BINARY")
			return err
		}
	}
	runtime.GC() // so that the garbage of decoding is not collected while the clock runs
	start, cpu := time.Now(), ownCPUTime()
	for i, rows := range pages {
		err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			if err := store(ctx, tx, i, rows); err != nil {
				return err
			}
			return moveCheckpoint(ctx, tx, before+i+1)
		})
		if err != nil {
			return err
		}
	}
	result.Elapsed += time.Since(start)
	result.CPU += ownCPUTime() - cpu
	return nil
}

// moveCheckpoint stores the number of pages in a checkpoint, as pawl does.
func moveCheckpoint(ctx context.Context, tx pgx.Tx, seq int) error {
	_, err := tx.Exec(ctx, `INSERT INTO checkpoints (stream, source_url, epoch, seq) VALUES ('bench', 'bench', 1, $1)
		ON CONFLICT (stream) DO UPDATE SET seq = excluded.seq`, seq)
	return err
}

// ownCPUTime returns the CPU time that this process has used so far.
func ownCPUTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return cpuTime(&usage)
}

func copyRows(ctx context.Context, tx pgx.Tx, _ int, rows [][]any) error {
	_, err := tx.CopyFrom(ctx, pgx.Identifier{"events"}, eventColumns, pgx.CopyFromRows(rows))
	return err
}

// readPages returns the rows for the mock API's events with the indexes from first to end-1, page by page.
func readPages(api *mockapi.Server, task copyTask, first, end int) ([][][]any, error) {
	var pages [][][]any
	for ; first < end; first += task.PageSize {
		var rows [][]any
		for i, r := range api.Truth().Rows(first, min(first+task.PageSize, end)) {
			isStored := i%100 < task.Stored
			if task.OnlyStored && !isStored {
				continue
			}
			row, err := toRow(r, int64(first/task.PageSize+1))
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
