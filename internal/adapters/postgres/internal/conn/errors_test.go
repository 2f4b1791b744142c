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

// TestClassify checks the kind of an error, and that the classified error wraps its cause.
func TestClassify(t *testing.T) {
	t.Parallel()
	fenced := &domain.Error{Kind: domain.Fenced, Op: "advance", Err: errors.New("x")}
	tests := []struct {
		name string
		err  error
		want domain.Kind
	}{
		{name: "an error that has a kind already", err: fmt.Errorf("wrapped: %w", fenced), want: domain.Fenced},
		{name: "an answer with the SQLSTATE of too many connections", err: &pgconn.PgError{Code: "53300"}, want: domain.Transient},
		{name: "the server closed the connection", err: io.ErrUnexpectedEOF, want: domain.Transient},
		{name: "a reset connection", err: &net.OpError{Op: "read", Err: errors.New("connection reset by peer")}, want: domain.Transient},
		{name: "we closed the connection", err: net.ErrClosed, want: domain.Transient},
		{name: "a time limit of pawl", err: context.DeadlineExceeded, want: domain.Transient},
		{name: "the caller cancelled the context", err: context.Canceled, want: domain.Stopped},
		{name: "an expired certificate", err: &tls.CertificateVerificationError{Err: errors.New("expired")}, want: domain.Invalid},
		{name: "a value that pgx cannot encode", err: errors.New("unable to encode"), want: domain.Unknown},
	}
	for _, tt := range tests {
		if got := domain.KindOf(Classify("op", tt.err)); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
		if !errors.Is(Classify("op", tt.err), tt.err) {
			t.Errorf("%s: got an error that does not wrap its cause %v", tt.name, tt.err)
		}
	}
	if Classify("op", nil) != nil || classifyCommit(nil) != nil {
		t.Error("got an error for nil, want nil")
	}
}

// TestClassifyCommit checks that an error of COMMIT is Uncertain unless it is certain that the transaction was rolled back.
func TestClassifyCommit(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		err  error
		want domain.Kind
	}{
		{name: "refused by the server", err: &pgconn.PgError{Code: "40001", SeverityUnlocalized: "ERROR"}, want: domain.Transient},
		{name: "the server rolled back instead", err: pgx.ErrTxCommitRollback, want: domain.Transient},
		{name: "shut down while committing", err: &pgconn.PgError{Code: "57P01", SeverityUnlocalized: "FATAL"}, want: domain.Uncertain},
		{name: "a lost connection", err: io.ErrUnexpectedEOF, want: domain.Uncertain},
		{name: "a time limit of pawl", err: context.DeadlineExceeded, want: domain.Uncertain},
		{name: "an unknown error", err: errors.New("x"), want: domain.Uncertain},
	}
	for _, tt := range tests {
		if got := domain.KindOf(classifyCommit(tt.err)); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
}

// TestClassifyServerError checks that an internal error of the server (SQLSTATE class XX) is Transient. The hint must point to the
// server's log, which explains the error.
func TestClassifyServerError(t *testing.T) {
	t.Parallel()
	err := Classify("store page", &pgconn.PgError{Code: "XX002", Message: "index is corrupted"})
	if domain.KindOf(err) != domain.Transient || !strings.Contains(domain.HintOf(err), "log") {
		t.Errorf("got %s: %v, hint %q, want Transient and a hint that names the log", domain.KindOf(err), err, domain.HintOf(err))
	}
}

// TestClassifyText checks that the text of an error omits the details of the server's answer, which may contain values of events.
func TestClassifyText(t *testing.T) {
	t.Parallel()
	err := Classify("op", &pgconn.PgError{
		Code: "23505", Message: "duplicate key", Detail: "Key (id)=(secret) already exists.", Where: "line\nbreak",
	})
	if got, want := err.Error(), "op: duplicate key (SQLSTATE 23505)"; got != want {
		t.Errorf("got text %q, want %q", got, want)
	}
}

