package postgres

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pawldata/pawl/internal/adapters/postgres/internal/dbsqlc"
	"github.com/pawldata/pawl/internal/domain"
)

const (
	// mostDriftEntries is how many paths and kinds a stream's register tells apart.
	mostDriftEntries = 10 * domain.MaxDriftEntries
	sampleBytes      = 200
)

// registerDrift counts what a page showed in the stream's register, and gives the entries that are new there.
func registerDrift(
	ctx context.Context, q *dbsqlc.Queries, stream string, pageID int64, drift []domain.DriftCount,
) ([]domain.DriftEntry, error) {
	if len(drift) == 0 {
		return nil, nil
	}
	unknown, err := countKnown(ctx, q, stream, pageID, drift)
	if err != nil || len(unknown) == 0 {
		return nil, err
	}
	entries, err := q.DriftSize(ctx, stream)
	if err != nil {
		return nil, err
	}
	var fresh []domain.DriftEntry
	for _, d := range unknown {
		entry := domain.DriftEntry{
			Path: storable(d.Path), Kind: d.Kind, Count: d.Count, FirstPageID: pageID, LastPageID: pageID, Sample: sample(d.Value),
		}
		if entries+int64(len(fresh)) >= mostDriftEntries { // no room: counted together
			entry.Path, entry.Kind = domain.FurtherDriftPath, domain.FurtherDriftKind
		}
		added, err := q.DriftRegister(ctx, dbsqlc.DriftRegisterParams{
			Stream: stream, PageID: pageID, Path: entry.Path, Kind: entry.Kind, Count: entry.Count, Sample: entry.Sample,
		})
		if err != nil {
			return nil, err
		}
		if added {
			fresh = append(fresh, entry)
		}
	}
	return fresh, nil
}

// countKnown counts what the register has, and gives the rest.
func countKnown(
	ctx context.Context, q *dbsqlc.Queries, stream string, pageID int64, drift []domain.DriftCount,
) ([]domain.DriftCount, error) {
	counts := dbsqlc.DriftCountParams{Stream: stream, PageID: pageID}
	for _, d := range drift {
		counts.Paths = append(counts.Paths, storable(d.Path))
		counts.Kinds = append(counts.Kinds, d.Kind)
		counts.Counts = append(counts.Counts, d.Count)
	}
	known, err := q.DriftCount(ctx, counts)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(drift), func(d domain.DriftCount) bool {
		return slices.Contains(known, dbsqlc.DriftCountRow{Path: storable(d.Path), Kind: d.Kind})
	}), nil
}

// sample is the beginning of a value, which is JSON, in printable ASCII.
func sample(value []byte) string {
	cut := value[:min(len(value), sampleBytes)]
	quoted := strconv.QuoteToASCII(string(cut))
	text := strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(quoted[1 : len(quoted)-1])
	if len(cut) < len(value) {
		text += "…"
	}
	return text
}

// A DriftRegister is what streams showed that nobody expected. It needs SELECT only.
type DriftRegister struct{ pool *pgxpool.Pool }

// NewDriftRegister returns it on the pool.
func NewDriftRegister(pool *pgxpool.Pool) *DriftRegister { return &DriftRegister{pool} }

// Entries is the stream's register, in the order of appearance. A stream that was never claimed is Invalid; the error
// names those there are.
func (d *DriftRegister) Entries(ctx context.Context, stream domain.StreamID) ([]domain.DriftEntry, error) {
	const op = "read the register of drift"
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	q := dbsqlc.New(d.pool)
	if err := known(ctx, q, op, stream); err != nil {
		return nil, err
	}
	rows, err := q.DriftList(ctx, stream.String())
	entries := make([]domain.DriftEntry, len(rows))
	for i, row := range rows {
		entries[i] = domain.DriftEntry{
			Path: row.Path, Kind: row.Kind, Count: row.Count, FirstPageID: row.FirstPageID, LastPageID: row.LastPageID, Sample: row.Sample,
		}
	}
	return entries, classify(op, err)
}
