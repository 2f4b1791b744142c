package conn

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pawldata/pawl/internal/domain"
)

// Classify returns the error of operation op as a *domain.Error. An error that has a kind already is returned as it is.
func Classify(op string, err error) error {
	if err == nil {
		return nil
	}
	if domain.AsError(err) != nil {
		return err
	}
	if connect, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		op = "connect to database"
		if name := connect.Config.Database; !strings.ContainsAny(name, "@:/") { // else a typing error made a password part of the name
			op += " " + name
		}
		kind := kindOf(err)
		if kind == domain.Unknown { // the server refuses a setting of the URL
			kind = domain.Invalid
		}
		return &domain.Error{Kind: kind, Op: op, Hint: hintFor(kind, err), Err: terseError{err, joinDistinctLines(connect.Unwrap().Error())}}
	}
	kind := kindOf(err)
	return &domain.Error{
		Kind: kind, Op: op, Hint: hintFor(kind, err), Remedy: remedyFor(err), Err: terseError{err, textOf(err)},
	}
}

// ClassifyRow classifies the error of a statement that carries events' values. If PostgreSQL refused a value, it returns an
// Unstorable error. It returns any other error as it is.
func ClassifyRow(err error) error {
	answer, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || kindOfRow(answer.Code) != domain.Unstorable {
		return err
	}
	return &domain.Error{
		Kind: domain.Unstorable, Op: "insert events", Err: terseError{err, textOf(err)},
		Hint: "an event holds a value that PostgreSQL cannot store",
	}
}

// classifyCommit classifies the error of COMMIT. Only an ordinary ERROR from the server proves that the transaction was
// rolled back. After any other error, a FATAL included, it may have been committed (I4).
func classifyCommit(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, pgx.ErrTxCommitRollback) {
		return &domain.Error{Kind: domain.Transient, Op: "commit", Err: err}
	}
	if answer, ok := errors.AsType[*pgconn.PgError](err); ok && answer.SeverityUnlocalized == "ERROR" {
		return Classify("commit", err)
	}
	return &domain.Error{Kind: domain.Uncertain, Op: "commit", Err: terseError{err, textOf(err)}}
}

// kindOf returns the kind of an error of pgx, of the network, or of a context that ended.
func kindOf(err error) domain.Kind {
	if answer, ok := errors.AsType[*pgconn.PgError](err); ok {
		return kindOfState(answer.Code)
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return domain.Invalid
	}
	if errors.Is(err, context.Canceled) {
		return domain.Stopped
	}
	_, network := errors.AsType[net.Error](err)
	_, connecting := errors.AsType[*pgconn.ConnectError](err)
	if network || connecting || pgconn.Timeout(err) || pgconn.SafeToRetry(err) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return domain.Transient
	}
	return domain.Unknown
}

// kindOfState classifies a SQLSTATE (PostgreSQL manual, appendix A). States about an event's row are for kindOfRow. A state
// that no statement of pawl can cause is Unknown on purpose: it is a bug in pawl.
func kindOfState(code string) domain.Kind {
	if kind, ok := kindOfSingleState(code); ok {
		return kind
	}
	if len(code) < 2 {
		return domain.Unknown
	}
	switch code[:2] {
	case "08", // connection exception
		"26", // prepared statement is gone: a pooler gave us another server connection
		"40", // serialization failure, deadlock
		"53", // insufficient resources
		"55", // object not in prerequisite state: lock not available
		"57", // operator intervention: shutdown, statement timeout
		"58", // system error outside PostgreSQL
		"72", // snapshot too old
		"XX": // an internal error of the server, such as a corrupted index
		return domain.Transient
	case "0A", // feature not supported by this server
		"0L", "0P", // grantor or role
		"28", // authorization: password, role
		"3D", // no such database
		"3F", // no such schema
		"F0", // the server's configuration file
		"P0": // raised by a trigger or function that is not pawl's
		return domain.Invalid
	}
	return domain.Unknown
}

// kindOfSingleState classifies the states that differ from the rest of their class. ok is false for all others.
func kindOfSingleState(code string) (kind domain.Kind, ok bool) {
	switch code {
	case "25006", // read-only transaction: a standby, or a primary that became one
		"25P03", "25P04": // idle-in-transaction and transaction timeout
		return domain.Transient, true
	case "42501", "42P01", "42703": // insufficient privilege; a table or column that an older schema lacks
		return domain.Invalid, true
	}
	return domain.Unknown, false
}

// kindOfRow classifies the SQLSTATE of a statement that carries events' values. There, a data exception (22), a program limit
// (54) or a violated constraint (23, except a duplicate key) means that PostgreSQL refuses a value that the API sent.
func kindOfRow(code string) domain.Kind {
	if len(code) < 2 || code == "23505" {
		return kindOfState(code)
	}
	switch code[:2] {
	case "22", "23", "54":
		return domain.Unstorable
	}
	return kindOfState(code)
}

// hintFor returns what the user can do about an error, empty if there is nothing or if a remedy says it.
func hintFor(kind domain.Kind, err error) string {
	answer, answered := errors.AsType[*pgconn.PgError](err)
	switch {
	case kind == domain.Transient && !answered:
		return "check that PostgreSQL is running and that DATABASE_URL points at it"
	case answered && strings.HasPrefix(answer.Code, "XX"):
		return "PostgreSQL reported an internal error: look at its log"
	case kind != domain.Invalid || !answered:
		return ""
	}
	switch answer.Code[:min(2, len(answer.Code))] {
	case "28", "3D":
		return "check user, password and database in DATABASE_URL"
	case "3F":
		return "check search_path in DATABASE_URL"
	}
	switch answer.Code {
	case "42501":
		return "grant the database user that right, or use another user in DATABASE_URL"
	case "42704", "22023":
		return "check the parameters in DATABASE_URL"
	}
	return ""
}

// remedyFor returns the remedy for an error that PostgreSQL reported, zero if there is none.
func remedyFor(err error) domain.Remedy {
	answer, ok := errors.AsType[*pgconn.PgError](err)
	if ok && (answer.Code == "42P01" || answer.Code == "42703") { // a table or column is missing
		return domain.MigrateDatabase
	}
	return 0
}

// maxErrorBytes bounds the text of an error: pgx prints arguments that it cannot encode, which may be a page of events.
const maxErrorBytes = 400

// A terseError has a short text of one line for an error. The text of pgx may have several lines, and may show rows.
type terseError struct {
	cause error
	text  string
}

func (t terseError) Error() string {
	text := strings.Join(strings.Fields(t.text[:min(len(t.text), maxErrorBytes)]), " ")
	if len(t.text) > maxErrorBytes {
		text += " …"
	}
	return strings.ToValidUTF8(text, "")
}

func (t terseError) Unwrap() error { return t.cause }

// joinDistinctLines joins the lines of text and drops repeated ones: pgx tries each address with TLS and without.
func joinDistinctLines(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "; ")
}

// textOf returns the text of err, of an answer of PostgreSQL only the message and the SQLSTATE.
func textOf(err error) string {
	if answer, ok := errors.AsType[*pgconn.PgError](err); ok {
		return answer.Message + " (SQLSTATE " + answer.Code + ")"
	}
	return err.Error()
}
