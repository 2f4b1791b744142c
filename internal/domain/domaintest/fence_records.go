package domaintest

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

// The kinds of records in the endless stream that the runners of a [FenceModel] read.
const (
	fenceEvent     = "event"     // a new event with the id of its own number
	fenceReject    = "reject"    // a record that is rejected, and that a replay decodes to the event with the id of its own number
	fenceDuplicate = "duplicate" // the same event as an earlier record
	fenceConflict  = "conflict"  // an event with the id of an earlier record and with other values
	fenceLate      = "late"      // the event of an earlier reject
)

// A fenceRecord is one record of the stream.
type fenceRecord struct {
	number int    // from 0; it is the record's offset in the stream
	kind   string // see above
	event  int    // the number of the record whose event id this record has
}

// fenceRecordAt returns the record with this number. Two neighbours always have an event that no other record of the stream has.
func fenceRecordAt(number int) fenceRecord {
	const cycle = 10 // the kinds repeat after so many records
	switch number % cycle {
	case 1:
		return fenceRecord{number, fenceReject, number}
	case 4:
		return fenceRecord{number, fenceDuplicate, number - 2}
	case 7:
		return fenceRecord{number, fenceConflict, number - 2}
	case 9:
		return fenceRecord{number, fenceLate, number - 8}
	default:
		return fenceRecord{number, fenceEvent, number}
	}
}

// fenceID returns the event id of the record with this number.
func fenceID(number int) domain.EventID { return EventID(uint64(number)) } //nolint:gosec // it is never negative

// name returns the name of the record's event. Events with the same id and the same name are the same event.
func (r fenceRecord) name() string {
	if r.kind == fenceConflict {
		return fmt.Sprintf("other event %d", r.event)
	}
	return fmt.Sprintf("event %d", r.event)
}

func (r fenceRecord) payload() string { return fmt.Sprintf("%d %s", r.number, r.kind) }

func (r fenceRecord) domainEvent() domain.Event {
	return domain.Event{
		ID: fenceID(r.event), Name: r.name(), Properties: []byte("{}"), OccurredAt: time.Unix(int64(r.event), 0).UTC(),
	}
}

// fencePage returns the page that begins at from and has this many records, and the position after it.
func fencePage(from domain.Position, size int) domain.DecodedPage {
	page := domain.DecodedPage{From: from, Received: size, MaxParked: size}
	for i := range size {
		r := fenceRecordAt(int(from.Offset) + i)
		record := domain.Record{Payload: []byte(r.payload()), Index: i}
		if r.kind == fenceReject {
			why := domain.Rejection{Reason: "rejected", Detail: r.kind, ID: fenceID(r.event)}
			page.Rejects = append(page.Rejects, domain.Reject{Record: record, Why: why})
			continue
		}
		page.Events = append(page.Events, domain.DecodedEvent{Event: r.domainEvent(), Record: record})
	}
	next := domain.Cursor(fmt.Sprintf("after %d", int(from.Offset)+size))
	page.To = from.After(domain.Page{Records: make([]domain.Record, size), Next: next})
	page.Receipt = domain.Receipt{FetchedAt: time.Now()}
	return page
}

// A fenceDecoder decodes every record of the stream, also those that were rejected.
type fenceDecoder struct{}

// Hash implements domain.Decoder.
func (fenceDecoder) Hash(r domain.Record) domain.RecordHash { return domain.HashBytes(r) }

// Decode implements domain.Decoder.
func (fenceDecoder) Decode(r domain.Record) (domain.Event, []domain.Drift, error) {
	text, _, _ := strings.Cut(string(r.Payload), " ")
	number, err := strconv.Atoi(text)
	if err != nil {
		return domain.Event{}, nil, &domain.Rejection{Reason: "not a number", Detail: err.Error()}
	}
	return fenceRecordAt(number).domainEvent(), nil, nil
}
