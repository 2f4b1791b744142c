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

// An op is the text with which an error names its operation and folder. It becomes the field Op of a [domain.Error].
type op string

// opFor returns the op for a server in dir.
func opFor(dir string) op { return op("embedded PostgreSQL in " + dir) }

// invalid returns err as an error of kind Invalid.
func (o op) invalid(err error, hint string) error {
	return &domain.Error{Kind: domain.Invalid, Op: string(o), Err: err, Hint: hint}
}

// transient returns err as an error of kind Transient.
func (o op) transient(err error, hint string) error {
	return &domain.Error{Kind: domain.Transient, Op: string(o), Err: err, Hint: hint}
}

// endedError returns the error for a ctx that has ended. If a timeout of this package has ended ctx, the cause is already a
// [domain.Error], and endedError returns it. Otherwise it returns an error of kind Stopped.
func (o op) endedError(ctx context.Context) error {
	cause := context.Cause(ctx)
	if domain.AsError(cause) != nil {
		return cause
	}
	return &domain.Error{Kind: domain.Stopped, Op: string(o), Err: cause}
}

// wrap returns err as an error of kind Invalid. It returns err unchanged if err is nil or already a [domain.Error]. If ctx has
// ended, it returns endedError instead, because the error of a program that was killed for this reason does not help.
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
