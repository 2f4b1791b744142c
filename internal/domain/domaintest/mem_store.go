package domaintest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

// A MemDatabase is a fake database in memory, for any number of runners.
type MemDatabase struct {
	mu          sync.Mutex
	events      map[domain.EventID]domain.Event
	origins     map[domain.EventID]eventOrigin
	checkpoints map[domain.StreamID]domain.Checkpoint
	held        map[domain.StreamID]time.Time // until when the rate limit allows no request
	holders     map[domain.StreamID]*MemStore
	ledger      []LedgerRow
	commits     map[int64]time.Time // by ledger row
	replayReads map[int64]time.Time // of a replay's ledger row: when its dead letters were read
	letters     []*memLetter
	drift       map[domain.StreamID][]domain.DriftEntry
}

// A LedgerRow is the ledger's record of one committed page, or of one replay.
type LedgerRow struct {
	Kind                string // "page" or "replay"
	Stream              string
	Pass, Seq, Position int64
	ParentSeq           int64 // 0 for the first page of a pass, and for a replay
	CursorIn, CursorOut domain.Cursor
	Counts              domain.Counts
	TraceID             string
	IDsHash             string // of a page, domain.DecodedPage.IDsHash
	EndAccepted         bool
}

// NewMemDatabase returns an empty database.
func NewMemDatabase() *MemDatabase {
	return &MemDatabase{
		events:      map[domain.EventID]domain.Event{},
		origins:     map[domain.EventID]eventOrigin{},
		checkpoints: map[domain.StreamID]domain.Checkpoint{},
		held:        map[domain.StreamID]time.Time{},
		holders:     map[domain.StreamID]*MemStore{},
		drift:       map[domain.StreamID][]domain.DriftEntry{},
		replayReads: map[int64]time.Time{},
		commits:     map[int64]time.Time{},
	}
}

// Events returns a copy of the stored events.
func (d *MemDatabase) Events() map[domain.EventID]domain.Event {
	d.mu.Lock()
	defer d.mu.Unlock()
	events := make(map[domain.EventID]domain.Event, len(d.events))
	for id, e := range d.events {
		events[id] = cloneEvent(e)
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

// Sever takes the lock on its streams from a runner, which does not notice, as when its connections are cut.
func (d *MemDatabase) Sever(s *MemStore) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for stream, holder := range d.holders {
		if holder == s {
			delete(d.holders, stream)
		}
	}
}

// Backup copies the database. restore restores the copy, once. It takes the locks from all runners, as cutting all connections
// does.
func (d *MemDatabase) Backup() (restore func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	undo, checkpoints, held := d.snapshot(), maps.Clone(d.checkpoints), maps.Clone(d.held)
	ledger := slices.Clone(d.ledger)
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		undo()
		d.checkpoints, d.held, d.ledger = checkpoints, held, ledger
		clear(d.holders)
	}
}

// A MemStore is the domain.EventStore of one runner on a MemDatabase.
type MemStore struct{ db *MemDatabase }

// Claim implements domain.EventStore.
func (s *MemStore) Claim(ctx context.Context, stream domain.StreamID, sourceURL string) (domain.Checkpoint, error) {
	if ctx.Err() != nil {
		return domain.Checkpoint{}, newError(domain.Stopped, "claim", "the caller has stopped")
	}
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	if holder := s.db.holders[stream]; holder != nil && holder != s {
		return domain.Checkpoint{}, newError(domain.Fenced, "claim", "another runner holds the stream")
	}
	at, ok := s.db.checkpoints[stream]
	if !ok {
		at = domain.Checkpoint{Stream: stream, SourceURL: sourceURL, Position: domain.Position{Pass: 1}}
	}
	if at.SourceURL != sourceURL && at.Seq > 0 {
		return domain.Checkpoint{}, newError(domain.Invalid, "claim", "the stream reads from "+at.SourceURL)
	}
	if at.SourceURL != sourceURL { // the hold was for the other API
		delete(s.db.held, stream)
	}
	at.Epoch, at.SourceURL = at.Epoch+1, sourceURL
	_, _ = rand.Read(at.Token[:]) // never fails
	s.db.holders[stream] = s
	s.db.checkpoints[stream] = at
	if until := s.db.held[stream]; time.Now().Before(until) {
		at.HeldUntil = until
	}
	return at, nil
}

// Close releases the streams of the runner.
func (s *MemStore) Close() { s.db.Sever(s) }

// Checkpoint implements domain.EventStore.
func (s *MemStore) Checkpoint(_ context.Context, stream domain.StreamID) (domain.Checkpoint, error) {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	return s.db.checkpoint(stream), nil
}

func (d *MemDatabase) checkpoint(stream domain.StreamID) domain.Checkpoint {
	if at, ok := d.checkpoints[stream]; ok {
		return at
	}
	return domain.Checkpoint{Stream: stream}
}

// Hold implements domain.EventStore.
func (s *MemStore) Hold(_ context.Context, at domain.Checkpoint, until time.Time) error {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	if err := at.CheckClaim(s.db.checkpoint(at.Stream)); err != nil {
		return err
	}
	s.db.held[at.Stream] = until
	return nil
}

