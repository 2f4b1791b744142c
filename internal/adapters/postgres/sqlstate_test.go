package postgres

import (
	"testing"

	"github.com/pawldata/pawl/internal/domain"
)

// TestSQLStateClasses walks every class of appendix A of the PostgreSQL manual, so that none is Unknown by accident.
func TestSQLStateClasses(t *testing.T) {
	t.Parallel()
	const (
		unknown   = domain.Unknown // cannot come from pawl's statements: a bug if it does
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
			t.Errorf("%s is %s, want %s", code, got, tt.want)
		}
		if got := kindOfRow(code); got != tt.row {
			t.Errorf("%s about a row is %s, want %s", code, got, tt.row)
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
			t.Errorf("%s (%s) is %s, want %s", tt.code, tt.what, got, tt.want)
		}
		if got := kindOfRow(tt.code); got != tt.row {
			t.Errorf("%s (%s) about a row is %s, want %s", tt.code, tt.what, got, tt.row)
		}
	}
}
