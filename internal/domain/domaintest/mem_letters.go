package domaintest

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

// A memLetter is a dead letter of one stream.
type memLetter struct {
	domain.DeadLetter

	stream domain.StreamID
}

// Letters returns a copy of what is parked, in the order of parking.
func (d *MemDatabase) Letters() []domain.DeadLetter {
	d.mu.Lock()
	defer d.mu.Unlock()
	var letters []domain.DeadLetter
	for _, l := range d.letters {
		letters = append(letters, l.DeadLetter)
	}
	return letters
}

// mark returns what takes back all that a commit does from here on.
func (d *MemDatabase) mark() (undo func()) {
	events, ledger, drift := maps.Clone(d.events), len(d.ledger), maps.Clone(d.drift)
	for stream, entries := range drift {
		drift[stream] = slices.Clone(entries)
	}
	var letters []*memLetter
	for _, l := range d.letters {
		was := *l
		letters = append(letters, &was)
	}
	return func() { d.events, d.ledger, d.letters, d.drift = events, d.ledger[:ledger], letters, drift }
}

// park returns those of the page's rejects that it parks. The others were parked before, or are one too many of their event.
func (d *MemDatabase) park(
	stream domain.StreamID, pageID int64, page domain.DecodedPage, rejects []domain.Reject,
) (parked []domain.Reject) {
	for _, r := range rejects {
		key := page.KeyOf(r)
		known := func(l *memLetter) bool {
			return l.stream == stream && (l.Key == key || r.Values == "" && l.Key == r.LegacyKey() && bytes.Equal(l.Payload, r.Record.Payload))
		}
		if at := slices.IndexFunc(d.letters, known); at >= 0 {
			d.letters[at].Seen++
			continue
		}
		if last, open := d.openOf(stream, r.Why.ID); open >= domain.MaxOpenDeadLetters {
			last.Seen++
			last.Others++
			continue
		}
		parked = append(parked, r)
		d.letters = append(d.letters, &memLetter{stream: stream, DeadLetter: domain.DeadLetter{
			ID: int64(len(d.letters) + 1), Key: key, PageID: pageID, Index: r.Record.Index, Why: r.Why,
			Payload: bytes.Clone(r.Record.Payload), Seen: 1, ParkedAt: time.Now(),
		}})
	}
	return parked
}

// openOf counts the open letters of an event and returns the last of them.
func (d *MemDatabase) openOf(stream domain.StreamID, id domain.EventID) (last *memLetter, open int) {
	for _, l := range d.letters {
		if l.stream == stream && l.Resolved == nil && l.Why.ID == id && id != (domain.EventID{}) {
			last, open = l, open+1
		}
	}
	return last, open
}

func (d *MemDatabase) supersede(stream domain.StreamID, pageID int64, events []domain.DecodedEvent) {
	for _, l := range d.letters {
		if l.stream != stream || l.Resolved != nil || l.Why.Reason == domain.ReasonConflict {
			continue
		}
		if slices.ContainsFunc(events, func(e domain.DecodedEvent) bool { return e.ID == l.Why.ID && !holdsNUL(e.Event) }) {
			l.Resolved = &domain.Resolution{How: domain.ResolvedAsSuperseded, Why: "it came as it should be", At: time.Now(), PageID: pageID}
		}
	}
}

// registerDrift gives the entries that are new in the stream's register.
func (d *MemDatabase) registerDrift(stream domain.StreamID, pageID int64, drift []domain.DriftCount) (fresh []domain.DriftEntry) {
	for _, c := range drift {
		at := slices.IndexFunc(d.drift[stream], func(e domain.DriftEntry) bool { return e.Path == c.Path && e.Kind == c.Kind })
		if at >= 0 {
			entry := &d.drift[stream][at]
			entry.Count, entry.LastPageID = entry.Count+c.Count, pageID
			continue
		}
		fresh = append(fresh, domain.DriftEntry{
			Path: c.Path, Kind: c.Kind, Count: c.Count, FirstPageID: pageID, LastPageID: pageID, Sample: string(c.Value),
		})
	}
	d.drift[stream] = append(d.drift[stream], fresh...)
	return fresh
}

// valuesOf spells an event's values in one way only; JSON that is spelt otherwise counts as other.
func valuesOf(e domain.Event) string { return fmt.Sprintf("%x", fmt.Sprintf("%+v", e)) }
