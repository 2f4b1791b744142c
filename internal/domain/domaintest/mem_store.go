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
	origins     map[domain.EventID]eventOrigin        // the ledger row that stored the event
	checkpoints map[domain.StreamID]domain.Checkpoint // the durable checkpoints; they have no HeldUntil
	heldUntil   map[domain.StreamID]time.Time         // when the hold ends
	holders     map[domain.StreamID]*MemStore         // the runner that has the lock on the stream
	ledger      []LedgerRow                           // the page id of a row is its index + 1
	committedAt map[int64]time.Time                   // by page id: when the page was committed
	readAt      map[int64]time.Time                   // by page id of a replay: when its dead letters were read
	letters     []*memLetter                          // the id of a dead letter is its index + 1
	drift       map[domain.StreamID][]domain.DriftEntry
}

// A LedgerRow is the ledger's record of one committed page, or of one replay.
type LedgerRow struct {
	Kind                string // "page" or "replay"
	Stream              string
	Pass, Seq, Position int64         // after the page, or during the replay; Position is the offset
	ParentSeq           int64         // the seq of the page before it in its pass; 0 for the first page of a pass and for a replay
	CursorIn, CursorOut domain.Cursor // the cursors of the page and of the next page; empty for a replay
	Counts              domain.Counts
	TraceID             string
	IDsHash             string // the page's domain.DecodedPage.IDsHash; empty for a replay
	EndAccepted         bool   // the page ended its pass below the announced total, and the user accepted this
}

