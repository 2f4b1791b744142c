package postgres_test

import (
	"testing"

	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/pgtest"
)

// TestInspectTamperedPages checks which differences an inspection finds after changes of the ledger, the checkpoint and the events
// in the database of storeTwoStreams. Stream s has page 1 (seq 1) and page 2 (seq 2) in pass 1, and page 4 (seq 3) and page 5
// (seq 4) in pass 2. Page 3 is of another stream.
func TestInspectTamperedPages(t *testing.T) {
	t.Parallel()
	// The constraints of the tables would refuse counts that do not add up.
	const dropChecks = "ALTER TABLE pages DROP CONSTRAINT pages_balanced; " +
		"ALTER TABLE checkpoints DROP CONSTRAINT checkpoints_balanced; "
	const whereS = " WHERE stream = 's'"
	tests := []tampering{
		{name: "a page does not add up", sql: dropChecks + "UPDATE pages SET duplicate = 2 WHERE id = 4", want: `
balance: 4/3/2 received=3 inserted + duplicate + parked=2
balance: 0/0/0 received in total=9 inserted + duplicate + parked=8
balance: 0/0/2 received in this pass=5 inserted + duplicate + parked=4
checkpoint: 0/0/0 duplicate by the checkpoint=4 duplicate by its pages=3
`},
		{name: "the checkpoint does not add up", sql: dropChecks + "UPDATE checkpoints SET parked = 1" + whereS, want: `
balance: 0/0/0 received by the checkpoint=9 inserted + duplicate + parked=10
checkpoint: 0/0/0 parked by the checkpoint=1 parked by its pages=0
`},
		{name: "a page says it parked a record that it inserted", sql: "UPDATE pages SET inserted = 1, parked = 1 WHERE id = 1", want: `
checkpoint: 0/0/0 inserted by the checkpoint=5 inserted by its pages=4
checkpoint: 0/0/0 parked by the checkpoint=0 parked by its pages=1
events: 1/1/1 inserted=1 events of the page=2
letters: 1/1/1 parked=1 letters of the page=0
`},
		{name: "the checkpoint counts more records than the ledger", sql: "UPDATE checkpoints SET received = 10, inserted = 6" + whereS, want: `
checkpoint: 0/0/0 inserted by the checkpoint=6 inserted by its pages=5
checkpoint: 0/0/0 received by the checkpoint=10 received by its pages=9
`},
		{name: "the checkpoint has a greater seq than the ledger", sql: "UPDATE checkpoints SET seq = 5" + whereS, want: `
checkpoint: 0/0/0 seq of the checkpoint=5 number of its pages=4
`},
		{
			name: "the checkpoint is at another position",
			sql:  "UPDATE checkpoints SET cursor = 'x', position = 4, pass = 1, furthest = 4" + whereS, want: `
checkpoint: 5/4/2 cursor of the checkpoint=x cursor_out of its last page=
checkpoint: 0/0/0 furthest of the checkpoint=4 greatest position of its pages=5
checkpoint: 5/4/2 pass of the checkpoint=1 pass of its last page=2
checkpoint: 5/4/2 position of the checkpoint=4 position of its last page=5
announced: 0/0/1 position of the pass that is done=4 records announced first=5
`,
		},
		{name: "the checkpoint is not done", sql: "UPDATE checkpoints SET done = false" + whereS, want: `
checkpoint: 5/4/2 done of the checkpoint=false end at its last page=true
`},
		{name: "the first page is gone", sql: "DELETE FROM events WHERE page_id = 1; DELETE FROM pages WHERE id = 1", want: `
checkpoint: 0/0/0 inserted by the checkpoint=5 inserted by its pages=3
checkpoint: 0/0/0 received by the checkpoint=9 received by its pages=7
checkpoint: 0/0/0 seq of the checkpoint=4 number of its pages=3
chain: 2/2/1 parent_seq=1 seq of the page before in this pass=0
chain: 2/2/1 seq=2 the seq that follows the page before=1
`},
		{name: "a page in the middle is gone, but not its events", sql: "DELETE FROM pages WHERE id = 2", want: `
checkpoint: 0/0/0 inserted by the checkpoint=5 inserted by its pages=3
checkpoint: 0/0/0 received by the checkpoint=9 received by its pages=7
checkpoint: 0/0/0 seq of the checkpoint=4 number of its pages=3
chain: 4/3/2 seq=3 the seq that follows the page before=2
strays: 2/0/0 events that name the page=2 pages of that id in the ledger=0
`},
		{name: "the last page is gone", sql: "DELETE FROM pages WHERE id = 5", want: `
checkpoint: 4/3/2 cursor of the checkpoint= cursor_out of its last page=cursor-c
checkpoint: 4/3/2 done of the checkpoint=true end at its last page=false
checkpoint: 0/0/0 duplicate by the checkpoint=4 duplicate by its pages=3
checkpoint: 0/0/0 furthest of the checkpoint=5 greatest position of its pages=4
checkpoint: 0/0/0 inserted by the checkpoint=5 inserted by its pages=4
checkpoint: 4/3/2 position of the checkpoint=5 position of its last page=3
checkpoint: 0/0/0 received by the checkpoint=9 received by its pages=7
checkpoint: 0/0/0 seq of the checkpoint=4 number of its pages=3
strays: 5/0/0 events that name the page=1 pages of that id in the ledger=0
`},
		{name: "a page has another cursor than the page before returned", sql: "UPDATE pages SET cursor_in = 'x' WHERE id = 5", want: `
chain: 5/4/2 cursor_in=x cursor_out of the page before=cursor-c
`},
		{name: "a page says it is the first of its pass, but it is the second", sql: "UPDATE pages SET parent_seq = 0 WHERE id = 5", want: `
chain: 5/4/2 cursor_in=cursor-c the cursor that a pass begins with=
chain: 5/4/2 parent_seq=0 seq of the page before in this pass=3
chain: 5/4/2 position=5 received since the pass began=2
`},
		{name: "a page says it follows a page that does not exist", sql: "UPDATE pages SET parent_seq = 9 WHERE id = 5", want: `
chain: 5/4/2 parent_seq=9 seq of the page before in this pass=3
`},
		{name: "the first page of a pass has a cursor", sql: "UPDATE pages SET cursor_in = 'b' WHERE id = 4", want: `
chain: 4/3/2 cursor_in=b the cursor that a pass begins with=
`},
		{name: "a pass is smaller than the pass before", sql: "UPDATE pages SET pass = 3 WHERE id = 1", want: `
chain: 2/2/1 parent_seq=1 seq of the page before in this pass=0
chain: 2/2/1 pass=1 the least pass after the page before=3
`},
		{name: "a position is greater than the records received before", sql: "UPDATE pages SET position = 3 WHERE id = 1", want: `
chain: 1/1/1 position=3 received since the pass began=2
chain: 2/2/1 position=4 position of the page before + received=5
`},
		{name: "an event is gone", sql: "DELETE FROM events WHERE name = 'event_3'", want: `
events: 2/2/1 inserted=2 events of the page=1
`},
		{name: "all events of a page are gone", sql: "DELETE FROM events WHERE page_id = 2", want: `
events: 2/2/1 inserted=2 events of the page=0
`},
		{name: "an event names another page", sql: "UPDATE events SET page_id = 4 WHERE name = 'event_3'", want: `
events: 2/2/1 inserted=2 events of the page=1
events: 4/3/2 inserted=0 events of the page=1
`},
		{name: "an event names a page of another stream", sql: "UPDATE events SET page_id = 3 WHERE name = 'event_3'", want: `
events: 2/2/1 inserted=2 events of the page=1
`},
		{
			name: "two events name a page that does not exist",
			sql:  "UPDATE events SET page_id = 99 WHERE name IN ('event_103', 'event_104')", want: `
strays: 99/0/0 events that name the page=2 pages of that id in the ledger=0
`,
		},
		{
			name: "the pass ended before the announced number of records",
			sql:  "UPDATE checkpoints SET announced_first = 7, announced_last = 6" + whereS, want: `
announced: 0/0/2 position of the pass that is done=5 records announced first=7
`,
		},
		{name: "the API has grown since the pass began", sql: "UPDATE checkpoints SET announced_last = 9" + whereS, want: noDifferences},
		{
			name: "changes of another stream's ledger",
			sql:  "UPDATE pages SET cursor_in = 'x' WHERE id = 3; UPDATE checkpoints SET seq = 9 WHERE stream = 'other'",
			want: noDifferences,
		},
	}
	checkTamperings(t, storeTwoStreams, tests)
}

