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

// Classify returns the error of operation op as a *domain.Error with a kind and a hint. If err is nil or already a *domain.Error,
// Classify returns err unchanged.
func Classify(op string, err error) error {
	if err == nil {
		return nil
	}
	if domain.AsError(err) != nil {
		return err
	}
	if connect, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return classifyConnect(connect, err)
	}
	kind := kindOf(err)
	return &domain.Error{
		Kind: kind, Code: codeFor(kind, err), Op: op, Hint: hintFor(kind, err), Remedy: remedyFor(err),
		Err: terseError{cause: err, text: textOf(err)},
	}
}

// refusedTLS is the text of pgx's error if the server has no TLS and the URL requires it. The error has no type of its own.
const refusedTLS = "server refused TLS connection"

// classifyConnect classifies err, the error of an attempt to connect. err wraps connect.
func classifyConnect(connect *pgconn.ConnectError, err error) error {
	op := "connect to database"
	name := connect.Config.Database
	if !strings.ContainsAny(name, "@:/") { // with these, the name may contain a password because of a typing error in the URL
		op += " " + name
	}
	kind := kindOf(err)
	code := codeFor(kind, err)
	if kind == domain.Unknown { // probably the server refuses a setting of the URL
		kind, code = domain.Invalid, domain.CodeDatabaseURLInvalid
	}
	text, hint := dropRefusedTLS(connect.Unwrap().Error()), hintFor(kind, err)
	if text == "" {
		text = joinDistinctLines(connect.Unwrap().Error())
		kind, code = domain.Invalid, domain.CodeDatabaseNotSecure
		hint = "the server has no TLS: correct sslmode in DATABASE_URL, or switch TLS on in the server"
	}
	return &domain.Error{Kind: kind, Code: code, Op: op, Hint: hint, Err: terseError{cause: err, text: text}}
}

// ClassifyRow classifies the error of a statement that sends values of events. If PostgreSQL refused a value, ClassifyRow returns an
// error of kind [domain.Unstorable]. It returns any other error unchanged.
func ClassifyRow(err error) error {
	answer, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || kindOfRow(answer.Code) != domain.Unstorable {
		return err
	}
	return &domain.Error{
		Kind: domain.Unstorable, Code: domain.CodeValueRefused, Op: "insert events",
		Err:  terseError{cause: err, text: textOf(err)},
		Hint: "an event holds a value that PostgreSQL cannot store",
	}
}

// classifyCommit classifies the error of COMMIT. The transaction was certainly rolled back only if the server answered with
// ROLLBACK or with an error of severity ERROR. After any other error, for example one of severity FATAL, the transaction may be
// committed. Then the kind is Uncertain (invariant I4 of package domain).
func classifyCommit(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, pgx.ErrTxCommitRollback) {
		return &domain.Error{Kind: domain.Transient, Code: domain.CodeDatabaseBusy, Op: "commit", Err: err}
	}
	if answer, ok := errors.AsType[*pgconn.PgError](err); ok && answer.SeverityUnlocalized == "ERROR" {
		return Classify("commit", err)
	}
	return &domain.Error{
		Kind: domain.Uncertain, Code: domain.CodeCommitUnanswered, Op: "commit", Err: terseError{cause: err, text: textOf(err)},
	}
}

// kindOf returns the kind of an error that pgx, the network or an ended context caused. It returns Unknown for any other error.
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
	_, isNetwork := errors.AsType[net.Error](err)
	_, isConnect := errors.AsType[*pgconn.ConnectError](err)
	isTimeout := pgconn.Timeout(err) || errors.Is(err, context.DeadlineExceeded)
	isClosed := errors.Is(err, net.ErrClosed) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
	isUnsent := pgconn.SafeToRetry(err)
	if isNetwork || isConnect || isTimeout || isClosed || isUnsent {
		return domain.Transient
	}
	return domain.Unknown
}

// kindOfState returns the kind of a SQLSTATE, PostgreSQL's code of an error (PostgreSQL manual, appendix A). It returns Unknown if only
// a bug in pawl can cause the state. It also returns Unknown if a value of an event can cause the state: only kindOfRow knows whether
// the statement has such values.
func kindOfState(code string) domain.Kind {
	if kind, ok := kindOfSingleState(code); ok {
		return kind
	}
	switch classOf(code) {
	case "08", // connection exception
		"26", // invalid SQL statement name: a pooler switched to a server connection without our prepared statement
		"40", // serialization failure, deadlock
		"53", // insufficient resources
		"55", // object not in prerequisite state, for example a lock that is not available
		"57", // operator intervention, for example a shutdown or the statement timeout
		"58", // system error outside PostgreSQL
		"72", // snapshot too old
		"XX": // an internal error of the server, such as a corrupted index
		return domain.Transient
	case "0A", // feature not supported by this server
		"0L", "0P", // invalid grantor or role
		"28", // invalid authorization, for example a wrong password or role
		"3D", // the database does not exist
		"3F", // the schema does not exist
		"F0", // an error in the server's configuration file
		"P0": // an error that a trigger or function raised, which is not pawl's
		return domain.Invalid
	}
	return domain.Unknown
}

