package domain

import (
	"context"
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
	Hash     func(Record) RecordHash // the method Hash of the decoder; nil means HashBytes

	Release func() // the function Release of the Page

	MaxParked int         // how many of the rejects may be new dead letters at most, see CheckRejectRatio
	End       EndEvidence // how far pawl can trust the end of the pass; used only if To.Done is true

	idsHash []byte // the result of IDsHash; nil if it is not computed yet
}

// A DecodedEvent is an event together with the record that it was decoded from. The store needs the record to park it if the
// database refuses the event.
type DecodedEvent struct {
	Event

	Record Record
}

// Decode decodes all records of the page. Each record becomes an event or a reject (I1). Decode does no I/O. If ctx ends
// before the last record is decoded, Decode returns an error of kind Stopped and an empty page.
//
// The slice of the events begins in memory, which Decode overwrites. memory may be nil.
func (p FetchedPage) Decode(ctx context.Context, decoder Decoder, memory []DecodedEvent) (DecodedPage, error) {
	page := DecodedPage{
		From: p.From, To: p.To, Receipt: p.Page.Receipt,
		Received: len(p.Page.Records), Hash: decoder.Hash, Release: p.Page.Release,
		Events: slices.Grow(memory[:0], len(p.Page.Records)),
	}
	for _, record := range p.Page.Records {
		if err := ctx.Err(); err != nil {
			return DecodedPage{}, &Error{Kind: Stopped, Code: CodeStopped, Op: "decode page", Err: err}
		}
		decodeInto(&page, decoder, record)
	}
	if len(page.Rejects) == 0 { // the keys of rejects may need much memory, so they are hashed only when they are parked
		page.idsHash = page.IDsHash() // now, so that the transaction that stores the page does not wait for it
	}
	return page, nil
}

// decodeInto adds the record to the page, as an event or as a reject.
func decodeInto(page *DecodedPage, decoder Decoder, record Record) {
	event, drift, err := decoder.Decode(record)
	if err != nil {
		page.Rejects = append(page.Rejects, Reject{Record: record, Why: toRejection(err)})
		return
	}
	page.Events = append(page.Events, DecodedEvent{Event: event, Record: record})
	for _, d := range drift {
		page.Drift = addDrift(page.Drift, d)
	}
}

// toRejection returns the Rejection in err. If a decoder returns another error, which it must not, toRejection returns one with
// the reason "unknown", so that the record is parked and not lost.
func toRejection(err error) Rejection {
	if rejection, ok := errors.AsType[*Rejection](err); ok {
		return *rejection
	}
	return Rejection{Reason: "unknown", Detail: err.Error()}
}

// addDrift counts one drift of a record, and returns the counts. It counts drift with a new path or kind in one common entry if
// counts already has MaxDriftEntries entries.
func addDrift(counts []DriftCount, d Drift) []DriftCount {
	i := slices.IndexFunc(counts, func(c DriftCount) bool { return c.Path == d.Path && c.Kind == d.Kind })
	if i < 0 && len(counts) >= MaxDriftEntries {
		d.Path, d.Kind = FurtherDriftPath, FurtherDriftKind // the common entry, which is the only one of its kind
		i = slices.IndexFunc(counts, func(c DriftCount) bool { return c.Kind == FurtherDriftKind })
	}
	if i < 0 {
		return append(counts, DriftCount{Path: d.Path, Kind: d.Kind, Count: 1, Value: d.Value})
	}
	counts[i].Count++
	return counts
}
