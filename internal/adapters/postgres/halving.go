package postgres

import (
	"github.com/pawldata/pawl/internal/domain"
)

// halving finds the events that the database refuses: do is given all of them, and what it says is Unstorable again in
// halves, down to single events. Any other error ends it.
func halving(events []domain.ReadEvent, do func([]domain.ReadEvent) error) (refused []domain.Reject, err error) {
	err = do(events)
	switch {
	case domain.KindOf(err) != domain.Unstorable:
		return nil, err
	case len(events) == 1:
		return []domain.Reject{unstorable(events[0], err)}, nil
	}
	half := len(events) / 2
	for _, part := range [][]domain.ReadEvent{events[:half], events[half:]} {
		more, err := halving(part, do)
		if err != nil {
			return nil, err
		}
		refused = append(refused, more...)
	}
	return refused, nil
}

func unstorable(e domain.ReadEvent, err error) domain.Reject {
	return domain.Reject{Record: e.Record, Why: domain.Rejection{
		ID: e.ID, Reason: domain.ReasonUnstorable, Detail: "PostgreSQL refuses it: " + domain.AsError(err).Err.Error(),
	}}
}
