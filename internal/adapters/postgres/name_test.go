package postgres_test

import (
	"testing"

	"github.com/pawldata/pawl/internal/adapters/postgres"
)

// TestDatabaseName checks the name of a database for each form of a URL. No name contains the user or the password.
func TestDatabaseName(t *testing.T) {
	t.Parallel()
	for databaseURL, want := range map[string]string{
		"postgres://user:secret@db.example:6432/events?sslmode=disable": "db.example:6432/events",
		"postgres://user:secret@db.example/events":                      "db.example:5432/events",
		"postgres://user:secret@a,b:6432/events":                        "a:5432,b:6432/events",
		"postgres://user:secret@[::1]:5432/events":                      "[::1]:5432/events",
		"host=/run/pg user=user password=secret dbname=events":          "/run/pg:5432/events",
		"postgres://events:secret@db.example":                           "db.example:5432/events",
		"postgres://user:secret@db.example:none/events":                 "",
		"": "",
	} {
		if got := postgres.DatabaseName(databaseURL); got != want {
			t.Errorf("%s: got name %q, want %q", databaseURL, got, want)
		}
	}
}
