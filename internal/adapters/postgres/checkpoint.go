package postgres

import (
	"slices"
	"time"

	"github.com/pawldata/pawl/internal/adapters/postgres/internal/dbsqlc"
	"github.com/pawldata/pawl/internal/domain"
)

func toCheckpoint(stream domain.StreamID, row dbsqlc.Checkpoint) domain.Checkpoint {
	return domain.Checkpoint{
		Stream:    stream,
		SourceURL: row.SourceUrl,
		Token:     row.Token,
		Epoch:     row.Epoch,
		Seq:       row.Seq,
		Position: domain.Position{
			Pass:            row.Pass,
			Offset:          row.Position,
			MaxOffset:       row.Furthest,
			Cursor:          domain.Cursor(row.Cursor),
			CursorExpiresAt: orZero(row.CursorExpiresAt),
			Done:            row.Done,
			AnnouncedFirst:  toTotal(row.AnnouncedFirst),
			AnnouncedLast:   toTotal(row.AnnouncedLast),
		},
		Counts: domain.Counts{
			Received: row.Received, Inserted: row.Inserted, Duplicate: row.Duplicate, Parked: row.Parked,
		},
		LastEventAt: orZero(row.LastEventAt),
		UpdatedAt:   row.UpdatedAt,
	}
}

// advanceTo returns the checkpoint's move for the whole batch: from where it was read to the place behind the last page.
func advanceTo(b domain.Batch) dbsqlc.CheckpointAdvanceParams {
	to := b.LastPage().To
	passes, hashes := make([]int64, len(b.Pages)), make([][]byte, len(b.Pages))
	for i, page := range b.Pages {
		passes[i], hashes[i] = page.To.Pass, page.IDsHash()
	}
	return dbsqlc.CheckpointAdvanceParams{
		Stream:          b.At.Stream.String(),
		Token:           b.At.Token,
		Epoch:           b.At.Epoch,
		FromSeq:         b.At.Seq,
		FromPass:        b.At.Pass,
		FromPosition:    b.At.Offset,
		FromCursor:      string(b.At.Cursor),
		Passes:          passes,
		IdsHashes:       hashes,
		Target:          b.TargetSeq(),
		Pass:            to.Pass,
		Position:        to.Offset,
		Furthest:        to.MaxOffset,
		Cursor:          string(to.Cursor),
		CursorExpiresAt: nullTime(to.CursorExpiresAt),
		Done:            to.Done,
		AnnouncedFirst:  nullTotal(to.AnnouncedFirst),
		AnnouncedLast:   nullTotal(to.AnnouncedLast),
		LastEventAt:     nullTime(lastEventAt(b)),
	}
}

func lastEventAt(b domain.Batch) time.Time {
	for _, page := range slices.Backward(b.Pages) {
		if events := page.Events; len(events) > 0 {
			return events[len(events)-1].OccurredAt
		}
	}
	return time.Time{}
}

func nullTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func toTotal(n *int64) domain.Total {
	if n == nil {
		return domain.Total{}
	}
	return domain.Total{N: *n, Known: true}
}

func nullTotal(t domain.Total) *int64 {
	if !t.Known {
		return nil
	}
	return &t.N
}
