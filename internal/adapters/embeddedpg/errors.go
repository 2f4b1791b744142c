package embeddedpg

import (
	"context"
	"errors"

	"github.com/pawldata/pawl/internal/domain"
)

const hintAgain = "try again"

var errEmptyDir = errors.New("DATABASE_URL names no folder")

// An operation makes errors of the type [domain.Error]. Its text says what pawl did and in which folder, and becomes their field Op.
// The kinds of these errors are [domain.Invalid], [domain.Transient] and [domain.Stopped].
type operation string

// operationFor returns the operation for the errors of a server in dir.
func operationFor(dir string) operation { return operation("embedded PostgreSQL in " + dir) }

// invalidError returns err as an error of kind Invalid with this code. If err says that the disk is full, it returns diskFullError.
func (o operation) invalidError(code domain.Code, err error, hint string) error {
	if isDiskFullError(err) {
		return o.diskFullError(err)
	}
	return &domain.Error{Kind: domain.Invalid, Code: code, Op: string(o), Err: err, Hint: hint}
}

// folderError returns err as an error of kind Invalid about the folder, which pawl cannot use. Its remedy is another folder; hint is what the
// user can do before that, and may be empty. If err says that the disk is full, folderError returns diskFullError.
func (o operation) folderError(err error, hint string) error {
	if isDiskFullError(err) {
		return o.diskFullError(err)
	}
	return &domain.Error{
		Kind: domain.Invalid, Code: domain.CodePrivateDatabaseFolder, Op: string(o), Err: err, Hint: hint, Remedy: domain.OtherFolder,
	}
}

// transientError returns err as an error of kind Transient with this code.
func (o operation) transientError(code domain.Code, err error, hint string) error {
	return &domain.Error{Kind: domain.Transient, Code: code, Op: string(o), Err: err, Hint: hint}
}

// endedError returns the error for a ctx that has ended. If a timeout of this package has ended ctx, the cause of ctx is a
// [domain.Error], and endedError returns this cause. Otherwise it returns an error of kind Stopped.
func (o operation) endedError(ctx context.Context) error {
	cause := context.Cause(ctx)
	if domain.AsError(cause) != nil {
		return cause
	}
	return &domain.Error{Kind: domain.Stopped, Code: domain.CodeStopped, Op: string(o), Err: cause}
}

// wrapError returns nil if err is nil. If ctx has ended, it returns the error of endedError, because the error of a program that
// was killed at the end of ctx does not help the user. If err is a [domain.Error], it returns err unchanged. It returns any other
// err as an error of kind Invalid with this code.
func (o operation) wrapError(ctx context.Context, code domain.Code, err error, hint string) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return o.endedError(ctx)
	case domain.AsError(err) != nil:
		return err
	}
	return o.invalidError(code, err, hint)
}
