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

// TestMoveStream checks that a moved stream continues at its checkpoint with the new source URL. MoveStream must fence a runner
// that reads from the old URL.
func TestMoveStream(t *testing.T) {
	t.Parallel()
	const oldURL, newURL = sourceURL, "https://new.example/v2"
	databaseURL := pgtest.Database(t)
	admin := postgres.NewAdmin(newPool(t, databaseURL))
	moveFrom := func(url string) error { return admin.MoveStream(t.Context(), streamS, url, newURL) }
	if err := moveFrom(oldURL); !isInvalid(err, "no stream named s") {
		t.Errorf("move a stream that was never claimed: got %v, want Invalid", err)
	}
	oldRunner, checkpoint := claimStore(t, databaseURL)
	const events = 3
	checkpoint = commitNext(t, oldRunner, checkpoint, domain.DecodedPage{Events: makeManyEvents(t, events)}).Checkpoint

	if err := moveFrom("https://wrong.example"); !isInvalid(err, oldURL) {
		t.Errorf("move from a wrong URL: got %v, want Invalid that names %s", err, oldURL)
	}
	_, err := oldRunner.Claim(t.Context(), streamS, newURL)
	if !isInvalid(err, oldURL) || domain.RemedyOf(err) != domain.MoveStream {
		t.Errorf("claim before the move: got %v, remedy %d, want Invalid and remedy %d", err, domain.RemedyOf(err), domain.MoveStream)
	}
	epochBefore, tokenBefore := readEpochAndToken(t, databaseURL)
	if err := oldRunner.Hold(t.Context(), checkpoint, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := moveFrom(oldURL); err != nil {
		t.Fatal(err)
	}
	if epoch, token := readEpochAndToken(t, databaseURL); epoch == epochBefore || token == tokenBefore {
		t.Errorf("got epoch %d and token %s, want others than %d and %s", epoch, token, epochBefore, tokenBefore)
	}
	_, err = oldRunner.Commit(t.Context(), batchOf(checkpoint, emptyPage(checkpoint)))
	if domain.KindOf(err) != domain.Fenced {
		t.Errorf("commit of the old runner: got %v, want Fenced", err)
	}
	got, err := oldRunner.Claim(t.Context(), streamS, newURL)
	isContinued := got.Seq == checkpoint.Seq && got.Offset == checkpoint.Offset && got.Inserted == events
	if err != nil || !isContinued {
		t.Errorf("claim after the move: got %+v, %v, want seq, offset and %d inserted of %+v", got, err, events, checkpoint)
	}
	if !got.HeldUntil.IsZero() { // the rate limit of the old URL does not apply to the new URL
		t.Errorf("claim after the move: got a hold until %s, want none", got.HeldUntil)
	}
	if err := moveFrom(oldURL); !isInvalid(err, newURL) {
		t.Errorf("second move from the old URL: got %v, want Invalid that names %s", err, newURL)
	}
}

// readEpochAndToken returns the values that fence a stale runner. The database must have one stream.
func readEpochAndToken(t *testing.T, databaseURL string) (epoch int64, token string) {
	t.Helper()
	return pgtest.QueryOne[int64](t, databaseURL, "SELECT epoch FROM checkpoints"),
		pgtest.QueryOne[string](t, databaseURL, "SELECT token::text FROM checkpoints")
}

// TestDiscardDeadLetter checks that only an open dead letter of the stream can be discarded, and that replays then ignore it.
func TestDiscardDeadLetter(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	// Stream s gets the dead letters 1 to 7. Letter 5 is superseded, the others are open. Letter 8 is of another stream.
	reader := parkSeven(t, databaseURL)
	admin := postgres.NewAdmin(newPool(t, databaseURL))
	if err := admin.DiscardDeadLetter(t.Context(), streamS, 3, "a test's record"); err != nil {
		t.Fatal(err)
	}
	letter, err := reader.DeadLetter(t.Context(), streamS, 3)
	if err != nil || letter.Resolved == nil {
		t.Fatalf("got dead letter %+v, %v, want a resolved one", letter, err)
	}
	want := domain.Resolution{How: domain.ResolvedByDiscard, Why: "a test's record", At: letter.Resolved.At}
	if *letter.Resolved != want || letter.Resolved.At.IsZero() {
		t.Errorf("got resolution %+v, want %+v with a time", *letter.Resolved, want)
	}
	for id, want := range map[int64]string{
		3: "discarded at 20", // then comes the rest of the time, which differs in each run
		5: "superseded at 2026-01-04T00:00:00Z", 8: "none of id 8", 99: "none of id 99",
	} {
		err := admin.DiscardDeadLetter(t.Context(), streamS, id, "another reason")
		if !isInvalid(err, want) {
			t.Errorf("discard dead letter %d: got %v, want Invalid with %q", id, err, want)
		}
	}
	if n := pgtest.QueryOne[int](t, databaseURL, "SELECT count(*) FROM dead_letters WHERE resolved_why = 'another reason'"); n != 0 {
		t.Errorf("got %d dead letters discarded for the other reason, want 0", n)
	}
	report, err := replayAll(t.Context(), newReplayStore(t, databaseURL), laterDecoder)
	if err != nil || report.Received != 5 { // letters 1, 2, 4, 6 and 7 are still open
		t.Errorf("replay: got report %+v, %v, want 5 received", report, err)
	}
}

// TestGrants checks the GRANT statements of docs/how-to/roles-and-grants.md: a writer can replay and discard dead letters,
// and reset the checkpoint, but a reader can only read.
func TestGrants(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	name := pgtest.QueryOne[string](t, databaseURL, "SELECT current_database()")
	writerRole, readerRole := name+"_writer", name+"_reader"
	pgtest.Exec(t, databaseURL, "CREATE ROLE "+writerRole+"; CREATE ROLE "+readerRole+"; "+readGrants(t, writerRole, readerRole))
	t.Cleanup(func() {
		for _, role := range []string{writerRole, readerRole} {
			pgtest.Exec(t, databaseURL, "DROP OWNED BY "+role+"; DROP ROLE "+role)
		}
	})
	s := newPageWriter(t, databaseURL, "s").commitPayloads("cursor-a", undecodedPayloads(1, 2)...)
	s.store.Close()
	waitForFreeLock(t, databaseURL)
	for _, role := range []string{writerRole, readerRole} {
		roleURL := pgtest.WithParam(t, databaseURL, "role", role)
		store, reader := newReplayStore(t, roleURL), postgres.NewReader(newPool(t, roleURL))
		const beforeAll = 0 // less than every id
		open := openLettersAfter(t, store, beforeAll)
		_, _, listErr := reader.DeadLetters(t.Context(), streamS, domain.DeadLetterFilter{}, domain.DeadLetterRange{Limit: 1})
		_, letterErr := reader.DeadLetter(t.Context(), streamS, open[0].ID)
		_, driftErr := reader.Drift(t.Context(), streamS)
		for operation, err := range map[string]error{"list": listErr, "letter": letterErr, "drift": driftErr} {
			if err != nil {
				t.Errorf("%s by %s: got %v, want no error", operation, role, err)
			}
		}
		_, replayErr := store.Replay(t.Context(), domain.Redecode(streamS, open, time.Now(), laterDecoder))
		admin := postgres.NewAdmin(newPool(t, roleURL))
		discardErr := admin.DiscardDeadLetter(t.Context(), streamS, open[len(open)-1].ID, "why")
		_, resetErr := admin.ResetCheckpoint(t.Context(), streamS)
		for operation, err := range map[string]error{"replay": replayErr, "discard": discardErr, "reset": resetErr} {
			if role == writerRole && err != nil {
				t.Errorf("%s by %s: got %v, want no error", operation, role, err)
			}
			if role == readerRole && domain.KindOf(err) != domain.Invalid {
				t.Errorf("%s by %s: got %v, want Invalid", operation, role, err)
			}
		}
	}
}

// readGrants returns the GRANT statements of the guide for these roles. Its schema pawl becomes the schema public, where the
// tests have their tables.
func readGrants(t *testing.T, writerRole, readerRole string) string {
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
		"pawl_writer", writerRole, "pawl_reader", readerRole, "pawl.", "public.", "SCHEMA pawl", "SCHEMA public",
	).Replace(strings.Join(lines, "\n"))
}
