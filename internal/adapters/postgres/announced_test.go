package postgres_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pawldata/pawl/internal/pgtest"
)

// TestFewerThanAnnounced are streams that are done with less than the API announced: five events, in two pages.
func TestFewerThanAnnounced(t *testing.T) {
	t.Parallel()
	const short = "3 of 5 announced records are stored or parked: the API returned a record twice, or left one out; `pawl run --new-pass` finds out"
	tests := []struct {
		name, sql, told string
	}{
		{"as many as announced", "", ""},
		{"the API has grown since", "UPDATE checkpoints SET announced_last = 45", ""},
		{"fewer received than announced first", "UPDATE checkpoints SET announced_first = 6", "position of the pass that is done=5"},
		{"the user accepted it", "UPDATE checkpoints SET announced_first = 6; UPDATE pages SET end_accepted = true WHERE seq = 2", ""},
		{"the user accepted another end", "UPDATE checkpoints SET announced_first = 6; UPDATE pages SET end_accepted = true WHERE seq = 1", "position of the pass that is done=5"},
		{"fewer stored than received", fewerStored, short + "="},
		{"the same, in pages of an earlier version", fewerStored + "; UPDATE pages SET ids_hash = NULL", short + "="},
		{"the same, and another stream shares the table", fewerStored + otherStream, ""},
		{"the same, and another stream has received nothing", fewerStored + otherStream + "; UPDATE checkpoints SET received = 0, inserted = 0 WHERE stream = 'other'", short + "="},
		{"the same, and a later pass found nothing new", fewerStored + laterPass(0), ""},
		{"the same, and a later pass found something new", fewerStored + laterPass(1), "4 of 5" + short[len("3 of 5"):] + "="},
		{"the same, and a later pass of another stream found nothing new", fewerStored + laterPass(0) + "; UPDATE pages SET stream = 'other' WHERE seq = 3; UPDATE checkpoints SET pass = 1, seq = 2, received = 5, duplicate = 2", short + "="},
		{"the same, and the pass before was not complete", fewerStored + laterPass(0) + "; UPDATE pages SET cursor_out = 'b' WHERE seq = 2", short + "="},
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

// fewerStored makes two of the records duplicates of others.
const fewerStored = `DELETE FROM events WHERE name IN ('event_4', 'event_5');
	UPDATE pages SET inserted = 1, duplicate = 2 WHERE seq = 2; UPDATE checkpoints SET inserted = 3, duplicate = 2`

// laterPass reads the five records again in one page, and stores so many of them that were not stored before.
func laterPass(inserted int) string {
	return fmt.Sprintf(`; INSERT INTO pages (id, kind, stream, pass, seq, parent_seq, cursor_in, cursor_out, position, received, inserted, duplicate, parked,
			body_bytes, request_id, requests, retries, rate_limited, waited_ms, fetched_at, trace_id)
		SELECT nextval(pg_get_serial_sequence('pages', 'id')), kind, stream, 2, 3, 0, '', '', 5, 5, %[1]d, 5 - %[1]d, 0, 0, '', 1, 0, 0, 0, now(), ''
		FROM pages WHERE seq = 2;
		INSERT INTO events SELECT gen_random_uuid(), session_id, user_id, type, name, properties, occurred_at, device_type, browser, extra, p.id
		FROM (TABLE events LIMIT %[1]d) AS e, pages AS p WHERE p.seq = 3;
		UPDATE checkpoints SET pass = 2, seq = 3, received = 10, inserted = inserted + %[1]d, duplicate = duplicate + 5 - %[1]d`, inserted)
}

const otherStream = `; INSERT INTO checkpoints (stream, source_url, epoch, received, inserted) VALUES ('other', 'u', 1, 1, 1)`
