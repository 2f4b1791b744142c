package domain

import (
	"context"
	"errors"
	"slices"
)

// Decode decodes a page: every record becomes an event or a reject, and none is left out (I1). It does no I/O. When ctx
// ends before the last record is decoded, Decode returns an error of kind Stopped and no page.
func (s FetchedPage) Decode(ctx context.Context, decoder Decoder) (DecodedPage, error) {
	page := DecodedPage{
		From: s.From, To: s.To, Receipt: s.Page.Receipt, End: s.End,
		Received: len(s.Page.Records), Hash: decoder.Hash,
		Events: make([]DecodedEvent, 0, len(s.Page.Records)),
	}
	for _, record := range s.Page.Records {
		if err := ctx.Err(); err != nil {
			return DecodedPage{}, &Error{Kind: Stopped, Op: "read page", Err: err}
		}
		decodeInto(&page, decoder, record)
	}
	return page, nil
}

// decodeInto adds a record to a page as an event or a reject.
func decodeInto(p *DecodedPage, decoder Decoder, record Record) {
	event, drift, err := decoder.Decode(record)
	if err != nil {
		p.Rejects = append(p.Rejects, Reject{Record: record, Why: rejectionOf(err)})
		return
	}
	p.Events = append(p.Events, DecodedEvent{event, record})
	for _, d := range drift {
		p.Drift = counted(p.Drift, d)
	}
}

// rejectionOf is the reason that a decoder gives; it may give no other error.
func rejectionOf(err error) Rejection {
	if rejection, ok := errors.AsType[*Rejection](err); ok {
		return *rejection
	}
	return Rejection{Reason: "unknown", Detail: err.Error()}
}

// counted is drift with one record's more.
func counted(drift []DriftCount, d Drift) []DriftCount {
	at := slices.IndexFunc(drift, func(c DriftCount) bool { return c.Path == d.Path && c.Kind == d.Kind })
	if at < 0 && len(drift) >= MaxDriftEntries {
		d.Path, d.Kind = FurtherDriftPath, FurtherDriftKind
		at = slices.IndexFunc(drift, func(c DriftCount) bool { return c.Kind == FurtherDriftKind })
	}
	if at < 0 {
		return append(drift, DriftCount{d.Path, d.Kind, 1, d.Value})
	}
	drift[at].Count++
	return drift
}
