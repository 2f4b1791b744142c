package conn

import (
	"strings"
	"testing"

	"github.com/pawldata/pawl/internal/domain"
)

// TestParseURL_WrongVariable checks that the error names the environment variable that pgx cannot use, and does not blame the URL.
func TestParseURL_WrongVariable(t *testing.T) {
	const url = "postgres://user:hunter2@127.0.0.1/db"
	for _, tt := range []struct{ name, value, url string }{
		{"PGSERVICE", "nowhere", url},
		{"PGCONNECT_TIMEOUT", "soon", url},
		{"PGTARGETSESSIONATTRS", "somewhere", url},
		{"PGSSLROOTCERT", "/nowhere", url + "?sslmode=verify-full"},
		{"PGSSLMODE", "perhaps", url},
		{"PGMINPROTOCOLVERSION", "9", url},
		{"PGPORT", "here", "user=user host=127.0.0.1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("PGCHANNELBINDING", "prefer") // another variable, which is right
			t.Setenv(tt.name, tt.value)
			_, err := ParseURL(tt.url, "test")
			if want := "the environment variable " + tt.name + " has a value"; err == nil || !strings.Contains(err.Error(), want) {
				t.Fatalf("got %v, want it to contain %q", err, want)
			}
			if kind, hint := domain.KindOf(err), domain.HintOf(err); kind != domain.Invalid || !strings.Contains(hint, "unset "+tt.name) {
				t.Errorf("got kind %v, hint %q; want Invalid and a hint to unset %s", kind, hint, tt.name)
			}
		})
	}
}

// TestParseURL_WrongURL checks that the error blames the URL, and not the environment, if the URL itself is wrong.
func TestParseURL_WrongURL(t *testing.T) {
	t.Setenv("PGCONNECT_TIMEOUT", "soon") // the URL replaces it
	_, err := ParseURL("postgres://127.0.0.1/db?connect_timeout=later", "test")
	if err == nil || strings.Contains(err.Error(), "environment") {
		t.Errorf("got %v, want an error about the URL", err)
	}
}
