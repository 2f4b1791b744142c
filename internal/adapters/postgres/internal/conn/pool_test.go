package conn

import (
	"strings"
	"testing"

	"github.com/pawldata/pawl/internal/domain"
)

// TestNewPoolQueryModes checks that NewPool refuses the query modes that cannot send a page of events.
func TestNewPoolQueryModes(t *testing.T) {
	t.Parallel()
	for mode, isAllowed := range map[string]bool{"exec": false, "simple_protocol": false, "cache_describe": true, "describe_exec": true} {
		pool, err := NewPool(t.Context(), "postgres://127.0.0.1/db?default_query_exec_mode="+mode, "test")
		if isAllowed && err != nil {
			t.Errorf("%s: got %v, want no error", mode, err)
		}
		if !isAllowed && domain.KindOf(err) != domain.Invalid {
			t.Errorf("%s: got %v, want Invalid", mode, err)
		}
		if pool != nil {
			pool.Close()
		}
	}
}

// TestNewPoolMalformedURL checks that the error for a malformed URL does not show the password.
func TestNewPoolMalformedURL(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"", "postgres://user:hunter2@host:port/db", "postgres://user:hunter2@[/db", "host='hunter2", "hunter2",
		"mysql://user:hunter2@host/db", "postgres://user:hunter2@host/db?sslmode=perhaps",
	} {
		_, err := NewPool(t.Context(), url, "test")
		if domain.KindOf(err) != domain.Invalid {
			t.Errorf("%q: got %v, want Invalid", url, err)
			continue
		}
		if strings.Contains(err.Error()+domain.HintOf(err), "hunter2") {
			t.Errorf("%q: got %v, hint %q, want no password in them", url, err, domain.HintOf(err))
		}
	}
}
