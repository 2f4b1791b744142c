package conn

import (
	"strings"
	"testing"

	"github.com/pawldata/pawl/internal/domain"
)

// TestNewPoolQueryModes checks that NewPool refuses the query modes that cannot send a page of events.
func TestNewPoolQueryModes(t *testing.T) {
	t.Parallel()
	for mode, isAllowed := range map[string]bool{
		"exec": false, "simple_protocol": false, "cache_describe": true, "describe_exec": true,
	} {
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

// TestNewPoolWrongURL checks that NewPool returns Invalid for a URL that it cannot use. The error must show no secret, wherever the
// secret is in the URL.
func TestNewPoolWrongURL(t *testing.T) {
	t.Parallel()
	const secret = "hunter2"
	for _, url := range []string{
		"",
		"postgres://user:" + secret + "@host:port/db",            // the port is not a number
		"postgres://user:" + secret + "@[/db",                    // the bracket of the host is not closed
		"host='" + secret,                                        // the quote is not closed
		secret,                                                   // neither a URL nor key=value pairs
		"mysql://user:" + secret + "@host/db",                    // not PostgreSQL
		"postgres://user:" + secret + "@host/db?sslmode=perhaps", // no such mode
	} {
		_, err := NewPool(t.Context(), url, "test")
		if domain.KindOf(err) != domain.Invalid {
			t.Errorf("%q: got %v, want Invalid", url, err)
			continue
		}
		if strings.Contains(err.Error()+domain.HintOf(err), secret) {
			t.Errorf("%q: got %v, hint %q, want no secret in them", url, err, domain.HintOf(err))
		}
	}
}
