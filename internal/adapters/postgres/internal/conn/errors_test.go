package conn

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pawldata/pawl/internal/domain"
)

func TestClassify(t *testing.T) {
	t.Parallel()
	fenced := &domain.Error{Kind: domain.Fenced, Op: "advance", Err: errors.New("x")}
	tests := []struct {
		name string
		err  error
		want domain.Kind
	}{
		{"classified already", fmt.Errorf("wrapped: %w", fenced), domain.Fenced},
		{"an answer with a SQLSTATE", &pgconn.PgError{Code: "53300"}, domain.Transient},
		{"the server closed the connection", io.ErrUnexpectedEOF, domain.Transient},
		{"reset", &net.OpError{Op: "read", Err: errors.New("connection reset by peer")}, domain.Transient},
		{"a closed connection", net.ErrClosed, domain.Transient},
		{"our own time limit", context.DeadlineExceeded, domain.Transient},
		{"the caller canceled", context.Canceled, domain.Stopped},
		{"a certificate", &tls.CertificateVerificationError{Err: errors.New("expired")}, domain.Invalid},
		{"a value pgx cannot encode", errors.New("unable to encode"), domain.Unknown},
	}
	for _, tt := range tests {
		if got := domain.KindOf(Classify("op", tt.err)); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
		if !errors.Is(Classify("op", tt.err), tt.err) {
			t.Errorf("%s: got an error without its cause", tt.name)
		}
	}
	if Classify("op", nil) != nil || classifyCommit(nil) != nil {
		t.Error("got an error for nil")
	}
}

func TestClassifyCommit(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		err  error
		want domain.Kind
	}{
		{"refused by the server", &pgconn.PgError{Code: "40001", SeverityUnlocalized: "ERROR"}, domain.Transient},
		{"rolled back instead", pgx.ErrTxCommitRollback, domain.Transient},
		{"the server shut down while committing", &pgconn.PgError{Code: "57P01", SeverityUnlocalized: "FATAL"}, domain.Uncertain},
		{"connection lost", io.ErrUnexpectedEOF, domain.Uncertain},
		{"time limit", context.DeadlineExceeded, domain.Uncertain},
		{"an unknown error", errors.New("x"), domain.Uncertain},
	}
	for _, tt := range tests {
		if got := domain.KindOf(classifyCommit(tt.err)); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
}

// TestClassifyServerError tests an internal error of the server, SQLSTATE class XX: the server's log explains it.
func TestClassifyServerError(t *testing.T) {
	t.Parallel()
	err := Classify("store page", &pgconn.PgError{Code: "XX002", Message: "index is corrupted"})
	if domain.KindOf(err) != domain.Transient || !strings.Contains(domain.HintOf(err), "log") {
		t.Errorf("got %s: %v, hint %q, want Transient", domain.KindOf(err), err, domain.HintOf(err))
	}
}

func TestClassifyText(t *testing.T) {
	t.Parallel()
	err := Classify("op", &pgconn.PgError{
		Code: "23505", Message: "duplicate key", Detail: "Key (id)=(secret) already exists.", Where: "line\nbreak",
	})
	if got, want := err.Error(), "op: duplicate key (SQLSTATE 23505)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestClassifyLongText(t *testing.T) {
	t.Parallel()
	err := Classify("op", errors.New(strings.Repeat("ä", 100_000)))
	if n := len(err.Error()); n > 500 {
		t.Errorf("got an error of %d bytes, want at most 500", n)
	}
}

