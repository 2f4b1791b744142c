package domain

import (
	"errors"
	"slices"
)

// Read decodes a page: every record becomes an event or a reject, and none is left out (I1). It does no I/O.
func (s Step) Read(decoder Decoder) ReadPage {
	page := ReadPage{
		From: s.From, To: s.To, Receipt: s.Page.Receipt,
		Received: len(s.Page.Records),
		Events:   make([]ReadEvent, 0, len(s.Page.Records)),
	}
	for _, record := range s.Page.Records {
		event, drift, err := decoder.Decode(record)
		if err != nil {
			page.Rejects = append(page.Rejects, Reject{Record: record, Why: rejectionOf(err)})
			continue
		}
		page.Events = append(page.Events, ReadEvent{event, record})
		for _, d := range drift {
			page.count(d)
		}
	}
	return page
}

// rejectionOf is the reason that a decoder gives; it may give no other error.
func rejectionOf(err error) Rejection {
	if rejection, ok := errors.AsType[*Rejection](err); ok {
		return *rejection
	}
	return Rejection{Reason: "unknown", Detail: err.Error()}
}

func (p *ReadPage) count(d Drift) {
	at := slices.IndexFunc(p.Drift, func(c DriftCount) bool { return c.Path == d.Path && c.Kind == d.Kind })
	switch {
	case at >= 0:
		p.Drift[at].Count++
	case len(p.Drift) < MostDrift:
		p.Drift = append(p.Drift, DriftCount{d.Path, d.Kind, 1, d.Value})
	default:
		p.countFurther(d)
	}
}

func (p *ReadPage) countFurther(d Drift) {
	if last := &p.Drift[len(p.Drift)-1]; last.Kind == FurtherDriftKind {
		last.Count++
		return
	}
	p.Drift = append(p.Drift, DriftCount{FurtherDriftPath, FurtherDriftKind, 1, d.Value})
}
