package conn

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pawldata/pawl/internal/domain"
)

// TestClassifyCodes checks the code of errors of PostgreSQL, of the network and of a context.
func TestClassifyCodes(t *testing.T) {
	t.Parallel()
	state := func(code string) error { return &pgconn.PgError{Code: code} }
	tests := []struct {
		name string
		err  error
		want domain.Code
	}{
		{name: "no answer", err: io.ErrUnexpectedEOF, want: domain.CodeDatabaseUnreachable},
		{name: "connection failure", err: state("08006"), want: domain.CodeDatabaseUnreachable},
		{name: "cannot connect now", err: state("57P03"), want: domain.CodeDatabaseUnreachable},
		{
			name: "untrusted certificate", err: &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}},
			want: domain.CodeDatabaseNotSecure,
		},
		{name: "wrong password", err: state("28P01"), want: domain.CodeDatabaseLoginRefused},
		{name: "no such database", err: state("3D000"), want: domain.CodeDatabaseNotFound},
		{name: "no such schema", err: state("3F000"), want: domain.CodeSchemaNotFound},
		{name: "no such table", err: state("42P01"), want: domain.CodeSchemaOutdated},
		{name: "no such column", err: state("42703"), want: domain.CodeSchemaOutdated},
		{name: "insufficient privilege", err: state("42501"), want: domain.CodeDatabasePermissionDenied},
		{name: "invalid grantor", err: state("0L000"), want: domain.CodeDatabasePermissionDenied},
		{name: "invalid role", err: state("0P000"), want: domain.CodeDatabasePermissionDenied},
		{name: "database dropped", err: state("57P04"), want: domain.CodeDatabaseNotFound},
		{name: "disk full", err: state("53100"), want: domain.CodeDatabaseDiskFull},
		{name: "too many connections", err: state("53300"), want: domain.CodeDatabaseBusy},
		{name: "deadlock", err: state("40P01"), want: domain.CodeDatabaseBusy},
		{name: "statement timeout", err: state("57014"), want: domain.CodeDatabaseBusy},
		{name: "read-only transaction", err: state("25006"), want: domain.CodeDatabaseReadOnly},
		{name: "data corrupted", err: state("XX001"), want: domain.CodeDatabaseInternalError},
		{name: "a trigger raised an error", err: state("P0001"), want: domain.CodeDatabaseRefusedStatement},
		{name: "syntax error", err: state("42601"), want: domain.CodeBug},
		{name: "cancelled", err: context.Canceled, want: domain.CodeStopped},
		{name: "anything else", err: errors.New("x"), want: domain.CodeBug},
	}
	for _, tt := range tests {
		if got := domain.CodeOf(Classify("op", tt.err)); got != tt.want {
			t.Errorf("%s: got code %s, want %s", tt.name, got, tt.want)
		}
	}
}