// TestSQLStateClasses tests every class of appendix A of the PostgreSQL manual, so that none is Unknown by accident.
func TestSQLStateClasses(t *testing.T) {
	t.Parallel()
	const (
		unknown   = domain.Unknown // no statement of pawl can cause it: a bug
		transient = domain.Transient
		invalid   = domain.Invalid
		value     = domain.Unstorable
	)
	tests := []struct {
		class     string
		want, row domain.Kind // outside and inside a statement that carries events' values
	}{
		{"00", unknown, unknown},
		{"01", unknown, unknown},
		{"02", unknown, unknown},
		{"03", unknown, unknown},
		{"08", transient, transient},
		{"09", unknown, unknown},
		{"0A", invalid, invalid},
		{"0B", unknown, unknown},
		{"0F", unknown, unknown},
		{"0L", invalid, invalid},
		{"0P", invalid, invalid},
		{"0Z", unknown, unknown},
		{"10", unknown, unknown},
		{"20", unknown, unknown},
		{"21", unknown, unknown},
		{"22", unknown, value},
		{"23", unknown, value},
		{"24", unknown, unknown},
		{"25", unknown, unknown},
		{"26", transient, transient},
		{"27", unknown, unknown},
		{"28", invalid, invalid},
		{"2B", unknown, unknown},
		{"2D", unknown, unknown},
		{"2F", unknown, unknown},
		{"34", unknown, unknown},
		{"38", unknown, unknown},
		{"39", unknown, unknown},
		{"3B", unknown, unknown},
		{"3D", invalid, invalid},
		{"3F", invalid, invalid},
		{"40", transient, transient},
		{"42", unknown, unknown},
		{"44", unknown, unknown},
		{"53", transient, transient},
		{"54", unknown, value},
		{"55", transient, transient},
		{"57", transient, transient},
		{"58", transient, transient},
		{"72", transient, transient},
		{"F0", invalid, invalid},
		{"HV", unknown, unknown},
		{"P0", invalid, invalid},
		{"XX", transient, transient},
	}
	for _, tt := range tests {
		code := tt.class + "000"
		if got := kindOfState(code); got != tt.want {
			t.Errorf("%s: got %s, want %s", code, got, tt.want)
		}
		if got := kindOfRow(code); got != tt.row {
			t.Errorf("%s about a row: got %s, want %s", code, got, tt.row)
		}
	}
}

func TestSQLStates(t *testing.T) {
	t.Parallel()
	tests := []struct {
		code, what string
		want, row  domain.Kind
	}{
		{"08006", "connection failure", domain.Transient, domain.Transient},
		{"22P05", "untranslatable character: NUL in text", domain.Unknown, domain.Unstorable},
		{"22003", "numeric value out of range", domain.Unknown, domain.Unstorable},
		{"23502", "not null", domain.Unknown, domain.Unstorable},
		{"23505", "the key exists already", domain.Unknown, domain.Unknown},
		{"25006", "read-only transaction", domain.Transient, domain.Transient},
		{"25P02", "in failed transaction", domain.Unknown, domain.Unknown},
		{"25P03", "idle in transaction timeout", domain.Transient, domain.Transient},
		{"28P01", "wrong password", domain.Invalid, domain.Invalid},
		{"3D000", "no such database", domain.Invalid, domain.Invalid},
		{"3F000", "no such schema", domain.Invalid, domain.Invalid},
		{"40P01", "deadlock", domain.Transient, domain.Transient},
		{"42501", "insufficient privilege", domain.Invalid, domain.Invalid},
		{"42601", "syntax error", domain.Unknown, domain.Unknown},
		{"42P01", "undefined table", domain.Invalid, domain.Invalid},
		{"42703", "undefined column: an older schema", domain.Invalid, domain.Invalid},
		{"53100", "disk full", domain.Transient, domain.Transient},
		{"53300", "too many connections", domain.Transient, domain.Transient},
		{"54000", "program limit exceeded", domain.Unknown, domain.Unstorable},
		{"55P03", "lock not available", domain.Transient, domain.Transient},
		{"57014", "statement timeout", domain.Transient, domain.Transient},
		{"57P01", "admin shutdown", domain.Transient, domain.Transient},
		{"57P03", "cannot connect now", domain.Transient, domain.Transient},
		{"XX001", "data corrupted", domain.Transient, domain.Transient},
		{"", "no code at all", domain.Unknown, domain.Unknown},
	}
	for _, tt := range tests {
		if got := kindOfState(tt.code); got != tt.want {
			t.Errorf("%s (%s): got %s, want %s", tt.code, tt.what, got, tt.want)
		}
		if got := kindOfRow(tt.code); got != tt.row {
			t.Errorf("%s (%s) about a row: got %s, want %s", tt.code, tt.what, got, tt.row)
		}
	}
}