// classOf returns the class of a SQLSTATE, which is its first two characters.
func classOf(code string) string { return code[:min(2, len(code))] }

// kindOfSingleState returns the kind of a state whose kind differs from that of its class. ok is false for all other states.
func kindOfSingleState(code string) (kind domain.Kind, ok bool) {
	switch code {
	case "25006", // read-only transaction, because the server is a standby or has become one
		"25P03", "25P04": // the idle-in-transaction timeout and the transaction timeout
		return domain.Transient, true
	case "42501", "42P01", "42703", // insufficient privilege; a missing table or column, because the schema is old
		"57P04": // the database was dropped
		return domain.Invalid, true
	}
	return domain.Unknown, false
}

// kindOfRow returns the kind of the SQLSTATE of a statement that sends values of events. It returns Unstorable if the state means that
// PostgreSQL refuses one of these values.
func kindOfRow(code string) domain.Kind {
	const duplicateKey = "23505" // not the fault of an event's value
	if code == duplicateKey {
		return kindOfState(code)
	}
	switch classOf(code) {
	case "22", // data exception
		"23", // integrity constraint violation
		"54": // program limit exceeded
		return domain.Unstorable
	}
	return kindOfState(code)
}

// hintFor returns the hint for an error, which says what the user can do. It returns an empty hint if the user can do nothing, or if
// remedyFor returns a remedy, which the command line turns into a hint.
func hintFor(kind domain.Kind, err error) string {
	answer, isAnswer := errors.AsType[*pgconn.PgError](err)
	switch {
	case isAnswer && answer.Code == "53100":
		return "the disk of the database server is full: make room there, but delete no rows of pawl and nothing in pg_wal, then run it again"
	case isAnswer && answer.Code == "25006":
		return "the server accepts no writes: it is a standby, or it was set to read-only, perhaps because its disk is almost full"
	case isAnswer && answer.Code == "53300":
		return "the server has no connection left for this user: end other sessions, or raise max_connections or the user's CONNECTION LIMIT"
	case kind == domain.Transient && !isAnswer:
		return "check that PostgreSQL is running and that DATABASE_URL points at it"
	case isAnswer && classOf(answer.Code) == "XX": // internal error
		return "PostgreSQL reported an internal error: look at its log"
	case !isAnswer || kind != domain.Invalid:
		return ""
	}
	switch classOf(answer.Code) {
	case "28", "3D": // invalid authorization; the database does not exist
		return "check user, password and database in DATABASE_URL"
	case "3F": // the schema does not exist
		return "check search_path in DATABASE_URL"
	}
	switch answer.Code {
	case "42501": // insufficient privilege
		return "grant the database user that right, or use another user in DATABASE_URL"
	case "42704", "22023": // a setting that the server does not know, or with an invalid value
		return "check the parameters in DATABASE_URL"
	}
	return ""
}

// remedyFor returns the remedy for an error that PostgreSQL reported. It returns zero if there is no remedy.
func remedyFor(err error) domain.Remedy {
	answer, ok := errors.AsType[*pgconn.PgError](err)
	if ok && (answer.Code == "42P01" || answer.Code == "42703") { // a table or column is missing
		return domain.MigrateDatabase
	}
	return 0
}

// maxErrorBytes bounds the text of a terseError. The error of pgx about an argument that it cannot encode shows the argument, which
// may be a page of events.
const maxErrorBytes = 400

// A terseError is an error with a short text of one line. It replaces an error of pgx, whose text may have several lines and may show
// rows.
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

// dropRefusedTLS joins the lines of text except those about a server that has no TLS. With the default sslmode, pgx then tries the same
// address without TLS, and only the answer to that matters. The result is empty if there are no other lines: the URL requires TLS.
func dropRefusedTLS(text string) string {
	var others strings.Builder
	for line := range strings.Lines(text) {
		if !strings.Contains(line, refusedTLS) {
			others.WriteString(line)
		}
	}
	return joinDistinctLines(others.String())
}

// joinDistinctLines joins the lines of text and drops repeated lines. pgx tries each address with and without TLS, so its error may
// have the same line twice.
func joinDistinctLines(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "; ")
}

// textOf returns the text of err. If PostgreSQL reported err, the text is only PostgreSQL's message and the SQLSTATE.
func textOf(err error) string {
	if answer, ok := errors.AsType[*pgconn.PgError](err); ok {
		return answer.Message + " (SQLSTATE " + answer.Code + ")"
	}
	return err.Error()
}
