package postgres

import (
	"context"
	"slices"

	"github.com/pawldata/pawl/internal/adapters/postgres/internal/conn"
	"github.com/pawldata/pawl/internal/adapters/postgres/internal/dbsqlc"
	"github.com/pawldata/pawl/internal/domain"
)

// pageIDsAfter returns ids for new ledger rows. All of them must be greater than last, the greatest id in the ledger, because a
// program that reads new rows by page_id would miss smaller ids. pageIDsAfter returns the reserved ids, or new ones if these are
// too small.
//
// The reserved ids are too small if PostgreSQL has set the sequence back. For example, a crash soon after CREATE DATABASE …
// TEMPLATE, which is one way to restore a backup, sets it back by up to 32.
func pageIDsAfter(ctx context.Context, q *dbsqlc.Queries, last int64, reserved []int64) ([]int64, error) {
	if reserved[0] > last {
		return reserved, nil
	}
	count := len(reserved)
	maxTooSmall := last - reserved[0] // new ids are greater than reserved[0]
	ids, err := q.PageReserveMany(ctx, maxTooSmall+int64(count))
	if err != nil {
		return nil, err
	}
	slices.Sort(ids)
	return ids[len(ids)-count:], nil
}

// ledgerQueries returns the queries that insert the ledger rows of the batch's pages.
func ledgerQueries(ctx context.Context, b domain.Batch, pageIDs []int64, idsHashes [][]byte, counts []domain.Counts) []conn.Query {
	var queries []conn.Query
	for i := range b.Pages {
		row := pageRow(b, i, pageIDs[i], idsHashes[i], counts[i])
		queries = append(queries, func(q *dbsqlc.Queries) error { return q.PageInsert(ctx, row) })
	}
	return queries
}

// These are the kinds of ledger rows: a page that was read from the API, a replay of dead letters, or a reset of the checkpoint.
const (
	kindPage   = "page"
	kindReplay = "replay"
	kindReset  = "reset"
)

// pageRow returns the ledger row of the batch's page at this index.
func pageRow(b domain.Batch, index int, pageID int64, idsHash []byte, counts domain.Counts) dbsqlc.PageInsertParams {
	page := b.Pages[index]
	seq := b.Start.Seq + int64(index) + 1
	parentSeq := seq - 1
	switch {
	case page.From.Cursor == "": // the first page of a pass has no parent
		parentSeq = 0
	case page.From.ParentSeq > 0: // the pass has stepped back
		parentSeq = page.From.ParentSeq
	}
	return dbsqlc.PageInsertParams{
		ID:          pageID,
		Kind:        kindPage,
		Stream:      b.Start.Stream.String(),
		Pass:        page.To.Pass,
		Seq:         seq,
		ParentSeq:   parentSeq,
		CursorIn:    string(page.From.Cursor),
		CursorOut:   string(page.To.Cursor),
		Position:    page.To.Offset,
		Received:    counts.Received,
		Inserted:    counts.Inserted,
		Duplicate:   counts.Duplicate,
		Parked:      counts.Parked,
		BodyBytes:   page.Receipt.Bytes,
		RequestID:   page.Receipt.RequestID,
		Requests:    int64(page.Receipt.Requests),
		Retries:     int64(page.Receipt.Retries),
		RateLimited: int64(page.Receipt.RateLimited),
		WaitedMs:    page.Receipt.Waited.Milliseconds(),
		FetchedAt:   page.Receipt.FetchedAt,
		TraceID:     page.Receipt.TraceID,
		IdsHash:     idsHash,
		EndAccepted: page.End.AcceptedShort(page.To),
	}
}
