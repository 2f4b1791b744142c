package conn

import (
	"strings"
	"testing"

	"github.com/pawldata/pawl/internal/domain"
)

func TestNewPoolQueryModes(t *testing.T) {
	t.Parallel()
	for mode, want := range map[string]domain.Kind{
		"exec": domain.Invalid, "simple_protocol": domain.Invalid, "cache_describe": domain.Unknown, "describe_exec": domain.Unknown,
	} {
		pool, err := NewPool(t.Context(), "postgres://127.0.0.1/db?default_query_exec_mode="+mode, "test")
		if domain.KindOf(err) != want {
			t.Errorf("%s: got %v, want %s", mode, err, want)
		}
		if pool != nil {
			pool.Close()
		}
	}
}

func TestNewPoolMalformedURL(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"", "postgres://user:hunter2@host:port/db", "postgres://user:hunter2@[/db", "host='hunter2", "hunter2",
		"mysql://user:hunter2@host/db", "postgres://user:hunter2@host/db?sslmode=perhaps",
	} {
		_, err := NewPool(t.Context(), url, "test")
		if domain.KindOf(err) != domain.Invalid {
			t.Errorf("%q: got %v, want Invalid", url, err)
		} else if strings.Contains(err.Error()+domain.HintOf(err), "hunter2") {
			t.Errorf("the error shows the URL: %v", err)
		}
	}
}
