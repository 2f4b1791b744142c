package postgres_test

import (
	"net"
	"strings"
	"testing"

	"github.com/pawldata/pawl/internal/adapters/postgres"
	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/pgtest"
)

// resetStream ends the runner of the writer and resets the checkpoint of its stream.
func resetStream(t *testing.T, s *pageWriter) domain.CheckpointReset {
	t.Helper()
	s.store.Close()
	waitForFreeLock(t, s.databaseURL)
	reset, err := postgres.NewAdmin(newPool(t, s.databaseURL)).ResetCheckpoint(t.Context(), s.checkpoint.Stream)
	if err != nil {
		t.Fatal(err)
	}
	return reset
}

// waitForFreeLock waits until no session has the lock of a stream. The server needs a moment to notice that a session has ended.
func waitForFreeLock(t *testing.T, databaseURL string) {
	t.Helper()
	pgtest.Eventually(t, "the lock is free", func() bool {
		return pgtest.QueryOne[int](t, databaseURL, "SELECT count(*) FROM ("+selectHolderPID+") AS holders") == 0
	})
}

// TestResetCheckpoint checks that after a reset the next run reads a new pass from the head, that the events stay, that the ledger has a
// row, that an older runner is fenced, and that a second reset changes nothing. No inspection may find a difference.
func TestResetCheckpoint(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	expectSound := func(when string) {
		t.Helper()
		if got := describe(inspect(t.Context(), t, databaseURL)); got != "" {
			t.Errorf("%s: got differences:\n%swant none", when, got)
		}
	}
	s := newPageWriter(t, databaseURL, "s").commitPage("cursor-a", 1, 2).commitPage("cursor-b", 3, 4)
	reset := resetStream(t, s)
	after := reset.After
	isMoved := after.IsAtHead() && after.Pass == 2 && after.Offset == 0 && after.MaxOffset == 4 && after.CursorExpiresAt.IsZero() &&
		!after.AnnouncedFirst.Known && !after.AnnouncedLast.Known
	isKept := after.Seq == 2 && after.Counts == reset.Before.Counts && after.UpdatedAt.Equal(reset.Before.UpdatedAt)
	if !isMoved || !isKept || after.Epoch != reset.Before.Epoch+1 || after.Token == reset.Before.Token {
		t.Errorf("got %+v, want the head of pass 2 with seq 2, the counts of %+v, and another claim", after, reset.Before)
	}
	const selectRow = `SELECT concat_ws(' ', kind, pass, seq, parent_seq, position, received, cursor_in, cursor_out, requests)
		FROM pages ORDER BY id DESC LIMIT 1`
	if got := pgtest.QueryOne[string](t, databaseURL, selectRow); got != "reset 2 2 0 0 0   0" {
		t.Errorf("got the last row of the ledger %q, want a reset", got)
	}
	expectSound("after the reset")
	page := s.makePage(s.from, "cursor-c", 5)
	if _, err := s.store.Commit(t.Context(), batchOf(s.checkpoint, page)); domain.KindOf(err) != domain.Fenced {
		t.Errorf("commit of the older runner: got %v, want Fenced", err)
	}

	if second := resetStream(t, s); second.Before != after || second.After != after {
		t.Errorf("second reset: got %+v, want %+v before and after it", second, after)
	}
	next := newPageWriter(t, databaseURL, "s")
	if next.from != after.Position {
		t.Errorf("got position %+v of the next claim, want %+v", next.from, after.Position)
	}
	next.commitPage("cursor-a", 1, 2).commitPage("cursor-b", 3, 4).commitPage(endCursor, 5)
	if got, want := next.checkpoint.Counts, (domain.Counts{Received: 9, Inserted: 5, Duplicate: 4}); got != want || next.checkpoint.Seq != 5 {
		t.Errorf("got counts %+v and seq %d, want %+v and 5", got, next.checkpoint.Seq, want)
	}
	expectSound("after the next pass")
	if reset := resetStream(t, next); reset.After.Pass != 3 || reset.After.Done {
		t.Errorf("reset of a complete stream: got %+v, want pass 3, not done", reset.After)
	}
	expectSound("after the reset of a complete stream")
	newPageWriter(t, databaseURL, "s").commitPage(endCursor, 1, 2, 3, 4, 5)
	expectSound("after the last pass")
}

// TestResetCheckpoint_AcceptedEnd checks that an inspection no longer reports an accepted short end after a reset.
func TestResetCheckpoint_AcceptedEnd(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	s := newPageWriter(t, databaseURL, "s")
	page := s.makePage(s.from, endCursor, 1, 2)
	page.End.AcceptShort = true
	s.commit(page)
	if !inspect(t.Context(), t, databaseURL).EndAccepted {
		t.Fatal("before the reset: got no accepted end, want one")
	}
	resetStream(t, s)
	if inspect(t.Context(), t, databaseURL).EndAccepted {
		t.Error("after the reset: got an accepted end, want none")
	}
}

