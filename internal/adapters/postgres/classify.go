package postgres

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

// classify turns whatever pgx returned into a *domain.Error. An error that has a kind already keeps it.
func classify(op string, err error) error {
	if err == nil {
		return nil
	}
	if domain.AsError(err) != nil {
		return err
	}
	if connect, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		op = "connect to database"
		if name := connect.Config.Database; !strings.ContainsAny(name, "@:/") { // else a slip in the URL made a password of it
			op += " " + name
		}
		kind := kindOf(err)
		if kind == domain.Unknown { // the server does not take what the URL asks of it
			kind = domain.Invalid
		}
		return &domain.Error{Kind: kind, Op: op, Hint: hintFor(kind, err), Err: terse{err, distinctLines(connect.Unwrap().Error())}}
	}
	kind := kindOf(err)
	return &domain.Error{
		Kind: kind, Op: op, Hint: hintFor(kind, err), Remedy: remedyFor(err), Err: terse{err, textOf(err)},
	}
}

// classifyCommit classifies the answer to COMMIT. Only an ordinary ERROR from the server says that the transaction
// was rolled back; after anything else, a FATAL included, it may have been committed (I4).
func classifyCommit(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, pgx.ErrTxCommitRollback) {
		return &domain.Error{Kind: domain.Transient, Op: "commit", Err: err}
	}
	if answer, ok := errors.AsType[*pgconn.PgError](err); ok && answer.SeverityUnlocalized == "ERROR" {
		return classify("commit", err)
	}
	return &domain.Error{Kind: domain.Uncertain, Op: "commit", Err: terse{err, textOf(err)}}
}

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

// remedyFor returns what the user can do with a command about an answer of PostgreSQL, zero if there is nothing.
func remedyFor(err error) domain.Remedy {
	answer, ok := errors.AsType[*pgconn.PgError](err)
	if ok && (answer.Code == "42P01" || answer.Code == "42703") { // a table or column is missing
		return domain.MigrateDatabase
	}
	return 0
}

// maxText bounds an error's text: pgx prints arguments it cannot encode, which may be a page of events.
const maxText = 400 // bytes

// A terse error shows only what is fit for a log: pgx's own text may span lines, and details quote rows.
type terse struct {
	cause error
	text  string
}

func (t terse) Error() string {
	text := strings.Join(strings.Fields(t.text[:min(len(t.text), maxText)]), " ")
	if len(t.text) > maxText {
		text += " …"
	}
	return strings.ToValidUTF8(text, "")
}

func (t terse) Unwrap() error { return t.cause }

// distinctLines drops what is said twice: each address is tried with TLS and without.
func distinctLines(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "; ")
}

func textOf(err error) string {
	if answer, ok := errors.AsType[*pgconn.PgError](err); ok {
		return answer.Message + " (SQLSTATE " + answer.Code + ")"
	}
	return err.Error()
}