// Commit implements domain.EventStore.
func (s *MemStore) Commit(ctx context.Context, b domain.Batch) (domain.CommitResult, error) {
	if ctx.Err() != nil {
		return domain.CommitResult{}, newError(domain.Stopped, "commit", "the caller has stopped")
	}
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	at, stream := s.db.checkpoint(b.At.Stream), b.At.Stream
	if err := b.At.CheckMove(at); err != nil {
		return domain.CommitResult{}, err
	}
	undo := s.db.snapshot()
	var res domain.CommitResult
	for _, page := range b.Pages {
		at.Seq++
		counts, err := s.db.store(stream, int64(len(s.db.ledger)+1), page)
		if err == nil && s.db.isRepeated(stream, page) {
			err = newError(domain.BadPage, "commit", "it repeats an earlier page of its pass")
		}
		if err != nil {
			undo()
			return domain.CommitResult{}, err
		}
		res.Counts = res.Counts.Add(counts)
		res.NewDrift = append(res.NewDrift, s.db.registerDrift(stream, int64(len(s.db.ledger)+1), page.Drift)...)
		s.db.commits[int64(len(s.db.ledger)+1)] = time.Now()
		s.db.ledger = append(s.db.ledger, LedgerRow{
			Kind: "page", Stream: stream.String(), Pass: page.To.Pass, Seq: at.Seq, Position: page.To.Offset, ParentSeq: parentSeq(page, at.Seq),
			CursorIn: page.From.Cursor, CursorOut: page.To.Cursor, Counts: counts, TraceID: page.Receipt.TraceID,
			IDsHash: string(page.IDsHash()), EndAccepted: page.End.Accepted(page.To),
		})
		at.Position = page.To
		at.MaxAnnounced = 0 // it is not stored
		if n := len(page.Events); n > 0 {
			at.LastEventAt = page.Events[n-1].OccurredAt
		}
	}
	at.Counts, at.UpdatedAt = at.Counts.Add(res.Counts), time.Now()
	if at.Done {
		if err := b.LastPage().End.Check(b.LastPage().To, s.db.countStored(at)); err != nil {
			undo()
			return domain.CommitResult{}, err
		}
	}
	s.db.checkpoints[stream] = at
	res.Checkpoint = at
	return res, nil
}

// isRepeated reports whether the ledger has a page of the same pass with the same records.
func (d *MemDatabase) isRepeated(stream domain.StreamID, page domain.DecodedPage) bool {
	hash := string(page.IDsHash())
	return hash != "" && slices.ContainsFunc(d.ledger, func(row LedgerRow) bool {
		return row.Stream == stream.String() && row.Pass == page.To.Pass && row.IDsHash == hash
	})
}

// countStored returns how many records of the stream are stored or parked, or -1 if another stream uses the database, too.
// It counts each event once: no dead letters whose event is stored.
func (d *MemDatabase) countStored(at domain.Checkpoint) int64 {
	for stream, other := range d.checkpoints {
		if stream != at.Stream && other.Received > 0 {
			return -1
		}
	}
	stored := at.Inserted + at.Parked
	for _, l := range d.letters {
		if l.stream == at.Stream && isEventStored(l) {
			stored--
		}
	}
	return stored
}

// isEventStored reports whether the event of a dead letter is stored: the letter is a conflict, or a page has stored the event
// since.
func isEventStored(l *memLetter) bool {
	isConflict := strings.Contains(string(l.Key), " with values ")
	return isConflict || l.Resolved != nil && (l.Resolved.How == domain.ResolvedAsSuperseded || l.Resolved.How == domain.ResolvedAsDuplicate)
}

// parentSeq returns the seq of the page that led to page, or 0 if page is at the head of a pass.
func parentSeq(page domain.DecodedPage, seq int64) int64 {
	if page.From.Cursor == "" {
		return 0
	}
	return seq - 1
}

// store stores a page. After an error the caller must undo the changes.
func (d *MemDatabase) store(stream domain.StreamID, pageID int64, page domain.DecodedPage) (domain.Counts, error) {
	counts := domain.Counts{Received: int64(page.Received)}
	rejects := slices.Clone(page.Rejects)
	for _, e := range page.Events {
		known, isKnown := d.events[e.ID]
		switch {
		case hasNUL(e.Event):
			rejects = append(rejects, domain.Reject{Record: e.Record, Why: domain.Rejection{
				ID: e.ID, Reason: domain.ReasonUnstorable, Detail: "a text has a NUL character",
			}})
		case !isKnown:
			d.events[e.ID], d.origins[e.ID] = cloneEvent(e.Event), eventOrigin{stream, pageID}
			counts.Inserted++
		case compareEvents(known, e.Event) == nil:
			counts.Duplicate++
		default:
			rejects = append(rejects, domain.Reject{Record: e.Record, Values: formatValues(e.Event), Why: domain.Rejection{
				ID: e.ID, Reason: domain.ReasonConflict, Detail: compareEvents(known, e.Event).Error(),
			}})
		}
	}
	slices.SortFunc(rejects, func(a, b domain.Reject) int { return a.Record.Index - b.Record.Index })
	parked, surplus := d.park(stream, pageID, page, rejects)
	counts.Parked, counts.Duplicate = int64(len(parked)), counts.Duplicate+int64(len(rejects)-len(parked))
	d.supersede(stream, pageID, page.Events)
	return counts, page.CheckRejectRatio(slices.Concat(parked, surplus))
}

// hasNUL reports whether PostgreSQL would refuse a text of the event.
func hasNUL(e domain.Event) bool {
	return strings.Contains(e.Type+e.Name+e.DeviceType+e.Browser, "\x00")
}

func cloneEvent(e domain.Event) domain.Event {
	e.Properties, e.Extra = bytes.Clone(e.Properties), bytes.Clone(e.Extra)
	return e
}

func newError(kind domain.Kind, op, text string) error {
	return &domain.Error{Kind: kind, Op: op, Err: errors.New(text)}
}
