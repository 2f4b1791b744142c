package postgres_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/adapters/postgres"
	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/pgtest"
)

// grants are what the README has the owner grant, for tables in the schema public and roles of one database.
func grants(t *testing.T, database string) string {
	t.Helper()
	readme, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "how-to", "roles-and-grants.md"))
	if err != nil {
		t.Fatal(err)
	}
	lines := regexp.MustCompile(`(?m)^GRANT .*;$`).FindAllString(string(readme), -1)
	if len(lines) == 0 {
		t.Fatal("the README grants nothing")
	}
	return strings.NewReplacer(
		"pawl_writer", database+"_writer", "pawl_reader", database+"_reader", "pawl.", "public.", "SCHEMA pawl", "SCHEMA public",
	).Replace(strings.Join(lines, "\n"))
}

// TestWhoMayDoWhatToLetters: the writer replays and discards, the reader looks.
func TestWhoMayDoWhatToLetters(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	name := queryOne[string](t, databaseURL, "SELECT current_database()")
	writer, reader := name+"_writer", name+"_reader"
	exec(t, databaseURL, "CREATE ROLE "+writer+"; CREATE ROLE "+reader+"; "+grants(t, name))
	t.Cleanup(func() {
		for _, role := range []string{writer, reader} {
			exec(t, databaseURL, "DROP OWNED BY "+role+"; DROP ROLE "+role)
		}
	})
	receive(t, databaseURL, unread(1, 2)...)
	stream := domain.StreamID{Source: "s"}
	for role, kind := range map[string]domain.Kind{reader: domain.Invalid, writer: domain.Unknown} {
		as := pgtest.WithParam(t, databaseURL, "role", role)
		store, letters := replaysOn(t, as), postgres.NewLetters(poolOn(t, as))
		open, err := store.Open(t.Context(), stream, domain.DeadLetterSelection{All: true}, 0, 1<<40)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := letters.List(t.Context(), stream, domain.DeadLetterFilter{}, domain.DeadLetterRange{Limit: 1}); err != nil {
			t.Error(err)
		}
		if _, err := letters.Letter(t.Context(), stream, open[0].ID); err != nil {
			t.Error(err)
		}
		if _, err := postgres.NewDriftRegister(poolOn(t, as)).Entries(t.Context(), stream); err != nil {
			t.Error(err)
		}
		_, replayErr := store.Replay(t.Context(), domain.Redecode(stream, open, time.Now(), today))
		discardErr := letters.Discard(t.Context(), stream, open[len(open)-1].ID, "why")
		for _, err := range []error{replayErr, discardErr} {
			if domain.KindOf(err) != kind || (err == nil) != (role == writer) {
				t.Errorf("%s: %v", role, err)
			}
		}
	}
}
