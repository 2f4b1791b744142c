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

// TestRoles checks the SQL about roles in docs/how-to/roles-and-grants.md. Its role pawl_owner must be able to migrate the schema.
// pawl_writer must be able to store events but not to change the schema. pawl_reader must only be able to read.
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
	// Roles belong to the whole server, which other tests use too. So each role gets a name that contains the database's name.
	ownRoles := strings.NewReplacer(
		"pawl_owner", name+"_owner", "pawl_writer", name+"_writer", "pawl_reader", name+"_reader")
	blocks := readRolesSQL(t)
	if len(blocks) != 2 {
		t.Fatalf("blocks of SQL about roles: got %d, want 2: one for the superuser and one for the owner", len(blocks))
	}
	superuserSQL, ownerSQL := ownRoles.Replace(blocks[0]), ownRoles.Replace(blocks[1])
	db.exec(superuserSQL)
	t.Cleanup(func() {
		for _, role := range []string{"pawl_reader", "pawl_writer", "pawl_owner"} {
			db.exec(ownRoles.Replace("DROP OWNED BY " + role + " CASCADE; DROP ROLE " + role))
		}
	})
	m := startMock(t, "--events", "1000", "--rate-limit", "0")
	schemaURL := pgtest.WithParam(t, databaseURL, "search_path", "pawl")
	urlForRole := func(role string) string { return pgtest.WithParam(t, schemaURL, "role", ownRoles.Replace(role)) }
	runAs := func(role string, wantCode int, wantStderr string, args ...string) {
		t.Helper()
		p := start(t, m.environment(urlForRole(role)), "pawl", args...)
		if got := p.wait(ctx); got != wantCode || !strings.Contains(p.stderr.String(), wantStderr) {
			t.Fatalf("%s, %v: exit %d, want %d with %q: %s", role, args, got, wantCode, wantStderr, p.stderr.String())
		}
	}
	db.exec(ownRoles.Replace("GRANT USAGE ON SCHEMA pawl TO pawl_writer"))
	// The schema has not been migrated yet, and the writer must not migrate it. The first error names the first migration.
	runAs("pawl_writer", exitSettings, "events_checkpoints_pages", "run", "--migrate", "check")
	runAs("pawl_writer", exitSettings, "permission denied", "run")
	runAs("pawl_owner", exitDone, "", "migrate")
	connect(t, urlForRole("pawl_owner")).exec(ownerSQL)
	runAs("pawl_reader", exitSettings, "permission denied", "run", "--migrate", "check")
	runAs("pawl_writer", exitDone, "", "run", "--migrate", "check")
	runAs("pawl_reader", exitDone, "", "status")
	connect(t, urlForRole("pawl_reader")).exec("SELECT 1 FROM events, pages, checkpoints, runners LIMIT 1")
	connect(t, schemaURL).checkAgainstMock(m)
	if n := connect(t, schemaURL).queryInt("SELECT count(*) FROM runners WHERE state = 'ended' AND last_error = ''"); n != 1 {
		t.Errorf("rows of runners that ended without an error: got %d, want 1, that of the writer", n)
	}
}

// TestOtherProgramsTables checks that pawl does not use another program's table that has the same name as one of its own tables.
// pawl must exit with exitSettings, must then work in another schema, and must leave the other table unchanged.
func TestOtherProgramsTables(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	databaseURL := pgtest.Empty(t)
	db := connect(t, databaseURL)
	db.exec("CREATE TABLE events (theirs int); INSERT INTO events VALUES (1)")
	m := startMock(t, "--events", "1000", "--rate-limit", "0")
	p := start(t, m.environment(databaseURL), "pawl", "run")
	if code := p.wait(ctx); code != exitSettings || !strings.Contains(p.stderr.String(), "search_path=pawl") {
		t.Fatalf("beside the other table: exit %d, want %d with \"search_path=pawl\": %s", code, exitSettings, p.stderr.String())
	}
	ownSchema := pgtest.WithParam(t, databaseURL, "search_path", "pawl")
	p = start(t, m.environment(ownSchema), "pawl", "run")
	if code := p.wait(ctx); code != exitDone {
		t.Fatalf("in its own schema: exit %d, want %d: %s", code, exitDone, p.stderr.String())
	}
	connect(t, ownSchema).checkAgainstMock(m)
	if n := db.queryInt("SELECT sum(theirs) FROM events"); n != 1 {
		t.Errorf("sum of the other program's column: got %d, want 1, as before", n)
	}
}

// sqlBlock finds the blocks of SQL in Markdown.
var sqlBlock = regexp.MustCompile("(?s)```sql\n(.*?)```")

// readRolesSQL returns the blocks of SQL in the section Roles of docs/how-to/roles-and-grants.md.
func readRolesSQL(t *testing.T) (blocks []string) {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "how-to", "roles-and-grants.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## Roles\n")
	section, _, _ = strings.Cut(section, "\n### ")
	for _, found := range sqlBlock.FindAllStringSubmatch(section, -1) {
		blocks = append(blocks, found[1])
	}
	return blocks
}
