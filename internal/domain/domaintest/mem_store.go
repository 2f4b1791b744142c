package domaintest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

// A MemDatabase holds in memory what a database would hold, for any number of runners.
type MemDatabase struct {
	mu          sync.Mutex
	events      map[domain.EventID]domain.Event
	checkpoints map[domain.StreamID]domain.Checkpoint
	holders     map[domain.StreamID]*MemStore
	ledger      []LedgerRow
}

// A LedgerRow is what a store records of one committed page.
type LedgerRow struct {
	Stream              string
	Pass, Seq, Position int64
	CursorIn, CursorOut domain.Cursor
	Tally               domain.Tally
	TraceID             string
}

// NewMemDatabase returns an empty one.
func NewMemDatabase() *MemDatabase {
	return &MemDatabase{
		events:      map[domain.EventID]domain.Event{},
		checkpoints: map[domain.StreamID]domain.Checkpoint{},
		holders:     map[domain.StreamID]*MemStore{},
	}
}

// Events returns a copy of what is stored.
func (d *MemDatabase) Events() map[domain.EventID]domain.Event {
	d.mu.Lock()
	defer d.mu.Unlock()
	events := make(map[domain.EventID]domain.Event, len(d.events))
	for id, e := range d.events {
		events[id] = ownCopy(e)
	}
	return events
}

// Ledger returns a copy of the ledger in the order of commits.
func (d *MemDatabase) Ledger() []LedgerRow {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.ledger)
}

// Store returns the store of one runner.
func (d *MemDatabase) Store() *MemStore { return &MemStore{db: d} }

// Sever takes the early lock from a runner that does not notice, as when its connections are cut.
func (d *MemDatabase) Sever(s *MemStore) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for stream, holder := range d.holders {
		if holder == s {
			delete(d.holders, stream)
		}
	}
}

// A MemStore is the domain.EventStore of one runner on a MemDatabase.
type MemStore struct{ db *MemDatabase }

// Claim implements domain.EventStore.
func (s *MemStore) Claim(ctx context.Context, stream domain.StreamID, origin string) (domain.Checkpoint, error) {
	if ctx.Err() != nil {
		return domain.Checkpoint{}, failure(domain.Stopped, "claim", "the caller has stopped")
	}
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	if holder := s.db.holders[stream]; holder != nil && holder != s {
		return domain.Checkpoint{}, failure(domain.Fenced, "claim", "another runner holds the stream")
	}
	at, ok := s.db.checkpoints[stream]
	if !ok {
		at = domain.Checkpoint{Stream: stream, Origin: origin, Place: domain.Place{Pass: 1}}
	}
	if at.Origin != origin && at.Seq > 0 {
		return domain.Checkpoint{}, failure(domain.Invalid, "claim", "the stream reads from "+at.Origin)
	}
	at.Epoch, at.Origin = at.Epoch+1, origin
	s.db.holders[stream] = s
	s.db.checkpoints[stream] = at
	return at, nil
}

// Close gives up what the runner holds.
func (s *MemStore) Close() { s.db.Sever(s) }

// Checkpoint implements domain.EventStore.
func (s *MemStore) Checkpoint(_ context.Context, stream domain.StreamID) (domain.Checkpoint, error) {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	return s.db.checkpoints[stream], nil
}

// Commit implements domain.EventStore.
func (s *MemStore) Commit(ctx context.Context, b domain.Batch) (domain.CommitResult, error) {
	if ctx.Err() != nil {
		return domain.CommitResult{}, failure(domain.Stopped, "commit", "the caller has stopped")
	}
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	at := s.db.checkpoints[b.Stream]
	if at.Epoch != b.Epoch || at.Seq != b.Seq {
		return domain.CommitResult{}, failure(domain.Fenced, "commit", "another runner has taken over")
	}
	for _, page := range b.Pages {
		if err := refuseNUL(page.Events); err != nil {
			return domain.CommitResult{}, err
		}
	}
	var sum domain.Tally
	for _, page := range b.Pages {
		at.Seq++
		tally := s.db.store(page)
		sum = sum.Add(tally)
		s.db.ledger = append(s.db.ledger, LedgerRow{
			Stream: b.Stream.String(), Pass: page.To.Pass, Seq: at.Seq, Position: page.To.Position,
			CursorIn: page.From.Cursor, CursorOut: page.To.Cursor, Tally: tally, TraceID: page.Receipt.TraceID,
		})
		at.Place = page.To
		if n := len(page.Events); n > 0 {
			at.LastEventAt = page.Events[n-1].OccurredAt
		}
	}
	at.Tally, at.UpdatedAt = at.Tally.Add(sum), time.Now()
	s.db.checkpoints[b.Stream] = at
	return domain.CommitResult{Checkpoint: at, Tally: sum}, nil
}

func (d *MemDatabase) store(page domain.ReadPage) domain.Tally {
	tally := domain.Tally{Received: int64(page.Received)}
	for _, e := range page.Events {
		if _, known := d.events[e.ID]; known {
			tally.Duplicate++
			continue
		}
		d.events[e.ID] = ownCopy(e)
		tally.Inserted++
	}
	return tally
}

// refuseNUL does what PostgreSQL does to a NUL in text.
func refuseNUL(events []domain.Event) error {
	for _, e := range events {
		if strings.Contains(e.Type+e.Name+e.DeviceType+e.Browser, "\x00") {
			return failure(domain.Unstorable, "commit", fmt.Sprintf("event %s holds a NUL", e.ID))
		}
	}
	return nil
}

func ownCopy(e domain.Event) domain.Event {
	e.Properties, e.Extra = bytes.Clone(e.Properties), bytes.Clone(e.Extra)
	return e
}

func failure(kind domain.Kind, op, what string) error {
	return &domain.Error{Kind: kind, Op: op, Err: errors.New(what)}
}
