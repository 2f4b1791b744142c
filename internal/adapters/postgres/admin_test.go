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

// TestMoveStream tests that the stream continues at its checkpoint with the new source URL, and that a runner which reads from
// the old one is fenced.
func TestMoveStream(t *testing.T) {
	t.Parallel()
	const oldURL, newURL = sourceURL, "https://new.example/v2"
	databaseURL := pgtest.Database(t)
	stream, admin := streamS, postgres.NewAdmin(newPool(t, databaseURL))
	if err := admin.MoveStream(t.Context(), stream, oldURL, newURL); !isInvalid(err, "no stream named s") {
		t.Errorf("a stream that was never claimed: got %v, want Invalid", err)
	}
	old, at := claimStore(t, databaseURL)
	at = commitNext(t, old, at, domain.DecodedPage{Events: numberedEvents(t, 3)}).Checkpoint

	if err := admin.MoveStream(t.Context(), stream, "https://wrong.example", newURL); !isInvalid(err, oldURL) {
		t.Errorf("from a wrong URL: got %v, want Invalid", err)
	}
	if _, err := old.Claim(t.Context(), stream, newURL); !isInvalid(err, oldURL) || domain.RemedyOf(err) != domain.MoveStream {
		t.Errorf("claim before the move: got %v, remedy %d", err, domain.RemedyOf(err))
	}
	const identity = "SELECT epoch || ' ' || token FROM checkpoints"
	was := pgtest.QueryOne[string](t, databaseURL, identity)
	if err := old.Hold(t.Context(), at, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := admin.MoveStream(t.Context(), stream, oldURL, newURL); err != nil {
		t.Fatal(err)
	}
	is := pgtest.QueryOne[string](t, databaseURL, identity)
	if is[:1] == was[:1] || is[2:] == was[2:] {
		t.Errorf("got epoch and token %s, want others than %s", is, was)
	}
	page := domain.DecodedPage{From: at.Position, To: at.Position, Receipt: domain.Receipt{FetchedAt: time.Now()}}
	_, err := old.Commit(t.Context(), domain.Batch{At: at, Pages: []domain.DecodedPage{page}})
	if domain.KindOf(err) != domain.Fenced {
		t.Errorf("commit of the old runner: got %v, want Fenced", err)
	}
	if got, err := old.Claim(t.Context(), stream, newURL); err != nil || got.Seq != at.Seq || got.Offset != at.Offset || got.Inserted != 3 ||
		!got.HeldUntil.IsZero() { // the rate limit was that of the old URL
		t.Errorf("claim after the move: got %+v, %v", got, err)
	}
	if err := admin.MoveStream(t.Context(), stream, oldURL, newURL); !isInvalid(err, newURL) {
		t.Errorf("second move: got %v, want Invalid", err)
	}
}

func TestDiscardDeadLetter(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	reader, admin := parkSeven(t, databaseURL), postgres.NewAdmin(newPool(t, databaseURL))
	if err := admin.DiscardDeadLetter(t.Context(), streamS, 3, "a test's record"); err != nil {
		t.Fatal(err)
	}
	l, err := reader.DeadLetter(t.Context(), streamS, 3)
	r := l.Resolved
	if err != nil || r == nil || r.How != domain.ResolvedByDiscard || r.Why != "a test's record" || r.At.IsZero() || r.PageID != 0 {
		t.Errorf("got %+v, %v, want a discarded dead letter", l.Resolved, err)
	}
	for id, want := range map[int64]string{
		3: "discarded at 20", 5: "superseded at 2026-01-04T00:00:00Z", 8: "none of id 8", 99: "none of id 99",
	} {
		err := admin.DiscardDeadLetter(t.Context(), streamS, id, "again")
		if !isInvalid(err, want) {
			t.Errorf("dead letter %d: got %v, want Invalid with %q", id, err, want)
		}
	}
	if n := pgtest.QueryOne[int](t, databaseURL, "SELECT count(*) FROM dead_letters WHERE resolved_why = 'again'"); n != 0 {
		t.Errorf("got %d dead letters discarded again, want 0", n)
	}
	report, err := replayAll(t.Context(), newReplayStore(t, databaseURL), laterDecoder)
	if err != nil || report.Received != 5 {
		t.Errorf("replay: got %+v, %v, want 5 received", report, err)
	}
}

// TestGrants tests the GRANT statements of the guide: a writer may replay and discard dead letters, a reader may only read.
func TestGrants(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	name := pgtest.QueryOne[string](t, databaseURL, "SELECT current_database()")
	writer, reader := name+"_writer", name+"_reader"
	pgtest.Exec(t, databaseURL, "CREATE ROLE "+writer+"; CREATE ROLE "+reader+"; "+readGrants(t, name))
	t.Cleanup(func() {
		for _, role := range []string{writer, reader} {
			pgtest.Exec(t, databaseURL, "DROP OWNED BY "+role+"; DROP ROLE "+role)
		}
	})
	storePayloads(t, databaseURL, undecodedPayloads(1, 2)...)
	for role, kind := range map[string]domain.Kind{reader: domain.Invalid, writer: domain.Unknown} {
		as := pgtest.WithParam(t, databaseURL, "role", role)
		store, reader := newReplayStore(t, as), postgres.NewReader(newPool(t, as))
		open, err := store.Open(t.Context(), streamS, domain.DeadLetterSelection{All: true}, 0, 1<<40)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := reader.DeadLetters(t.Context(), streamS, domain.DeadLetterFilter{}, domain.DeadLetterRange{Limit: 1}); err != nil {
			t.Error(err)
		}
		if _, err := reader.DeadLetter(t.Context(), streamS, open[0].ID); err != nil {
			t.Error(err)
		}
		if _, err := reader.Drift(t.Context(), streamS); err != nil {
			t.Error(err)
		}
		_, replayErr := store.Replay(t.Context(), domain.Redecode(streamS, open, time.Now(), laterDecoder))
		discardErr := postgres.NewAdmin(newPool(t, as)).DiscardDeadLetter(t.Context(), streamS, open[len(open)-1].ID, "why")
		for _, err := range []error{replayErr, discardErr} {
			if domain.KindOf(err) != kind || (err == nil) != (role == writer) {
				t.Errorf("%s: got %v", role, err)
			}
		}
	}
}

// readGrants returns the GRANT statements of the guide, for the schema public and for roles of this database.
func readGrants(t *testing.T, database string) string {
	t.Helper()
	guide, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "how-to", "roles-and-grants.md"))
	if err != nil {
		t.Fatal(err)
	}
	lines := regexp.MustCompile(`(?m)^GRANT .*;$`).FindAllString(string(guide), -1)
	if len(lines) == 0 {
		t.Fatal("the guide has no GRANT statement")
	}
	return strings.NewReplacer(
		"pawl_writer", database+"_writer", "pawl_reader", database+"_reader", "pawl.", "public.", "SCHEMA pawl", "SCHEMA public",
	).Replace(strings.Join(lines, "\n"))
}
