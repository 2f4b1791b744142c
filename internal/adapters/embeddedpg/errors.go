package embeddedpg

import (
	"context"
	"errors"

	"github.com/pawldata/pawl/internal/domain"
)

const (
	hintWritable = "name a folder you may write to in DATABASE_URL, like embedded:./pawl-data"
	hintAgain    = "try again"
)

var errEmptyDir = errors.New("DATABASE_URL names no folder")

// An op is the operation that an error names, with the folder.
type op string

func opFor(dir string) op { return op("embedded PostgreSQL in " + dir) }

func (o op) invalid(err error, hint string) error {
	return &domain.Error{Kind: domain.Invalid, Op: string(o), Err: err, Hint: hint}
}

func (o op) transient(err error, hint string) error {
	return &domain.Error{Kind: domain.Transient, Op: string(o), Err: err, Hint: hint}
}

// endedError returns the error for a ctx that has ended. If a timeout of this package ended it, that is the timeout's
// cause, else an error of kind Stopped.
func (o op) endedError(ctx context.Context) error {
	cause := context.Cause(ctx)
	if domain.AsError(cause) != nil {
		return cause
	}
	return &domain.Error{Kind: domain.Stopped, Op: string(o), Err: cause}
}

// wrap returns err as Invalid, or unchanged if it is nil or already a [domain.Error]. If ctx has ended it returns
// endedError instead: a program that was killed for that reports nothing useful.
func (o op) wrap(ctx context.Context, err error, hint string) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return o.endedError(ctx)
	case domain.AsError(err) != nil:
		return err
	}
	return o.invalid(err, hint)
}
