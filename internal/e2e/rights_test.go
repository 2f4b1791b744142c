//go:build e2e

package e2e

import (
	"context"
	"strings"
	"testing"

	"github.com/pawldata/pawl/internal/pgtest"
)

// TestAWriterWithoutDDL runs as a user who may write rows and create nothing.
func TestAWriterWithoutDDL(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	databaseURL := pgtest.Empty(t)
	db := connect(t, databaseURL)
	role := "writer_" + strings.TrimPrefix(databaseURL[strings.LastIndex(databaseURL, "/")+1:strings.Index(databaseURL+"?", "?")], "pawl_test_")
	db.exec("CREATE ROLE " + role)
	t.Cleanup(func() {
		c := connect(t, databaseURL)
		c.exec("DROP OWNED BY " + role)
		c.exec("DROP ROLE " + role)
	})
	db.exec("REVOKE CREATE ON SCHEMA public FROM public")
	m := startMock(t, "--events", "1000", "--rate-limit", "0")
	asWriter := m.environment(pgtest.WithParam(t, databaseURL, "role", role))

	step := func(env []string, code int, says string, args ...string) {
		t.Helper()
		p := start(t, env, "pawl", args...)
		if got := p.wait(ctx); got != code || !strings.Contains(p.stderr.String(), says) {
			t.Fatalf("%v: exit %d, want %d and %q: %s", args, got, code, says, p.stderr.String())
		}
	}
	step(asWriter, 2, "events_checkpoints_pages", "run", "--migrate", "check")
	step(asWriter, 2, "permission denied", "run")
	step(m.environment(databaseURL), 0, "", "migrate")
	db.exec("GRANT SELECT, INSERT, UPDATE ON checkpoints, pages, events TO " + role)
	db.exec("GRANT SELECT ON schema_migrations TO " + role)
	db.exec("GRANT USAGE ON SEQUENCE pages_id_seq TO " + role)
	step(asWriter, 0, "", "run", "--migrate", "check")
	db.equalsTruth(m)
}

// TestBesideAnotherProgram meets tables of its names that are not its own, and goes into a schema of its own.
func TestBesideAnotherProgram(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	databaseURL := pgtest.Empty(t)
	db := connect(t, databaseURL)
	db.exec("CREATE TABLE events (theirs int); INSERT INTO events VALUES (1)")
	m := startMock(t, "--events", "1000", "--rate-limit", "0")
	p := start(t, m.environment(databaseURL), "pawl", "run")
	if code := p.wait(ctx); code != 2 || !strings.Contains(p.stderr.String(), "search_path=pawl") {
		t.Fatalf("exit %d: %s", code, p.stderr.String())
	}
	own := pgtest.WithParam(t, databaseURL, "search_path", "pawl")
	p = start(t, m.environment(own), "pawl", "run")
	if code := p.wait(ctx); code != 0 {
		t.Fatalf("exit %d: %s", code, p.stderr.String())
	}
	connect(t, own).equalsTruth(m)
	if n := db.count("SELECT sum(theirs) FROM events"); n != 1 {
		t.Error("the other program's rows are not what they were")
	}
}