// TestClassifyLongText checks that Classify shortens a long text.
func TestClassifyLongText(t *testing.T) {
	t.Parallel()
	err := Classify("op", errors.New(strings.Repeat("ä", 100_000)))
	const maxBytes = len("op: ") + maxErrorBytes + len(" …")
	if n := len(err.Error()); n > maxBytes {
		t.Errorf("got an error text of %d bytes, want at most %d", n, maxBytes)
	}
}

// TestSQLStateClasses checks the kind of every SQLSTATE class in appendix A of the PostgreSQL manual. The list must be complete, so
// that a class is Unknown only on purpose.
func TestSQLStateClasses(t *testing.T) {
	t.Parallel()
	const (
		unknown    = domain.Unknown // no statement of pawl can cause such an error, except by a bug
		transient  = domain.Transient
		invalid    = domain.Invalid
		unstorable = domain.Unstorable
	)
	tests := []struct {
		class   string
		want    domain.Kind // the kind in a statement without values of events
		wantRow domain.Kind // the kind in a statement with values of events
	}{
		{class: "00", want: unknown, wantRow: unknown},
		{class: "01", want: unknown, wantRow: unknown},
		{class: "02", want: unknown, wantRow: unknown},
		{class: "03", want: unknown, wantRow: unknown},
		{class: "08", want: transient, wantRow: transient},
		{class: "09", want: unknown, wantRow: unknown},
		{class: "0A", want: invalid, wantRow: invalid},
		{class: "0B", want: unknown, wantRow: unknown},
		{class: "0F", want: unknown, wantRow: unknown},
		{class: "0L", want: invalid, wantRow: invalid},
		{class: "0P", want: invalid, wantRow: invalid},
		{class: "0Z", want: unknown, wantRow: unknown},
		{class: "10", want: unknown, wantRow: unknown},
		{class: "20", want: unknown, wantRow: unknown},
		{class: "21", want: unknown, wantRow: unknown},
		{class: "22", want: unknown, wantRow: unstorable},
		{class: "23", want: unknown, wantRow: unstorable},
		{class: "24", want: unknown, wantRow: unknown},
		{class: "25", want: unknown, wantRow: unknown},
		{class: "26", want: transient, wantRow: transient},
		{class: "27", want: unknown, wantRow: unknown},
		{class: "28", want: invalid, wantRow: invalid},
		{class: "2B", want: unknown, wantRow: unknown},
		{class: "2D", want: unknown, wantRow: unknown},
		{class: "2F", want: unknown, wantRow: unknown},
		{class: "34", want: unknown, wantRow: unknown},
		{class: "38", want: unknown, wantRow: unknown},
		{class: "39", want: unknown, wantRow: unknown},
		{class: "3B", want: unknown, wantRow: unknown},
		{class: "3D", want: invalid, wantRow: invalid},
		{class: "3F", want: invalid, wantRow: invalid},
		{class: "40", want: transient, wantRow: transient},
		{class: "42", want: unknown, wantRow: unknown},
		{class: "44", want: unknown, wantRow: unknown},
		{class: "53", want: transient, wantRow: transient},
		{class: "54", want: unknown, wantRow: unstorable},
		{class: "55", want: transient, wantRow: transient},
		{class: "57", want: transient, wantRow: transient},
		{class: "58", want: transient, wantRow: transient},
		{class: "72", want: transient, wantRow: transient},
		{class: "F0", want: invalid, wantRow: invalid},
		{class: "HV", want: unknown, wantRow: unknown},
		{class: "P0", want: invalid, wantRow: invalid},
		{class: "XX", want: transient, wantRow: transient},
	}
	for _, tt := range tests {
		code := tt.class + "000" // the general SQLSTATE of the class
		if got := kindOfState(code); got != tt.want {
			t.Errorf("%s: got %s, want %s", code, got, tt.want)
		}
		if got := kindOfRow(code); got != tt.wantRow {
			t.Errorf("%s in a statement with values of events: got %s, want %s", code, got, tt.wantRow)
		}
	}
}

