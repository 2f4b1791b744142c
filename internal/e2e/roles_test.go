//go:build e2e

package e2e

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/pawldata/pawl/internal/pgtest"
)

// TestRoles checks the SQL in the README about roles: with it the owner migrates, the writer stores but cannot change the
// schema, and the reader only reads.
func TestRoles(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	databaseURL := pgtest.Empty(t)
	db := connect(t, databaseURL)
	var name string
	if err := db.conn.QueryRow(ctx, "SELECT current_database()").Scan(&name); err != nil {
		t.Fatal(err)
	}
	roles := strings.NewReplacer( // roles belong to the whole server, which other tests use
		"pawl_owner", name+"_owner", "pawl_writer", name+"_writer", "pawl_reader", name+"_reader")
	blocks := readRolesSQL(t)
	if len(blocks) != 2 {
		t.Fatalf("got %d blocks of SQL about roles in the README, want 2: for the superuser and for the owner", len(blocks))
	}
	db.exec(roles.Replace(blocks[0]))
	t.Cleanup(func() {
		for _, role := range []string{"pawl_reader", "pawl_writer", "pawl_owner"} {
			db.exec(roles.Replace("DROP OWNED BY " + role + " CASCADE; DROP ROLE " + role))
		}
	})
	m := startMock(t, "--events", "1000", "--rate-limit", "0")
	as := func(role string) string {
		return pgtest.WithParam(t, pgtest.WithParam(t, databaseURL, "search_path", "pawl"), "role", roles.Replace(role))
	}
	step := func(role string, code int, wantStderr string, args ...string) {
		t.Helper()
		p := start(t, m.environment(as(role)), "pawl", args...)
		if got := p.wait(ctx); got != code || !strings.Contains(p.stderr.String(), wantStderr) {
			t.Fatalf("%s, %v: exit %d, want %d with %q: %s", role, args, got, code, wantStderr, p.stderr.String())
		}
	}
	db.exec(roles.Replace("GRANT USAGE ON SCHEMA pawl TO pawl_writer"))
	step("pawl_writer", 2, "events_checkpoints_pages", "run", "--migrate", "check")
	step("pawl_writer", 2, "permission denied", "run")
	step("pawl_owner", 0, "", "migrate")
	connect(t, as("pawl_owner")).exec(roles.Replace(blocks[1]))
	step("pawl_reader", 2, "permission denied", "run", "--migrate", "check")
	step("pawl_writer", 0, "", "run", "--migrate", "check")
	step("pawl_reader", 0, "", "status")
	connect(t, as("pawl_reader")).exec("SELECT 1 FROM events, pages, checkpoints LIMIT 1")
	connect(t, pgtest.WithParam(t, databaseURL, "search_path", "pawl")).checkTruth(m)
}

// TestOtherProgramsTables checks that pawl refuses to use another program's table that has one of its names, that it works
// in a schema of its own, and that it leaves the other table alone.
func TestOtherProgramsTables(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
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
	connect(t, own).checkTruth(m)
	if n := db.count("SELECT sum(theirs) FROM events"); n != 1 {
		t.Error("the other program's rows have changed")
	}
}

var sqlBlock = regexp.MustCompile("(?s)```sql\n(.*?)```")

// readRolesSQL returns the blocks of SQL in the README's section about roles.
func readRolesSQL(t *testing.T) (blocks []string) {
	t.Helper()
	readme, err := os.ReadFile(filepath.Join("..", "..", "docs", "how-to", "roles-and-grants.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(readme), "\n## Roles\n")
	section, _, _ = strings.Cut(section, "\n### ")
	for _, found := range sqlBlock.FindAllStringSubmatch(section, -1) {
		blocks = append(blocks, found[1])
	}
	return blocks
}
