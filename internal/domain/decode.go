package domain

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
)

// A FetchedPage is a page with the positions before and after it.
type FetchedPage struct {
	From, To Position
	Page     Page
}

// A DecodedPage is a FetchedPage whose records have been decoded: each is an event or a reject (I1).
type DecodedPage struct {
	From, To Position
	Received int            // records in the page
	Events   []DecodedEvent // in upstream order
	Rejects  []Reject       // in upstream order
	Drift    []DriftCount   // one for each path and kind, in order of first appearance
	Receipt  Receipt
	Hash     func(Record) RecordHash // the decoder's; HashBytes if nil

	MaxParked int // new rejects that the page may have, see CheckRejectRatio
	End       End // how far an end may be believed; matters only if To.Done
}

// A DecodedEvent is an event with the record that it was decoded from. The record is parked if no row can hold the event.
type DecodedEvent struct {
	Event

	Record Record
}

// Decode decodes all records of the page: each becomes an event or a reject (I1). It does no I/O. If ctx ends before the
// last record is decoded, Decode returns an error of kind Stopped and no page.
func (p FetchedPage) Decode(ctx context.Context, decoder Decoder) (DecodedPage, error) {
	page := DecodedPage{
		From: p.From, To: p.To, Receipt: p.Page.Receipt,
		Received: len(p.Page.Records), Hash: decoder.Hash,
		Events: make([]DecodedEvent, 0, len(p.Page.Records)),
	}
	for _, record := range p.Page.Records {
		if err := ctx.Err(); err != nil {
			return DecodedPage{}, &Error{Kind: Stopped, Op: "decode page", Err: err}
		}
		decodeInto(&page, decoder, record)
	}
	return page, nil
}

// decodeInto adds the record to the page, as an event or as a reject.
func decodeInto(p *DecodedPage, decoder Decoder, record Record) {
	event, drift, err := decoder.Decode(record)
	if err != nil {
		p.Rejects = append(p.Rejects, Reject{Record: record, Why: toRejection(err)})
		return
	}
	p.Events = append(p.Events, DecodedEvent{event, record})
	for _, d := range drift {
		p.Drift = addDrift(p.Drift, d)
	}
}

// toRejection returns the Rejection that err is. A decoder returns no other error; one that does is reported as a reason.
func toRejection(err error) Rejection {
	if rejection, ok := errors.AsType[*Rejection](err); ok {
		return *rejection
	}
	return Rejection{Reason: "unknown", Detail: err.Error()}
}

// addDrift counts one record's drift and returns the counts. From MaxDriftEntries paths and kinds on, further ones are counted
// together.
func addDrift(counts []DriftCount, d Drift) []DriftCount {
	i := slices.IndexFunc(counts, func(c DriftCount) bool { return c.Path == d.Path && c.Kind == d.Kind })
	if i < 0 && len(counts) >= MaxDriftEntries {
		d.Path, d.Kind = FurtherDriftPath, FurtherDriftKind
		i = slices.IndexFunc(counts, func(c DriftCount) bool { return c.Kind == FurtherDriftKind })
	}
	if i < 0 {
		return append(counts, DriftCount{d.Path, d.Kind, 1, d.Value})
	}
	counts[i].Count++
	return counts
}

// IDsHash returns a SHA-256 over the ids of the page's events and the keys of its rejects, regardless of their order. It
// returns nil if the page has no record. Two pages with the same hash hold the same events and rejects.
func (p DecodedPage) IDsHash() []byte {
	if len(p.Events)+len(p.Rejects) == 0 {
		return nil
	}
	hash := sha256.New()
	ids := make([]EventID, len(p.Events))
	for i, e := range p.Events {
		ids[i] = e.ID
	}
	slices.SortFunc(ids, func(a, b EventID) int { return slices.Compare(a[:], b[:]) })
	for _, id := range ids {
		hash.Write(id[:])
	}
	keys := make([]DeadLetterKey, len(p.Rejects))
	for i, r := range p.Rejects {
		keys[i] = p.KeyOf(r)
	}
	slices.Sort(keys)
	for _, key := range keys {
		hash.Write([]byte(key))
	}
	return hash.Sum(nil)
}
