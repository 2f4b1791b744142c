package mockapi

import (
	"iter"
	"time"
)

// A Truth is what must become of every record, from the seed and the drifts alone: what was served, and how often, does not
// enter. It shares the plain event with the API and none of the code that writes one. It is safe for concurrent use.
//
// It is that of one pass from the head. While the collection grows, a pass that begins between a twin and its newer
// neighbour meets only one of them; At gives the truth of the size that a pass began with.
type Truth struct{ view view }

// Truth is what a database must hold in the end, of the events that there are now.
func (s *Server) Truth() Truth {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Truth{view{dataset: s.data.of(s.size), drifts: s.plan.drifts}}
}

// At is the truth of the collection when it had so many events, or will have.
func (t Truth) At(size int) Truth {
	t.view.dataset = t.view.of(min(max(size, 0), maxEvents))
	return t
}

// Len is the number of records.
func (t Truth) Len() int { return t.view.n }

// Row is the record at index i, 0 being the newest, and false outside [0, Len).
func (t Truth) Row(i int) (Row, bool) {
	if i < 0 || i >= t.view.n {
		return Row{}, false
	}
	return t.row(i), true
}

func (t Truth) row(i int) Row {
	d := t.view.drifted(i)
	if d == nil {
		var e event
		t.view.read(i, &e)
		return rowOf(i, &e)
	}
	row := rowOf(i, &d.event)
	if d.expect != nil {
		d.expect(&row, &d.event, d.shape)
	}
	if d.outcome == Parked || d.outcome == Duplicate {
		row = Row{Index: i}
	}
	row.Outcome, row.Reason, row.Drift, row.Payload = d.outcome, d.reason, d.kind, d.payload
	return row
}

// rowOf is what an event says if nothing is wrong with it.
func rowOf(i int, e *event) Row {
	return Row{
		Index:      i,
		Outcome:    Stored,
		ID:         e.id.String(),
		SessionID:  e.session.String(),
		UserID:     e.user.String(),
		Type:       e.kind,
		Name:       string(e.name[:]),
		Properties: e.properties,
		OccurredAt: time.UnixMilli(e.at).UTC(),
		DeviceType: e.device,
		Browser:    e.browser,
	}
}

// Rows yields the rows at [from, to) in the order of the API, clipped to what there is.
func (t Truth) Rows(from, to int) iter.Seq2[int, Row] {
	return func(yield func(int, Row) bool) {
		for i := max(from, 0); i < min(to, t.view.n); i++ {
			if !yield(i, t.row(i)) {
				return
			}
		}
	}
}
