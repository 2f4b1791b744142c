package domaintest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

// A fenceState is what the database of a [FenceModel] must hold.
type fenceState struct {
	token     domain.UUID
	epoch     int64 // 0 if the stream was never claimed
	seq       int64
	position  domain.Position
	counts    domain.Counts
	heldUntil time.Time

	events  map[int]string  // by the number of the record with the event's id: the name of the event
	letters map[string]bool // by payload: whether the dead letter is open
	ledger  []fenceRow
}

// A fenceRow is a row of the ledger.
type fenceRow struct {
	kind                           string
	pass, seq, parentSeq, position int64 // parentSeq is 0 for the first page of a pass and for a replay
	counts                         domain.Counts
}

func newFenceState() fenceState {
	return fenceState{events: map[int]string{}, letters: map[string]bool{}}
}

func (s *fenceState) clone() fenceState {
	cloned := *s
	cloned.events, cloned.letters, cloned.ledger = maps.Clone(s.events), maps.Clone(s.letters), slices.Clone(s.ledger)
	return cloned
}

// refusal returns the kind of the error with which a commit from the checkpoint must fail, or NoError if it must succeed.
func (s *fenceState) refusal(start domain.Checkpoint) domain.Kind {
	isThere := s.seq == start.Seq && s.position.SameAs(start.Position)
	if kind := s.claimRefusal(start); kind != NoError || isThere {
		return kind
	}
	return domain.SetBack
}

// claimRefusal returns the kind of the error with which a call that needs only the claim must fail, or NoError.
func (s *fenceState) claimRefusal(start domain.Checkpoint) domain.Kind {
	switch {
	case s.epoch < start.Epoch:
		return domain.SetBack
	case s.token != start.Token:
		return domain.Fenced
	default:
		return NoError
	}
}

// commit stores the pages, one record after the other, and returns the counts.
func (s *fenceState) commit(pages []domain.DecodedPage) (total domain.Counts) {
	for _, page := range pages {
		counts := s.store(page)
		parent := s.seq
		switch {
		case page.From.Offset == 0:
			parent = 0
		case page.From.ParentSeq > 0: // the runner has stepped back
			parent = page.From.ParentSeq
		}
		s.seq++
		s.position = page.To
		s.ledger = append(s.ledger, fenceRow{"page", page.To.Pass, s.seq, parent, page.To.Offset, counts})
		total = total.Add(counts)
	}
	s.counts = s.counts.Add(total)
	return total
}

func (s *fenceState) store(page domain.DecodedPage) domain.Counts {
	counts := domain.Counts{Received: int64(page.Received)}
	for i := range page.Received {
		r := fenceRecordAt(int(page.From.Offset) + i)
		stored, isStored := s.events[r.event]
		_, isParked := s.letters[r.payload()]
		switch {
		case r.kind == fenceReject && isParked, r.kind == fenceConflict && isParked:
			counts.Duplicate++
		case r.kind == fenceReject, isStored && stored != r.name():
			s.letters[r.payload()] = true
			counts.Parked++
		case isStored:
			counts.Duplicate++
		default:
			s.events[r.event] = r.name()
			counts.Inserted++
		}
	}
	for i := range page.Received { // the event of a late record supersedes the dead letter
		if r := fenceRecordAt(int(page.From.Offset) + i); r.kind == fenceLate {
			payload := fenceRecordAt(r.event).payload()
			if s.letters[payload] {
				s.letters[payload] = false
			}
		}
	}
	return counts
}

// startOf returns the offset at which the page begins that is so many pages before the end, along the parents. It returns -1 if there is
// no such page in the pass, or if it is the first one.
func (s *fenceState) startOf(pass int64, pages int) (offset int64) {
	seq := s.seq
	for range pages {
		i := slices.IndexFunc(s.ledger, func(row fenceRow) bool { return row.kind == "page" && row.seq == seq && row.pass == pass })
		if i < 0 || s.ledger[i].parentSeq == 0 {
			return -1
		}
		offset, seq = s.ledger[i].position-s.ledger[i].counts.Received, s.ledger[i].parentSeq
	}
	return offset
}