// TestSQLStates checks the kind of single SQLSTATEs, also of those whose kind differs from that of their class.
func TestSQLStates(t *testing.T) {
	t.Parallel()
	tests := []struct {
		code, meaning string
		want          domain.Kind // the kind in a statement without values of events
		wantRow       domain.Kind // the kind in a statement with values of events
	}{
		{code: "08006", meaning: "connection failure", want: domain.Transient, wantRow: domain.Transient},
		{code: "22P05", meaning: "untranslatable character: NUL in text", want: domain.Unknown, wantRow: domain.Unstorable},
		{code: "22003", meaning: "number out of range", want: domain.Unknown, wantRow: domain.Unstorable},
		{code: "23502", meaning: "NULL in a column that is NOT NULL", want: domain.Unknown, wantRow: domain.Unstorable},
		{code: "23505", meaning: "the key exists already", want: domain.Unknown, wantRow: domain.Unknown},
		{code: "25006", meaning: "read-only transaction", want: domain.Transient, wantRow: domain.Transient},
		{code: "25P02", meaning: "statement in a failed transaction", want: domain.Unknown, wantRow: domain.Unknown},
		{code: "25P03", meaning: "idle in transaction timeout", want: domain.Transient, wantRow: domain.Transient},
		{code: "28P01", meaning: "wrong password", want: domain.Invalid, wantRow: domain.Invalid},
		{code: "3D000", meaning: "no such database", want: domain.Invalid, wantRow: domain.Invalid},
		{code: "3F000", meaning: "no such schema", want: domain.Invalid, wantRow: domain.Invalid},
		{code: "40P01", meaning: "deadlock", want: domain.Transient, wantRow: domain.Transient},
		{code: "42501", meaning: "insufficient privilege", want: domain.Invalid, wantRow: domain.Invalid},
		{code: "42601", meaning: "syntax error", want: domain.Unknown, wantRow: domain.Unknown},
		{code: "42P01", meaning: "undefined table", want: domain.Invalid, wantRow: domain.Invalid},
		{code: "42703", meaning: "undefined column: an older schema", want: domain.Invalid, wantRow: domain.Invalid},
		{code: "53100", meaning: "disk full", want: domain.Transient, wantRow: domain.Transient},
		{code: "53300", meaning: "too many connections", want: domain.Transient, wantRow: domain.Transient},
		{code: "54000", meaning: "program limit exceeded", want: domain.Unknown, wantRow: domain.Unstorable},
		{code: "55P03", meaning: "lock not available", want: domain.Transient, wantRow: domain.Transient},
		{code: "57014", meaning: "statement timeout", want: domain.Transient, wantRow: domain.Transient},
		{code: "57P01", meaning: "admin shutdown", want: domain.Transient, wantRow: domain.Transient},
		{code: "57P03", meaning: "cannot connect now", want: domain.Transient, wantRow: domain.Transient},
		{code: "57P04", meaning: "database dropped", want: domain.Invalid, wantRow: domain.Invalid},
		{code: "XX001", meaning: "data corrupted", want: domain.Transient, wantRow: domain.Transient},
		{code: "", meaning: "no code at all", want: domain.Unknown, wantRow: domain.Unknown},
	}
	for _, tt := range tests {
		if got := kindOfState(tt.code); got != tt.want {
			t.Errorf("%s (%s): got %s, want %s", tt.code, tt.meaning, got, tt.want)
		}
		if got := kindOfRow(tt.code); got != tt.wantRow {
			t.Errorf("%s (%s) in a statement with values of events: got %s, want %s", tt.code, tt.meaning, got, tt.wantRow)
		}
	}
}

// TestDropRefusedTLS checks that the refusal of TLS counts only if nothing else was refused. With the default sslmode, pgx also tries the
// address without TLS.
func TestDropRefusedTLS(t *testing.T) {
	t.Parallel()
	const refusal = "127.0.0.1:5432 (h): tls error: " + refusedTLS
	for text, want := range map[string]string{
		refusal:                  "",
		refusal + "\n" + refusal: "",
		refusal + "\nh: server error: starting up\n": "h: server error: starting up",
	} {
		if got := dropRefusedTLS(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
