package postgres

import (
	"context"

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

// try does something with events in one statement. A writer that searches does it in parts, where it must, and gives those
// that the database refuses; for another one they are an Unstorable error, after which the transaction can only be rolled
// back. The search keeps one savepoint behind what is done: pgx's nested transactions would leave another for each refusal,
// all inside one another.
func (w *writer) try(
	ctx context.Context, events []domain.ReadEvent, do func([]domain.ReadEvent) error,
) (refused []domain.Reject, err error) {
	switch {
	case len(events) == 0:
		return nil, nil
	case !w.searches:
		return nil, do(events)
	}
	if _, err := w.tx.Exec(ctx, "SAVEPOINT part"); err != nil {
		return nil, err
	}
	refused, err = halving(events, func(part []domain.ReadEvent) error { return w.keep(ctx, do(part)) })
	if err != nil {
		return nil, err
	}
	_, err = w.tx.Exec(ctx, "RELEASE SAVEPOINT part")
	return refused, err
}

// keep sets the savepoint behind what was done, or takes back what was refused, and gives the error of either.
func (w *writer) keep(ctx context.Context, err error) error {
	then := "RELEASE SAVEPOINT part; SAVEPOINT part"
	switch {
	case domain.KindOf(err) == domain.Unstorable:
		then = "ROLLBACK TO SAVEPOINT part"
	case err != nil:
		return err
	}
	if _, failed := w.tx.Exec(ctx, then); failed != nil {
		return failed
	}
	return err
}
