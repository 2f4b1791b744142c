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
	tests := []struct{ name, url, want string }{
		{
			"a URL", "postgres://me:p%40ss@db.example:6432/events?sslmode=disable",
			"PGDATABASE=events PGHOST=db.example PGPASSWORD=p@ss PGPORT=6432 PGSSLMODE=disable PGUSER=me",
		},
		{
			"key=value", `host=db.example port=6432 user=me password='p\'s s' dbname=events sslmode = require`,
			"PGDATABASE=events PGHOST=db.example PGPASSWORD=p's s PGPORT=6432 PGSSLMODE=require PGUSER=me",
		},
		{
			"a search_path with a space", "postgres://me:p@db.example/events?search_path=my%20own,public&sslmode=disable",
			`PGDATABASE=events PGHOST=db.example PGOPTIONS=-c search_path=my\ own,public PGPASSWORD=p PGPORT=5432 PGSSLMODE=disable PGUSER=me`,
		},
		{
			"settings that only pgx knows",
			"postgres://me:p@db.example/events?pool_max_conns=9&default_query_exec_mode=cache_describe&sslmode=disable",
			"PGDATABASE=events PGHOST=db.example PGPASSWORD=p PGPORT=5432 PGSSLMODE=disable PGUSER=me",
		},
		{
			"several hosts, with and without TLS", "postgres://me:p@a.example:1,b.example:2/events?sslmode=prefer&target_session_attrs=read-write",
			"PGDATABASE=events PGHOST=a.example,b.example PGPASSWORD=p PGPORT=1,2 PGSSLMODE=prefer PGTARGETSESSIONATTRS=read-write PGUSER=me",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := postgres.PsqlEnviron(tt.url)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, splitPairs(tt.want)) {
				t.Errorf("got  %q\nwant %q", got, splitPairs(tt.want))
			}
		})
	}
	_, err := postgres.PsqlEnviron("postgres://me:hunter2@:x/")
	if domain.KindOf(err) != domain.Invalid || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a malformed URL: got %v, want Invalid without the password", err)
	}
}

// splitPairs splits a list of NAME=value pairs. A value may have spaces, because each name begins with PG.
func splitPairs(text string) []string {
	return strings.Split(strings.ReplaceAll(text, " PG", "\x00PG"), "\x00")
}
