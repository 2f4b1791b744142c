package cli

import (
	"context"

	"github.com/pawldata/pawl/internal/domain"
)

type dlqCommand struct {
	List    dlqListCommand    `cmd:"" help:"List dead letters, or count them by reason."`
	Show    dlqShowCommand    `cmd:"" help:"Show all there is of one dead letter."`
	Replay  dlqReplayCommand  `cmd:"" help:"Decode dead letters again, and store what has become an event."`
	Discard dlqDiscardCommand `cmd:"" help:"Resolve a dead letter that is of no use. It is kept, with the reason."`
}

// Letters are a stream's dead letters to look through.
type Letters interface {
	List(ctx context.Context, stream domain.StreamID, f domain.DeadLetterFilter, part domain.DeadLetterRange) (letters []domain.DeadLetter, more bool, err error)
	Reasons(ctx context.Context, stream domain.StreamID, f domain.DeadLetterFilter) ([]domain.ReasonCount, error)
	Letter(ctx context.Context, stream domain.StreamID, id int64) (domain.DeadLetter, error)
	Discard(ctx context.Context, stream domain.StreamID, id int64, why string) error
}

// withLetters does something with the dead letters in the database, as often as the policy allows.
func (s *session) withLetters(work func(context.Context, Letters) error) error {
	_, closeDatabase, err := s.openDatabase()
	if err != nil {
		return err
	}
	defer closeDatabase()
	letters, release, err := s.wiring.Letters(s.ctx, s.settings)
	if err != nil {
		return err
	}
	defer release()
	return s.try(func(ctx context.Context) error { return work(ctx, letters) })
}