// TestInspectDeadLettersAndReplay checks that an inspection finds no differences in the database of storeDeadLetters.
func TestInspectDeadLettersAndReplay(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	storeDeadLetters(t, url)
	inspection := inspect(t.Context(), t, url)
	if got := describe(inspection); got != "" {
		t.Errorf("got differences:\n%swant none", got)
	}
	// Each of the two passes has twelve records. The first pass inserts events 1, 2, 3, 4 and 6, and parks letters 1 to 5. Its
	// duplicates are the second "1" and the second "x". All records of the second pass are duplicates.
	want := domain.Counts{Received: 24, Inserted: 5, Duplicate: 14, Parked: 5}
	if checkpoint := inspection.Stream.Checkpoint; checkpoint.Counts != want || inspection.Stream.Pages != 4 {
		t.Errorf("got %d pages with counts %+v, want 4 with %+v", inspection.Stream.Pages, checkpoint.Counts, want)
	}
	// The events 1, 2, 3, 4, 6 and 8 are stored. Letter 4 is open and letter 5 is discarded.
	if inspection.Stored != 6 || inspection.Parked != 2 {
		t.Errorf("got %d records stored and %d parked, want 6 and 2", inspection.Stored, inspection.Parked)
	}
}

// TestInspectTamperedDeadLetters checks which differences an inspection finds after changes of dead letters and replays in the
// database of storeDeadLetters. Stream s has pages 1, 3, 4 and 7, replay 5 and letters 1 to 5.
func TestInspectTamperedDeadLetters(t *testing.T) {
	t.Parallel()
	tests := []tampering{
		{name: "a letter is gone", sql: "DELETE FROM dead_letters WHERE id = 5", want: `
letters: 3/2/1 parked=2 letters of the page=1
`},
		{name: "a letter that was replayed is gone", sql: "DELETE FROM dead_letters WHERE id = 2", want: `
letters: 1/1/1 parked=3 letters of the page=2
letters: 5/3/1 inserted by this replay=1 letters that it resolved as replayed=0
letters: 0/0/0 received by replays=3 replays of the letters=2
`},
		{name: "a letter has other bytes than were parked", sql: "UPDATE dead_letters SET payload = 'gone' WHERE id = 5", want: `
payloads: 3/2/1 SHA-256 of the payload of dead letter 5=283bb9deef02e6843abfb538efa1eca70801bd8a701c3f98191e123496339247 that of the bytes that were parked=be19dd2e60c832c101a4e3c5bc9a0329cb5efb74970c1a3e2462084647940755
`},
		{name: "a letter names another page", sql: "UPDATE dead_letters SET page_id = 3 WHERE id = 1", want: `
letters: 1/1/1 parked=3 letters of the page=2
letters: 3/2/1 parked=2 letters of the page=3
`},
		{name: "a letter says that a replay parked it", sql: "UPDATE dead_letters SET page_id = 5 WHERE id = 5", want: `
letters: 3/2/1 parked=2 letters of the page=1
letters: 5/0/0 letters that name the page=1 pages of that id in the ledger=0
`},
		{name: "a letter is of another stream", sql: "UPDATE dead_letters SET stream = 'other' WHERE id = 5", want: `
letters: 3/2/1 parked=2 letters of the page=1
`},
		{name: "a page says it inserted a record that it parked", sql: "UPDATE pages SET inserted = 2, parked = 1 WHERE id = 3", want: `
checkpoint: 0/0/0 inserted by the checkpoint=5 inserted by its pages=6
checkpoint: 0/0/0 parked by the checkpoint=5 parked by its pages=4
events: 3/2/1 inserted=2 events of the page=1
letters: 3/2/1 parked=1 letters of the page=2
`},
		{name: "resolved by another page", sql: "UPDATE dead_letters SET resolved_page_id = 7 WHERE id = 2", want: `
letters: 5/3/1 inserted by this replay=1 letters that it resolved as replayed=0
resolved: 1/1/1 resolved_page_id of letter 2, replayed=7 page_id of its event=5
resolved: 1/1/1 resolved_page_id of letter 2, replayed=7 row of the ledger that can have done so=missing
`},
		{name: "resolved by a page that does not exist", sql: "UPDATE dead_letters SET resolved_page_id = 99 WHERE id = 1", want: `
resolved: 1/1/1 resolved_page_id of letter 1, superseded=99 row of the ledger that can have done so=missing
`},
		{
			name: "resolved by a page before the one that parked it",
			sql:  "UPDATE dead_letters SET resolved_page_id = 1, resolved_at = now(), resolution = 'superseded' WHERE id = 4", want: `
resolved: 3/2/1 event of letter 4, superseded=stored in the database=missing
resolved: 3/2/1 resolved_page_id of letter 4, superseded=1 row of the ledger that can have done so=missing
`,
		},
		{name: "resolved without a page", sql: "UPDATE dead_letters SET resolved_page_id = NULL WHERE id = 1", want: `
resolved: 1/1/1 resolved_page_id of letter 1, superseded=none row of the ledger that can have done so=missing
`},
		{name: "discarded by a page", sql: "UPDATE dead_letters SET resolved_page_id = 7 WHERE id = 5", want: `
resolved: 3/2/1 resolved_page_id of letter 5, discarded=7 row of the ledger that can have done so=none
`},
		{name: "a letter was opened again", sql: "UPDATE dead_letters SET resolved_at = NULL, resolution = NULL WHERE id = 3", want: `
letters: 5/3/1 duplicate in this replay=1 letters that it resolved as duplicate=0
`},
		{name: "a replayed event is gone", sql: "DELETE FROM events WHERE page_id = 5", want: `
events: 5/3/1 inserted by this replay=1 events of the page=0
resolved: 1/1/1 event of letter 2, replayed=stored in the database=missing
`},
		{name: "a replay says it inserted more", sql: "UPDATE pages SET inserted = 2, parked = 0 WHERE id = 5", want: `
events: 5/3/1 inserted by this replay=2 events of the page=1
letters: 5/3/1 inserted by this replay=2 letters that it resolved as replayed=1
`},
		{name: "a replay says it received more", sql: "UPDATE pages SET received = 4, parked = 2 WHERE id = 5", want: `
letters: 0/0/0 received by replays=4 replays of the letters=3
`},
		{
			name: "a replay does not add up",
			sql:  "ALTER TABLE pages DROP CONSTRAINT pages_balanced; UPDATE pages SET parked = 2 WHERE id = 5", want: `
balance: 5/3/1 received by this replay=3 inserted + duplicate + parked=4
balance: 0/0/0 received in total=27 inserted + duplicate + parked=28
`,
		},
		{name: "a replay is gone", sql: "DELETE FROM pages WHERE id = 5", want: `
strays: 5/0/0 events that name the page=1 pages of that id in the ledger=0
letters: 0/0/0 received by replays=0 replays of the letters=3
resolved: 1/1/1 resolved_page_id of letter 2, replayed=5 row of the ledger that can have done so=missing
resolved: 1/1/1 resolved_page_id of letter 3, duplicate=5 row of the ledger that can have done so=missing
`},
		{
			name: "a replay is at another position than the page before",
			sql:  "UPDATE pages SET pass = 2, position = 11, parent_seq = 2 WHERE id = 5", want: `
chain: 5/3/2 parent_seq of this replay=2 that of a replay=0
chain: 5/3/2 pass of this replay=2 pass of the page before=1
chain: 5/3/2 position of this replay=11 position of the page before=12
`,
		},
		{name: "a replay is at the seq of no page", sql: "UPDATE pages SET seq = 7 WHERE id = 5", want: `
chain: 5/7/1 seq of this replay=7 seq of a page=none
`},
	}
	checkTamperings(t, storeDeadLetters, tests)
}

// A tampering changes a database without differences by SQL. want has the differences that an inspection must then find, one in a
// line, in the form of describe:
//
//	check: page id/seq/pass what=value other name=other value
//
// For example, "events: 2/2/1 inserted=2 events of the page=1" means that page 2 (seq 2, pass 1) counts 2 inserted events, but
// only 1 event names this page. The numbers are 0/0/0 if the difference is not of one page.
type tampering struct{ name, sql, want string }

// noDifferences is the value of tampering.want if the inspection must find no differences.
const noDifferences = "\n"

// checkTamperings checks that an inspection of stream s finds exactly the wanted differences after each tampering. Each tampering
// has a database of its own, which fill fills first.
func checkTamperings(t *testing.T, fill func(t *testing.T, databaseURL string), tests []tampering) {
	t.Helper()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			url := pgtest.Database(t)
			fill(t, url)
			pgtest.Exec(t, url, tt.sql)
			got := "\n" + describe(inspect(t.Context(), t, url)) // a want also begins with a line break
			if got != tt.want {
				t.Errorf("got differences:%swant:%s", got, tt.want)
			}
		})
	}
}
