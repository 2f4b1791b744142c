package migrate_test

import (
	"strings"
	"testing"

	"github.com/pawldata/pawl/internal/adapters/postgres/migrate"
	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/pgtest"
)

// TestCheckRights checks that CheckRights notices before the first run that the user may not create pawl's tables, or that the database
// accepts no changes.
func TestCheckRights(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Empty(t)
	role := "low_" + strings.ReplaceAll(pgtest.QueryOne[string](t, databaseURL, "SELECT current_database()::text"), "-", "_")
	pgtest.Exec(t, databaseURL, "CREATE ROLE "+role+"; REVOKE CREATE ON SCHEMA public FROM public")
	t.Cleanup(func() { pgtest.Exec(t, databaseURL, "DROP ROLE "+role) })
	lowURL := pgtest.WithParam(t, databaseURL, "role", role)
	for _, tt := range []struct {
		name    string
		url     string
		creates bool
		want    domain.Code // empty if there should be no error
		text    string
	}{
		{name: "the owner", url: databaseURL, creates: true},
		{name: "a user without CREATE", url: lowURL, creates: true, want: domain.CodeDatabasePermissionDenied, text: "schema public"},
		{name: "a user without CREATE that creates nothing", url: lowURL},
		{
			name: "no schema, no right to make one", url: pgtest.WithParam(t, lowURL, "search_path", "pawl"), creates: true,
			want: domain.CodeDatabasePermissionDenied, text: "to make a schema",
		},
		{name: "no schema, the owner", url: pgtest.WithParam(t, databaseURL, "search_path", "pawl"), creates: true},
		{
			name: "read-only", url: pgtest.WithParam(t, databaseURL, "default_transaction_read_only", "on"),
			want: domain.CodeDatabaseReadOnly, text: "accepts no changes",
		},
	} {
		err := migrate.CheckRights(t.Context(), tt.url, tt.creates)
		isWanted := err == nil && tt.want == "" || err != nil && domain.CodeOf(err) == tt.want
		if !isWanted || err != nil && !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%s: got %v, want code %q and %q", tt.name, err, tt.want, tt.text)
		}
	}
}
