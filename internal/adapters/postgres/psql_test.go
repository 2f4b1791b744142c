package postgres_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/pawldata/pawl/internal/adapters/postgres"
	"github.com/pawldata/pawl/internal/domain"
)

// TestPsqlEnviron checks which environment variables psql gets for a connection URL.
func TestPsqlEnviron(t *testing.T) {
	// pgx would read these variables of this process, too.
	for _, name := range []string{"PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE", "PGSSLMODE", "PGOPTIONS", "PGSERVICE"} {
		t.Setenv(name, "")
	}
	tests := []struct {
		name, url string
		want      string // the variables, sorted and separated by spaces
	}{
		{
			name: "a URL", url: "postgres://me:p%40ss@db.example:6432/events?sslmode=disable",
			want: "PGDATABASE=events PGHOST=db.example PGPASSWORD=p@ss PGPORT=6432 PGSSLMODE=disable PGUSER=me",
		},
		{
			name: "key=value", url: `host=db.example port=6432 user=me password='p\'s s' dbname=events sslmode = require`,
			want: "PGDATABASE=events PGHOST=db.example PGPASSWORD=p's s PGPORT=6432 PGSSLMODE=require PGUSER=me",
		},
		{
			name: "a search_path with a space",
			url:  "postgres://me:p@db.example/events?search_path=my%20own,public&sslmode=disable",
			want: `PGDATABASE=events PGHOST=db.example PGOPTIONS=-c search_path=my\ own,public PGPASSWORD=p PGPORT=5432 ` +
				`PGSSLMODE=disable PGUSER=me`,
		},
		{
			name: "settings that only pgx knows",
			url:  "postgres://me:p@db.example/events?pool_max_conns=9&default_query_exec_mode=cache_describe&sslmode=disable",
			want: "PGDATABASE=events PGHOST=db.example PGPASSWORD=p PGPORT=5432 PGSSLMODE=disable PGUSER=me",
		},
		{
			name: "several hosts, with and without TLS",
			url:  "postgres://me:p@a.example:1,b.example:2/events?sslmode=prefer&target_session_attrs=read-write",
			want: "PGDATABASE=events PGHOST=a.example,b.example PGPASSWORD=p PGPORT=1,2 PGSSLMODE=prefer " +
				"PGTARGETSESSIONATTRS=read-write PGUSER=me",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := postgres.PsqlEnviron(tt.url)
			if err != nil {
				t.Fatal(err)
			}
			if want := splitPairs(tt.want); !slices.Equal(got, want) {
				t.Errorf("got  %q\nwant %q", got, want)
			}
		})
	}
	const password = "hunter2"
	_, err := postgres.PsqlEnviron("postgres://me:" + password + "@:x/") // x is no port
	if domain.KindOf(err) != domain.Invalid || strings.Contains(err.Error(), password) {
		t.Errorf("a malformed URL: got %v, want Invalid without the password", err)
	}
}

// splitPairs splits a list of NAME=value pairs. A value may have spaces, because each name begins with PG.
func splitPairs(text string) []string {
	return strings.Split(strings.ReplaceAll(text, " PG", "\x00PG"), "\x00")
}
