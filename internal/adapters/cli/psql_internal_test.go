package cli

import (
	"slices"
	"testing"
)

// TestPsqlEnviron checks that psql gets no secret of pawl, and no variable of libpq that leads it to another server. For a private database
// it gets no variable of libpq at all.
func TestPsqlEnviron(t *testing.T) {
	t.Parallel()
	environ := []string{"API_KEY=k", "PGSERVICE=x", "PGHOSTADDR=203.0.113.1", "PGOPTIONS=-c a.b=1", "PAGER=less"}
	for isPrivate, want := range map[bool][]string{false: {"PGOPTIONS=-c a.b=1", "PAGER=less"}, true: {"PAGER=less"}} {
		if got := psqlEnviron(environ, isPrivate); !slices.Equal(got, want) {
			t.Errorf("private %v: got %v, want %v", isPrivate, got, want)
		}
	}
}
