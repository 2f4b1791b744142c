package conn

import (
	"errors"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pawldata/pawl/internal/domain"
)

// codeFor returns the code of an error that kindOf has given this kind.
func codeFor(kind domain.Kind, err error) domain.Code {
	if answer, ok := errors.AsType[*pgconn.PgError](err); ok {
		return codeForState(kind, answer.Code)
	}
	switch kind {
	case domain.Transient:
		return domain.CodeDatabaseUnreachable
	case domain.Invalid: // the server's certificate was not accepted
		return domain.CodeDatabaseNotSecure
	case domain.Stopped:
		return domain.CodeStopped
	default:
		return domain.CodeBug
	}
}

// codeForState returns the code for a SQLSTATE that kindOfState has given this kind.
func codeForState(kind domain.Kind, state string) domain.Code {
	switch state {
	case "53100":
		return domain.CodeDatabaseDiskFull
	case "25006": // read-only transaction
		return domain.CodeDatabaseReadOnly
	case "42501", "0L000", "0P000": // insufficient privilege; a role that may not grant, or that the user may not take
		return domain.CodeDatabasePermissionDenied
	case "57P04": // the database was dropped
		return domain.CodeDatabaseNotFound
	case "42P01", "42703": // a table or column is missing
		return domain.CodeSchemaOutdated
	case "57P01", "57P02", "57P03", "57P05": // the server shuts down, starts, or has ended the session
		return domain.CodeDatabaseUnreachable
	}
	switch classOf(state) {
	case "08": // connection exception
		return domain.CodeDatabaseUnreachable
	case "28": // invalid authorization
		return domain.CodeDatabaseLoginRefused
	case "3D": // the database does not exist
		return domain.CodeDatabaseNotFound
	case "3F": // the schema does not exist
		return domain.CodeSchemaNotFound
	case "58", "F0", "XX": // a system error, an error in the configuration file, an internal error
		return domain.CodeDatabaseInternalError
	}
	switch kind {
	case domain.Transient:
		return domain.CodeDatabaseBusy
	case domain.Invalid:
		return domain.CodeDatabaseRefusedStatement
	default:
		return domain.CodeBug
	}
}
