package postgres_test

import (
	"testing"

	"github.com/pawldata/pawl/internal/pgtest"
)

// TestTamperingIsFound changes one thing after the other in a sound database, and says all that must be told of it. Pages
// 1, 2, 4 and 5 are those of stream s (seq 1 to 4, passes 1 and 2), page 3 is another stream's.
func TestTamperingIsFound(t *testing.T) {
	t.Parallel()
	const unchecked = "ALTER TABLE pages DROP CONSTRAINT pages_balanced; ALTER TABLE checkpoints DROP CONSTRAINT checkpoints_balanced; "
	const s = " WHERE stream = 's'"
	tests := []struct {
		name, sql, told string
	}{
		{"a page does not add up", unchecked + "UPDATE pages SET duplicate = 2 WHERE id = 4", `
balance: 4/3/2 received=3 inserted + duplicate + parked=2
balance: 0/0/0 received in total=9 inserted + duplicate + parked=8
balance: 0/0/2 received in this pass=5 inserted + duplicate + parked=4
checkpoint: 0/0/0 duplicate by the checkpoint=4 duplicate by its pages=3
`},
		{"the checkpoint does not add up", unchecked + "UPDATE checkpoints SET parked = 1" + s, `
balance: 0/0/0 received by the checkpoint=9 inserted + duplicate + parked=10
checkpoint: 0/0/0 parked by the checkpoint=1 parked by its pages=0
`},
		{"a page parked what it says it inserted", "UPDATE pages SET inserted = 1, parked = 1 WHERE id = 1", `
checkpoint: 0/0/0 inserted by the checkpoint=5 inserted by its pages=4
checkpoint: 0/0/0 parked by the checkpoint=0 parked by its pages=1
events: 1/1/1 inserted=1 events of the page=2
letters: 1/1/1 parked=1 letters of the page=0
`},
		{"the checkpoint counts more than its ledger", "UPDATE checkpoints SET received = 10, inserted = 6" + s, `
checkpoint: 0/0/0 inserted by the checkpoint=6 inserted by its pages=5
checkpoint: 0/0/0 received by the checkpoint=10 received by its pages=9
`},
		{"the checkpoint is ahead of its ledger", "UPDATE checkpoints SET seq = 5" + s, `
checkpoint: 0/0/0 seq of the checkpoint=5 number of its pages=4
`},
		{"the checkpoint stands elsewhere", "UPDATE checkpoints SET cursor = 'x', position = 4, pass = 1, furthest = 4" + s, `
checkpoint: 5/4/2 cursor of the checkpoint=x cursor_out of its last page=
checkpoint: 0/0/0 furthest of the checkpoint=4 greatest position of its pages=5
checkpoint: 5/4/2 pass of the checkpoint=1 pass of its last page=2
checkpoint: 5/4/2 position of the checkpoint=4 position of its last page=5
announced: 0/0/1 position of the pass that is done=4 records announced first=5
`},
		{"the checkpoint forgot that it is done", "UPDATE checkpoints SET done = false" + s, `
checkpoint: 5/4/2 done of the checkpoint=false end at its last page=true
`},
		{"the first page is gone", "DELETE FROM events WHERE page_id = 1; DELETE FROM pages WHERE id = 1", `
checkpoint: 0/0/0 inserted by the checkpoint=5 inserted by its pages=3
checkpoint: 0/0/0 received by the checkpoint=9 received by its pages=7
checkpoint: 0/0/0 seq of the checkpoint=4 number of its pages=3
chain: 2/2/1 parent_seq=1 seq of the page before in this pass=0
chain: 2/2/1 seq=2 the seq that follows the page before=1
`},
		{"a page in the middle is gone, not its events", "DELETE FROM pages WHERE id = 2", `
checkpoint: 0/0/0 inserted by the checkpoint=5 inserted by its pages=3
checkpoint: 0/0/0 received by the checkpoint=9 received by its pages=7
checkpoint: 0/0/0 seq of the checkpoint=4 number of its pages=3
chain: 4/3/2 seq=3 the seq that follows the page before=2
strays: 2/0/0 events that name the page=2 pages of that id in the ledger=0
`},
		{"the last page is gone", "DELETE FROM pages WHERE id = 5", `
checkpoint: 4/3/2 cursor of the checkpoint= cursor_out of its last page=c
checkpoint: 4/3/2 done of the checkpoint=true end at its last page=false
checkpoint: 0/0/0 duplicate by the checkpoint=4 duplicate by its pages=3
checkpoint: 0/0/0 furthest of the checkpoint=5 greatest position of its pages=4
checkpoint: 0/0/0 inserted by the checkpoint=5 inserted by its pages=4
checkpoint: 4/3/2 position of the checkpoint=5 position of its last page=3
checkpoint: 0/0/0 received by the checkpoint=9 received by its pages=7
checkpoint: 0/0/0 seq of the checkpoint=4 number of its pages=3
strays: 5/0/0 events that name the page=1 pages of that id in the ledger=0
`},
		{"a link is broken", "UPDATE pages SET cursor_in = 'x' WHERE id = 5", `
chain: 5/4/2 cursor_in=x cursor_out of the page before=c
`},
		{"a page follows another than the one before", "UPDATE pages SET parent_seq = 0 WHERE id = 5", `
chain: 5/4/2 cursor_in=c the cursor that a pass begins with=
chain: 5/4/2 parent_seq=0 seq of the page before in this pass=3
chain: 5/4/2 position=5 received since the pass began=2
`},
		{"a page follows one that is not there", "UPDATE pages SET parent_seq = 9 WHERE id = 5", `
chain: 5/4/2 parent_seq=9 seq of the page before in this pass=3
`},
		{"a pass begins in the middle", "UPDATE pages SET cursor_in = 'b' WHERE id = 4", `
chain: 4/3/2 cursor_in=b the cursor that a pass begins with=
`},
		{"a pass comes before an older one", "UPDATE pages SET pass = 3 WHERE id = 1", `
chain: 2/2/1 parent_seq=1 seq of the page before in this pass=0
chain: 2/2/1 pass=1 the least pass after the page before=3
`},
		{"a position jumps", "UPDATE pages SET position = 3 WHERE id = 1", `
chain: 1/1/1 position=3 received since the pass began=2
chain: 2/2/1 position=4 position of the page before + received=5
`},
		{"an event is gone", "DELETE FROM events WHERE name = 'event_3'", `
events: 2/2/1 inserted=2 events of the page=1
`},
		{"all events of a page are gone", "DELETE FROM events WHERE page_id = 2", `
events: 2/2/1 inserted=2 events of the page=0
`},
		{"an event names another page", "UPDATE events SET page_id = 4 WHERE name = 'event_3'", `
events: 2/2/1 inserted=2 events of the page=1
events: 4/3/2 inserted=0 events of the page=1
`},
		{"an event went over to another stream", "UPDATE events SET page_id = 3 WHERE name = 'event_3'", `
events: 2/2/1 inserted=2 events of the page=1
`},
		{"an event names a page that never was", "UPDATE events SET page_id = 99 WHERE name IN ('event_103', 'event_104')", `
strays: 99/0/0 events that name the page=2 pages of that id in the ledger=0
`},
		{"the pass ended too early", "UPDATE checkpoints SET announced_first = 7, announced_last = 6" + s, `
announced: 0/0/2 position of the pass that is done=5 records announced first=7
`},
		{"the API has grown since the pass began", "UPDATE checkpoints SET announced_last = 9" + s, "\n"},
		{"another stream's ledger is another's affair", "UPDATE pages SET cursor_in = 'x' WHERE id = 3; UPDATE checkpoints SET seq = 9 WHERE stream = 'other'", "\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			url := pgtest.Database(t)
			fill(t, url)
			exec(t, url, tt.sql)
			if got := "\n" + told(inspect(t.Context(), t, url)); got != tt.told {
				t.Errorf("told:%swant:%s", got, tt.told)
			}
		})
	}
}
