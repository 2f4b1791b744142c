package postgres_test

import (
	"strings"
	"testing"

	"github.com/pawldata/pawl/internal/pgtest"
)

// TestFewerThanAnnounced are streams that are done with less than the API announced: five events, in two pages.
func TestFewerThanAnnounced(t *testing.T) {
	t.Parallel()
	const hashes = "; UPDATE pages SET ids_hash = sha256(id::text::bytea) WHERE stream = 's'"
	tests := []struct {
		name, sql, told string
	}{
		{"as many as announced", "", ""},
		{"the API has grown since", "UPDATE checkpoints SET announced_last = 45", ""},
		{"fewer received than announced first", "UPDATE checkpoints SET announced_first = 6", "position of the pass that is done=5"},
		{"the user accepted it", "UPDATE checkpoints SET announced_first = 6; UPDATE pages SET end_accepted = true WHERE seq = 2", ""},
		{"the user accepted another end", "UPDATE checkpoints SET announced_first = 6; UPDATE pages SET end_accepted = true WHERE seq = 1", "position of the pass that is done=5"},
		{"fewer stored than received", fewerStored, "inserted + parked by the checkpoint=3"},
		{"the same, and no page came twice", fewerStored + hashes, ""},
		{"the same, and a page came twice", fewerStored + hashes + "; UPDATE pages SET ids_hash = 'h'", "inserted + parked by the checkpoint=3"},
		{"the same, and another stream shares the table", fewerStored + otherStream, ""},
		{"the same, and another stream has received nothing", fewerStored + otherStream + "; UPDATE checkpoints SET received = 0, inserted = 0 WHERE stream = 'other'", "inserted + parked by the checkpoint=3"},
		{"not done", "UPDATE checkpoints SET announced_first = 6, done = false; UPDATE pages SET cursor_out = 'c' WHERE seq = 2; UPDATE checkpoints SET cursor = 'c'", ""},
		{"nothing announced", "UPDATE checkpoints SET announced_first = NULL, announced_last = NULL", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			url := pgtest.Database(t)
			newPen(t, url, "s").page("a", 1, 2).page("", 3, 4, 5)
			if tt.sql != "" {
				exec(t, url, tt.sql)
			}
			var found []string
			for _, f := range inspect(t.Context(), t, url).Findings {
				for _, d := range f.Shown {
					found = append(found, d.What+"="+d.Value)
				}
			}
			if got := strings.Join(found, ", "); got != tt.told {
				t.Errorf("told %q, want %q", got, tt.told)
			}
		})
	}
}

// fewerStored makes two of the records duplicates of others, in pages of an earlier version.
const fewerStored = `DELETE FROM events WHERE name IN ('event_4', 'event_5');
	UPDATE pages SET ids_hash = NULL; UPDATE pages SET inserted = 1, duplicate = 2 WHERE seq = 2; UPDATE checkpoints SET inserted = 3, duplicate = 2`

const otherStream = `; INSERT INTO checkpoints (stream, source_url, epoch, received, inserted) VALUES ('other', 'u', 1, 1, 1)`