// NewMemDatabase returns an empty database.
func NewMemDatabase() *MemDatabase {
	return &MemDatabase{
		events:      map[domain.EventID]domain.Event{},
		origins:     map[domain.EventID]eventOrigin{},
		checkpoints: map[domain.StreamID]domain.Checkpoint{},
		heldUntil:   map[domain.StreamID]time.Time{},
		holders:     map[domain.StreamID]*MemStore{},
		drift:       map[domain.StreamID][]domain.DriftEntry{},
		readAt:      map[int64]time.Time{},
		committedAt: map[int64]time.Time{},
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

// CutConnections releases all locks of the runner that uses s, as if its connections were cut. The runner is not informed.
func (d *MemDatabase) CutConnections(s *MemStore) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for stream, holder := range d.holders {
		if holder == s {
			delete(d.holders, stream)
		}
	}
}

// Backup copies the database. restore replaces the database by the copy and releases the locks of all runners, as if all
// connections were cut. restore may be called once.
func (d *MemDatabase) Backup() (restore func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	undo := d.snapshot()
	checkpoints, heldUntil, ledger := maps.Clone(d.checkpoints), maps.Clone(d.heldUntil), slices.Clone(d.ledger)
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		undo()
		d.checkpoints, d.heldUntil, d.ledger = checkpoints, heldUntil, ledger
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
	checkpoint, claimed := s.db.checkpoints[stream]
	if !claimed {
		checkpoint = domain.Checkpoint{Stream: stream, SourceURL: sourceURL, Position: domain.Position{Pass: 1}}
	}
	if checkpoint.SourceURL != sourceURL && checkpoint.Seq > 0 {
		return domain.Checkpoint{}, newError(domain.Invalid, "claim", "the stream reads from "+checkpoint.SourceURL)
	}
	if checkpoint.SourceURL != sourceURL {
		delete(s.db.heldUntil, stream) // the hold is about the rate limit of the former URL
	}
	checkpoint.Epoch, checkpoint.SourceURL = checkpoint.Epoch+1, sourceURL
	_, _ = rand.Read(checkpoint.Token[:]) // never fails
	s.db.holders[stream] = s
	s.db.checkpoints[stream] = checkpoint
	if until := s.db.heldUntil[stream]; time.Now().Before(until) {
		checkpoint.HeldUntil = until
	}
	checkpoint.LeadsBack = slices.ContainsFunc(s.db.ledger, func(row LedgerRow) bool {
		isBefore := row.Pass == checkpoint.Pass && row.Position <= checkpoint.Offset && row.Counts.Received > 0
		return row.Stream == stream.String() && row.Kind == "page" && isBefore && row.CursorIn == checkpoint.Cursor && row.CursorIn != ""
	})
	return checkpoint, nil
}

// Close releases the locks of the runner.
func (s *MemStore) Close() { s.db.CutConnections(s) }

// Checkpoint implements domain.EventStore.
func (s *MemStore) Checkpoint(_ context.Context, stream domain.StreamID) (domain.Checkpoint, error) {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	return s.db.checkpoint(stream), nil
}

// checkpoint returns the durable checkpoint of the stream. If the stream was never claimed, the checkpoint has epoch 0.
func (d *MemDatabase) checkpoint(stream domain.StreamID) domain.Checkpoint {
	if checkpoint, ok := d.checkpoints[stream]; ok {
		return checkpoint
	}
	return domain.Checkpoint{Stream: stream}
}

// StepBack implements domain.EventStore.
func (s *MemStore) StepBack(_ context.Context, stream domain.StreamID, pass int64, pages int) (start domain.PageStart, ok bool, err error) {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	seq := s.db.checkpoint(stream).Seq
	for ; pages > 0; pages-- {
		i := slices.IndexFunc(s.db.ledger, func(row LedgerRow) bool {
			return row.Stream == stream.String() && row.Kind == "page" && row.Seq == seq && row.Pass == pass
		})
		if i < 0 || s.db.ledger[i].CursorIn == "" {
			return domain.PageStart{}, false, nil
		}
		row := s.db.ledger[i]
		start = domain.PageStart{ParentSeq: row.ParentSeq, Offset: row.Position - row.Counts.Received, Cursor: row.CursorIn}
		seq = row.ParentSeq
	}
	return start, true, nil
}

// Hold implements domain.EventStore.
func (s *MemStore) Hold(_ context.Context, checkpoint domain.Checkpoint, until time.Time) error {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	if err := checkpoint.CheckClaim(s.db.checkpoint(checkpoint.Stream)); err != nil {
		return err
	}
	s.db.heldUntil[checkpoint.Stream] = until
	return nil
}

// Commit implements domain.EventStore.
func (s *MemStore) Commit(ctx context.Context, b domain.Batch) (domain.CommitResult, error) {
	if ctx.Err() != nil {
		return domain.CommitResult{}, newError(domain.Stopped, "commit", "the caller has stopped")
	}
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	stream := b.Start.Stream
	checkpoint := s.db.checkpoint(stream)
	if err := b.Start.CheckMove(checkpoint); err != nil {
		return domain.CommitResult{}, err
	}
	undo := s.db.snapshot()
	var res domain.CommitResult
	for _, page := range b.Pages {
		checkpoint.Seq++
		pageID := s.db.nextPageID()
		counts, err := s.db.store(stream, pageID, page)
		if err == nil && s.db.isRepeated(stream, page) {
			err = &domain.Error{
				Kind: domain.BadPage, Code: domain.CodeAPIPageRepeated, Op: "commit", Repeats: true,
				Err: errors.New("the page repeats an earlier page of its pass"),
			}
		}
		if err != nil {
			undo()
			return domain.CommitResult{}, err
		}
		res.Counts = res.Counts.Add(counts)
		res.NewDrift = append(res.NewDrift, s.db.registerDrift(stream, pageID, page.Drift)...)
		s.db.committedAt[pageID] = time.Now()
		s.db.ledger = append(s.db.ledger, LedgerRow{
			Kind: "page", Stream: stream.String(), Pass: page.To.Pass, Seq: checkpoint.Seq, Position: page.To.Offset,
			ParentSeq: parentSeq(page, checkpoint.Seq), CursorIn: page.From.Cursor, CursorOut: page.To.Cursor, Counts: counts,
			TraceID: page.Receipt.TraceID, IDsHash: string(page.IDsHash()), EndAccepted: page.End.AcceptedShort(page.To),
		})
		checkpoint.Position = page.To
		checkpoint.MaxAnnounced, checkpoint.ParentSeq = 0, 0 // no store keeps them
		if n := len(page.Events); n > 0 {
			checkpoint.LastEventAt = page.Events[n-1].OccurredAt
		}
	}
	checkpoint.Counts, checkpoint.UpdatedAt = checkpoint.Counts.Add(res.Counts), time.Now()
	if checkpoint.Done {
		if err := b.LastPage().End.Check(b.LastPage().To, s.db.countStored(checkpoint)); err != nil {
			undo()
			return domain.CommitResult{}, err
		}
	}
	s.db.checkpoints[stream] = checkpoint
	res.Checkpoint = checkpoint
	return res, nil
}

// isRepeated reports whether the ledger has a page of the same pass with the same records, which ends at or before the start of the page.
func (d *MemDatabase) isRepeated(stream domain.StreamID, page domain.DecodedPage) bool {
	hash := string(page.IDsHash())
	return hash != "" && slices.ContainsFunc(d.ledger, func(row LedgerRow) bool {
		return row.Stream == stream.String() && row.Pass == page.To.Pass && row.IDsHash == hash && row.Position <= page.From.Offset
	})
}

// countStored returns how many records of the stream are stored or parked. It counts each event once, so it leaves out dead
// letters whose event is stored. If another stream has stored records too, the number is unknown, and countStored returns -1.
func (d *MemDatabase) countStored(checkpoint domain.Checkpoint) int64 {
	if d.isShared(checkpoint.Stream) {
		return -1
	}
	stored := checkpoint.Inserted + checkpoint.Parked
	for _, l := range d.letters {
		if l.stream == checkpoint.Stream && isEventStored(l) {
			stored--
		}
	}
	return stored
}

// isEventStored reports whether the event of a dead letter was stored from another record. This is the case if the dead letter
// is a conflict, or if it was resolved because a page has stored the event.
func isEventStored(l *memLetter) bool {
	if strings.Contains(string(l.Key), " with values ") { // domain.DecodedPage.KeyOf makes such keys for conflicts
		return true
	}
	r := l.Resolved
	return r != nil && (r.How == domain.ResolvedAsSuperseded || r.How == domain.ResolvedAsDuplicate)
}

// parentSeq returns the seq of the page's parent: the page whose cursor led to it. It returns 0 for the first page of a pass.
func parentSeq(page domain.DecodedPage, seq int64) int64 {
	switch {
	case page.From.Cursor == "":
		return 0
	case page.From.ParentSeq > 0:
		return page.From.ParentSeq
	}
	return seq - 1
}

// nextPageID returns the page id of the next row in the ledger.
func (d *MemDatabase) nextPageID() int64 { return int64(len(d.ledger) + 1) }

// store stores the events of a page and parks its rejects, and returns the counts. If it returns an error, the caller must undo
// its changes.
func (d *MemDatabase) store(stream domain.StreamID, pageID int64, page domain.DecodedPage) (domain.Counts, error) {
	counts := domain.Counts{Received: int64(page.Received)}
	rejects := slices.Clone(page.Rejects)
	for _, e := range page.Events {
		stored, isStored := d.events[e.ID]
		switch {
		case hasNUL(e.Event):
			rejects = append(rejects, domain.Reject{Record: e.Record, Why: domain.Rejection{
				ID: e.ID, Reason: domain.ReasonUnstorable, Detail: "a text has a NUL character",
			}})
		case !isStored:
			d.events[e.ID], d.origins[e.ID] = cloneEvent(e.Event), eventOrigin{stream: stream, pageID: pageID}
			counts.Inserted++
		case compareEvents(stored, e.Event) == nil:
			counts.Duplicate++
		default:
			rejects = append(rejects, domain.Reject{Record: e.Record, Values: formatValues(e.Event), Why: domain.Rejection{
				ID: e.ID, Reason: domain.ReasonConflict, Detail: compareEvents(stored, e.Event).Error(),
			}})
		}
	}
	slices.SortFunc(rejects, func(a, b domain.Reject) int { return a.Record.Index - b.Record.Index })
	parked, surplus := d.park(stream, pageID, page, rejects)
	counts.Parked = int64(len(parked))
	counts.Duplicate += int64(len(rejects) - len(parked))
	d.supersede(stream, pageID, page.Events)
	return counts, page.CheckRejectRatio(slices.Concat(parked, surplus))
}

// hasNUL reports whether a text of the event contains a NUL character. PostgreSQL refuses such a text.
func hasNUL(e domain.Event) bool {
	return strings.Contains(e.Type+e.Name+e.DeviceType+e.Browser, "\x00")
}

// cloneEvent returns a copy of the event that shares no bytes with it.
func cloneEvent(e domain.Event) domain.Event {
	e.Properties, e.Extra = bytes.Clone(e.Properties), bytes.Clone(e.Extra)
	return e
}

// newError returns a domain.Error with this text as its cause.
func newError(kind domain.Kind, op, text string) error {
	return &domain.Error{Kind: kind, Op: op, Err: errors.New(text)}
}