// TestResetCheckpoint_Replay checks that a replay of dead letters between a reset and the next page leaves no differences.
func TestResetCheckpoint_Replay(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	s := newPageWriter(t, databaseURL, "s").commitPayloads("cursor-a", "1", "x", "y")
	replay := func() {
		t.Helper()
		if _, err := replayAll(t.Context(), newReplayStore(t, databaseURL), pickyDecoder{}); err != nil {
			t.Fatal(err)
		}
	}
	replay()
	resetStream(t, s)
	replay()
	const countReplays = "SELECT count(*) FROM pages WHERE kind = 'replay'"
	if n := pgtest.QueryOne[int](t, databaseURL, countReplays); n != 2 {
		t.Fatalf("got %d replays in the ledger, want 2", n)
	}
	if got := describe(inspect(t.Context(), t, databaseURL)); got != "" {
		t.Errorf("got differences:\n%swant none", got)
	}
}

// TestResetCheckpoint_Runner checks that a reset refuses a stream with a runner, whether the runner has the session lock, or a lease because it
// is behind a pooler. When the runner has lost the stream, the reset succeeds and fences it.
func TestResetCheckpoint_Runner(t *testing.T) {
	t.Parallel()
	for name, serve := range map[string]func(net.Conn, string){"direct": nil, "behind a pooler": servePooler} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			databaseURL := pgtest.Database(t)
			runnerURL := databaseURL
			if serve != nil {
				runnerURL = startProxy(t, databaseURL, serve)
			}
			store, checkpoint := claimProfiled(t, runnerURL, nil)
			commit := func(page domain.DecodedPage) {
				t.Helper()
				res, err := store.Commit(t.Context(), batchOf(checkpoint, page))
				if err != nil {
					t.Fatal(err)
				}
				checkpoint = res.Checkpoint
			}
			commit(decodePayloads(checkpoint.Position, "cursor-a", "1", "2"))
			expectRunner(t, databaseURL, "s | m | 7 | v1 | working |  | f | f | t | t | f")
			admin := postgres.NewAdmin(newPool(t, databaseURL))
			_, err := admin.ResetCheckpoint(t.Context(), streamS)
			if domain.KindOf(err) != domain.Fenced || !strings.Contains(err.Error(), "reset checkpoint: another runner holds stream s: pid 7 on m") {
				t.Errorf("while the runner is alive: got %v, want Fenced that names pid 7 on m", err)
			}
			commit(emptyPage(checkpoint)) // the reset has changed nothing
			if serve == nil {
				store.Close()
				waitForFreeLock(t, databaseURL)
			} else {
				endLease(t, databaseURL)
			}
			if _, err := admin.ResetCheckpoint(t.Context(), streamS); err != nil {
				t.Errorf("after the runner has lost the stream: got %v, want no error", err)
			}
			if _, err := store.Commit(t.Context(), batchOf(checkpoint, emptyPage(checkpoint))); domain.KindOf(err) != domain.Fenced {
				t.Errorf("commit of the runner: got %v, want Fenced", err)
			}
		})
	}
}

// TestResetCheckpoint_AllOrNothing checks that a reset whose ledger row is refused leaves the checkpoint as it was.
func TestResetCheckpoint_AllOrNothing(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	admin := postgres.NewAdmin(newPool(t, databaseURL))
	if _, err := admin.ResetCheckpoint(t.Context(), streamS); !isInvalid(err, "no stream named s") {
		t.Errorf("a stream that was never claimed: got %v, want Invalid", err)
	}
	s := newPageWriter(t, databaseURL, "s").commitPage("cursor-a", 1, 2)
	s.store.Close()
	waitForFreeLock(t, databaseURL)
	pgtest.Exec(t, databaseURL, "ALTER TABLE pages ADD CONSTRAINT no_reset CHECK (kind <> 'reset')")
	if _, err := admin.ResetCheckpoint(t.Context(), streamS); err == nil {
		t.Error("got no error, want one")
	}
	if epoch, token := readEpochAndToken(t, databaseURL); epoch != s.checkpoint.Epoch || token != s.checkpoint.Token.String() {
		t.Errorf("got epoch %d and token %s, want those of %+v", epoch, token, s.checkpoint)
	}
}

