package postgres

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
		{"the server went away", io.ErrUnexpectedEOF, domain.Transient},
		{"reset", &net.OpError{Op: "read", Err: errors.New("connection reset by peer")}, domain.Transient},
		{"a closed connection", net.ErrClosed, domain.Transient},
		{"our own time limit", context.DeadlineExceeded, domain.Transient},
		{"the caller gave up", context.Canceled, domain.Stopped},
		{"a certificate", &tls.CertificateVerificationError{Err: errors.New("expired")}, domain.Invalid},
		{"a value pgx cannot encode", errors.New("unable to encode"), domain.Unknown},
	}
	for _, tt := range tests {
		if got := domain.KindOf(classify("op", tt.err)); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
		if !errors.Is(classify("op", tt.err), tt.err) {
			t.Errorf("%s: the cause is lost", tt.name)
		}
	}
	if classify("op", nil) != nil || classifyCommit(nil) != nil {
		t.Error("no error became one")
	}
}

func TestAnUnansweredCommitIsUncertain(t *testing.T) {
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
		{"something new", errors.New("x"), domain.Uncertain},
	}
	for _, tt := range tests {
		if got := domain.KindOf(classifyCommit(tt.err)); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

// TestAFaultOfTheServersOwnIsNoBugOfPawls: SQLSTATE class XX may pass, and the server's log explains it.
func TestAFaultOfTheServersOwnIsNoBugOfPawls(t *testing.T) {
	t.Parallel()
	err := classify("store page", &pgconn.PgError{Code: "XX002", Message: "index is corrupted"})
	if domain.KindOf(err) != domain.Transient || !strings.Contains(domain.HintOf(err), "log") {
		t.Errorf("%s: %v; %s", domain.KindOf(err), err, domain.HintOf(err))
	}
}

func TestErrorsShowNoRowAndOneLine(t *testing.T) {
	t.Parallel()
	err := classify("op", &pgconn.PgError{
		Code: "23505", Message: "duplicate key", Detail: "Key (id)=(secret) already exists.", Where: "line\nbreak",
	})
	if got, want := err.Error(), "op: duplicate key (SQLSTATE 23505)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestErrorsAreBounded(t *testing.T) {
	t.Parallel()
	err := classify("op", errors.New(strings.Repeat("ä", 100_000)))
	if n := len(err.Error()); n > 500 {
		t.Errorf("an error of %d bytes", n)
	}
}

func TestModesThatCannotCarryAPageAreRefused(t *testing.T) {
	t.Parallel()
	for mode, want := range map[string]domain.Kind{
		"exec": domain.Invalid, "simple_protocol": domain.Invalid, "cache_describe": domain.Unknown, "describe_exec": domain.Unknown,
	} {
		pool, err := Open(t.Context(), "postgres://127.0.0.1/db?default_query_exec_mode="+mode, domain.StreamID{Source: "s"})
		if domain.KindOf(err) != want {
			t.Errorf("%s: %v", mode, err)
		}
		if pool != nil {
			pool.Close()
		}
	}
}

func TestMalformedURLsAreNotShown(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"", "postgres://user:hunter2@host:port/db", "postgres://user:hunter2@[/db", "host='hunter2", "hunter2",
		"mysql://user:hunter2@host/db", "postgres://user:hunter2@host/db?sslmode=perhaps",
	} {
		_, err := Open(t.Context(), url, domain.StreamID{Source: "s"})
		if domain.KindOf(err) != domain.Invalid {
			t.Errorf("%q: %v", url, err)
		} else if strings.Contains(err.Error()+domain.HintOf(err), "hunter2") {
			t.Errorf("the error shows the URL: %v", err)
		}
	}
}
