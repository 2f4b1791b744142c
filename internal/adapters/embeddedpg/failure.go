package embeddedpg

import (
	"context"
	"errors"

	"github.com/pawldata/pawl/internal/domain"
)

// An op names the folder in every error.
type op string

func opIn(dir string) op { return op("embedded PostgreSQL in " + dir) }

func (o op) invalid(err error, hint string) error {
	return &domain.Error{Kind: domain.Invalid, Op: string(o), Err: err, Hint: hint}
}

func (o op) transient(err error, hint string) error {
	return &domain.Error{Kind: domain.Transient, Op: string(o), Err: err, Hint: hint}
}

// ended is the error for a context that has: Stopped if the caller's did, else the cause that its own bound was given.
func (o op) ended(ctx context.Context) error {
	cause := context.Cause(ctx)
	if domain.AsError(cause) != nil {
		return cause
	}
	return &domain.Error{Kind: domain.Stopped, Op: string(o), Err: cause}
}

// unless is err, or what ended the context: a program that was killed for it has nothing to say about itself.
func (o op) unless(ctx context.Context, err error, hint string) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return o.ended(ctx)
	case domain.AsError(err) != nil:
		return err
	}
	return o.invalid(err, hint)
}

const (
	hintWritable = "name a folder you may write to in DATABASE_URL, like embedded:./pawl-data"
	hintAgain    = "try again"
)

var errEmptyDir = errors.New("DATABASE_URL names no folder")