// replay decodes the open dead letters again and returns the counts. A conflict stays open.
func (s *fenceState) replay() (counts domain.Counts) {
	for payload, isOpen := range s.letters {
		if !isOpen {
			continue
		}
		counts.Received++
		var number int
		_, _ = fmt.Sscan(payload, &number) // a payload begins with the number
		r := fenceRecordAt(number)
		stored, isStored := s.events[r.event]
		if isStored && stored != r.name() {
			counts.Parked++
			continue
		}
		s.letters[payload] = false
		if isStored {
			counts.Duplicate++
			continue
		}
		s.events[r.event] = r.name()
		counts.Inserted++
	}
	if counts.Received > 0 {
		s.ledger = append(s.ledger, fenceRow{"replay", s.position.Pass, s.seq, 0, s.position.Offset, counts})
	}
	return counts
}

// reset moves the checkpoint to the head of the next pass with this token, unless it is at the head already.
func (s *fenceState) reset(token domain.UUID) {
	if s.position.Offset == 0 {
		return
	}
	s.position = s.position.NextPass()
	s.epoch, s.token = s.epoch+1, token
	s.ledger = append(s.ledger, fenceRow{kind: "reset", pass: s.position.Pass, seq: s.seq})
}

// checkCheckpoint returns an error unless the checkpoint is the one that must be durable.
func (s *fenceState) checkCheckpoint(got domain.Checkpoint) error {
	isSamePosition := got.SameAs(s.position) && got.MaxOffset == s.position.MaxOffset && got.Done == s.position.Done
	if got.Epoch != s.epoch || got.Token != s.token || got.Seq != s.seq || !isSamePosition || got.Counts != s.counts {
		return fmt.Errorf("got checkpoint %+v, want epoch %d, token %s, seq %d, position %+v, counts %+v",
			got, s.epoch, s.token, s.seq, s.position, s.counts)
	}
	return nil
}

// checkRows returns an error unless the database has exactly the rows that it must have.
func (s *fenceState) checkRows(ctx context.Context, db StoreUnderTest) error {
	for number := range int(s.position.Offset) { // I1, also for the state itself
		r := fenceRecordAt(number)
		_, isStored := s.events[r.event]
		if _, isParked := s.letters[r.payload()]; !isStored && !isParked {
			return fmt.Errorf("the checkpoint has passed record %q, which is neither stored nor parked", r.payload())
		}
	}
	events, err := db.Events(ctx)
	if err != nil {
		return err
	}
	if len(events) != len(s.events) {
		return fmt.Errorf("got %d events, want %d", len(events), len(s.events))
	}
	for number, name := range s.events {
		if got := events[fenceID(number)]; got.Name != name {
			return fmt.Errorf("event %d: got %+v, want the name %q", number, got, name)
		}
	}
	letters, err := db.Letters(ctx)
	if err != nil {
		return err
	}
	if len(letters) != len(s.letters) {
		return fmt.Errorf("got %d dead letters, want %d", len(letters), len(s.letters))
	}
	for _, l := range letters {
		isOpen, found := s.letters[string(l.Payload)]
		if !found || isOpen != (l.Resolved == nil) {
			return fmt.Errorf("dead letter %q: got resolution %+v, want one: %v", l.Payload, l.Resolved, !isOpen)
		}
	}
	return s.checkLedger(ctx, db)
}

func (s *fenceState) checkLedger(ctx context.Context, db StoreUnderTest) error {
	rows, err := db.Ledger(ctx)
	if err != nil {
		return err
	}
	var got []fenceRow
	for _, row := range rows {
		if !row.Counts.Balanced() {
			return fmt.Errorf("ledger row %+v is not balanced", row)
		}
		got = append(got, fenceRow{row.Kind, row.Pass, row.Seq, row.ParentSeq, row.Position, row.Counts})
	}
	if !slices.Equal(got, s.ledger) {
		return fmt.Errorf("got ledger\n%+v, want\n%+v", got, s.ledger)
	}
	return nil
}
