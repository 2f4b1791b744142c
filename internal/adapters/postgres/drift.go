package postgres

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/pawldata/pawl/internal/adapters/postgres/internal/dbsqlc"
	"github.com/pawldata/pawl/internal/domain"
)

const (
	// maxRegisterEntries bounds the entries in a stream's drift register, the table drift. One more entry counts all further drift.
	maxRegisterEntries = 10 * domain.MaxDriftEntries
	// maxSampleBytes bounds how many bytes of a value the register shows.
	maxSampleBytes = 200
)

// registerDrift adds the drift of a page to the stream's register. It returns the entries that the register did not have.
func registerDrift(
	ctx context.Context, q *dbsqlc.Queries, stream string, pageID int64, drift []domain.DriftCount,
) ([]domain.DriftEntry, error) {
	if len(drift) == 0 {
		return nil, nil
	}
	withoutEntry, err := countKnownDrift(ctx, q, stream, pageID, drift)
	if err != nil || len(withoutEntry) == 0 {
		return nil, err
	}
	entriesBefore, err := q.DriftSize(ctx, stream)
	if err != nil {
		return nil, err
	}
	var added []domain.DriftEntry
	for _, d := range withoutEntry {
		entry := domain.DriftEntry{
			Path: storableText(d.Path), Kind: d.Kind, Count: d.Count, FirstPageID: pageID, LastPageID: pageID, Sample: sampleOf(d.Value),
		}
		isFull := entriesBefore+int64(len(added)) >= maxRegisterEntries
		if isFull {
			entry.Path, entry.Kind = domain.FurtherDriftPath, domain.FurtherDriftKind
		}
		isNew, err := q.DriftRegister(ctx, dbsqlc.DriftRegisterParams{
			Stream: stream, PageID: pageID, Path: entry.Path, Kind: entry.Kind, Count: entry.Count, Sample: entry.Sample,
		})
		if err != nil {
			return nil, err
		}
		if isNew {
			added = append(added, entry)
		}
	}
	return added, nil
}

// countKnownDrift adds the counts of drift to the entries that the register has already. It returns the drift that has no entry.
func countKnownDrift(
	ctx context.Context, q *dbsqlc.Queries, stream string, pageID int64, drift []domain.DriftCount,
) (withoutEntry []domain.DriftCount, err error) {
	counts := dbsqlc.DriftCountParams{Stream: stream, PageID: pageID}
	for _, d := range drift {
		counts.Paths = append(counts.Paths, storableText(d.Path))
		counts.Kinds = append(counts.Kinds, d.Kind)
		counts.Counts = append(counts.Counts, d.Count)
	}
	known, err := q.DriftCount(ctx, counts)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(drift), func(d domain.DriftCount) bool {
		return slices.Contains(known, dbsqlc.DriftCountRow{Path: storableText(d.Path), Kind: d.Kind})
	}), nil
}

// sampleOf returns the beginning of a JSON value. It escapes everything except printable ASCII.
func sampleOf(value []byte) string {
	cut := value[:min(len(value), maxSampleBytes)]
	quoted := strconv.QuoteToASCII(string(cut))
	escaped := quoted[1 : len(quoted)-1]                               // without the quotation marks
	text := strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(escaped) // QuoteToASCII escapes these two printable characters, too
	if len(cut) < len(value) {
		text += "…"
	}
	return text
}