// storeReset stores stream s. Page 1 has events 1 and 2 and parks a dead letter, page 2 has events 3 and 4. After reset 3, replay 4 rejects
// the dead letter again. Page 5 has the five records again and ends the second pass.
func storeReset(t *testing.T, databaseURL string) {
	t.Helper()
	s := newPageWriter(t, databaseURL, "s").commitPayloads("cursor-a", "1", "2", "x").commitPayloads("cursor-b", "3", "4")
	resetStream(t, s)
	if _, err := replayAll(t.Context(), newReplayStore(t, databaseURL), pickyDecoder{}); err != nil {
		t.Fatal(err)
	}
	newPageWriter(t, databaseURL, "s").commitPayloads(endCursor, "1", "2", "x", "3", "4")
	setPageIDs(t, databaseURL, 1, 2, 3, 4, 5)
}

// TestInspectTamperedReset checks which differences an inspection finds after changes of a reset and of the rows around it, in the database
// of storeReset.
func TestInspectTamperedReset(t *testing.T) {
	t.Parallel()
	const lastIsReset = "DELETE FROM pages WHERE id IN (4, 5); "
	checkTamperings(t, storeReset, []tampering{
		{name: "nothing", want: noDifferences},
		{name: "the reset is gone", sql: "DELETE FROM pages WHERE id = 3", want: `
chain: 4/2/2 pass of this replay=2 pass of the page before=1
chain: 4/2/2 position of this replay=0 position of the page before=5
`},
		{name: "the reset has records", sql: "UPDATE pages SET received = 1, inserted = 1 WHERE id = 3", want: `
events: 3/2/2 inserted by this reset=1 events of the page=0
`},
		{name: "the reset is elsewhere", sql: "UPDATE pages SET pass = 3, position = 1, cursor_out = 'x', parent_seq = 1 WHERE id = 3", want: `
chain: 3/2/3 cursors of this reset=x none=
chain: 3/2/3 parent_seq of this reset=1 that of a reset=0
chain: 3/2/3 pass of this reset=3 the pass after that of the page before=2
chain: 3/2/3 position of this reset=1 that of the head=0
chain: 4/2/2 pass of this replay=2 pass of the reset before=3
chain: 4/2/2 position of this replay=0 position of the reset before=1
chain: 5/3/2 pass=2 the least pass after the page before=3
`},
		{name: "the reset is at the seq of no page", sql: "UPDATE pages SET seq = 9 WHERE id = 3", want: `
checkpoint: 3/9/2 done of the checkpoint=true end at its reset=false
checkpoint: 3/9/2 position of the checkpoint=5 position of its reset=0
chain: 4/2/2 pass of this replay=2 pass of the page before=1
chain: 4/2/2 position of this replay=0 position of the page before=5
chain: 3/9/2 seq of this reset=9 seq of a page=none
`},
		{name: "the page after the reset continues the page before", sql: "UPDATE pages SET pass = 1, parent_seq = 2 WHERE id = 5", want: `
checkpoint: 5/3/1 pass of the checkpoint=2 pass of its last page=1
chain: 5/3/1 cursor_in= cursor_out of the page before=cursor-b
chain: 5/3/1 parent_seq=2 seq of the page before in this pass=0
chain: 5/3/1 pass=1 the least pass after the page before=2
chain: 5/3/1 position=5 position of the page before + received=10
`},
		{name: "a letter says that a reset parked it", sql: "UPDATE dead_letters SET page_id = 3", want: `
letters: 1/1/1 parked=1 letters of the page=0
letters: 3/0/0 letters that name the page=1 pages of that id in the ledger=0
`},
		{
			name: "a letter says that a reset resolved it",
			sql:  "UPDATE dead_letters SET resolved_at = now(), resolution = 'superseded', resolved_page_id = 3", want: "\n" +
				"resolved: 1/1/1 resolved_page_id of letter 1, superseded=3 row of the ledger that can have done so=missing\n" +
				"announced: 0/0/2 4 of 5 announced records are stored or parked: the API returned a record twice, or left one out; " +
				"`pawl run --new-pass` finds out= =\n",
		},
		{name: "the checkpoint is not at the reset", sql: lastIsReset + "UPDATE checkpoints SET cursor = 'cursor-b', done = true", want: `
checkpoint: 3/2/2 cursor of the checkpoint=cursor-b cursor_out of its reset=
checkpoint: 3/2/2 done of the checkpoint=true end at its reset=false
checkpoint: 0/0/0 duplicate by the checkpoint=5 duplicate by its pages=0
checkpoint: 3/2/2 position of the checkpoint=5 position of its reset=0
checkpoint: 0/0/0 received by the checkpoint=10 received by its pages=5
checkpoint: 0/0/0 seq of the checkpoint=3 number of its pages=2
letters: 0/0/0 received by replays=0 replays of the letters=1
`},
	})
}
