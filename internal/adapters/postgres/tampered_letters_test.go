package postgres_test

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
	"github.com/pawldata/pawl/internal/pgtest"
)

// A pickyDecoder rejects a number with a mark, as "3!", and knows its id. Beside it "3 \x00" is an event that PostgreSQL
// refuses, "3 colour" one with other values than "3", and "x" no event at all.
type pickyDecoder struct{ domaintest.LineDecoder }

func (d pickyDecoder) Decode(r domain.Record) (domain.Event, []domain.Drift, error) {
	number, marked := strings.CutSuffix(string(r.Payload), "!")
	if !marked {
		return d.LineDecoder.Decode(r)
	}
	n, err := strconv.ParseUint(number, 10, 32)
	if err != nil {
		return domain.Event{}, nil, err
	}
	return domain.Event{}, nil, &domain.Rejection{Reason: "marked", ID: domaintest.EventID(n)}
}

// read is a page of these records as it is read at a place.
func read(from domain.Position, next domain.Cursor, payloads ...string) domain.DecodedPage {
	page := domain.Page{Next: next, Last: next == "", Total: domain.Total{N: 5, Known: true}}
	for i, payload := range payloads {
		page.Records = append(page.Records, domain.Record{Payload: []byte(payload), Index: i})
	}
	step := domain.FetchedPage{From: from, To: from.After(page), Page: page}
	readPage, _ := step.Decode(context.Background(), pickyDecoder{}) // which nothing ends
	readPage.Receipt.FetchedAt = time.Now()
	readPage.MaxParked = len(payloads)
	return readPage
}

// records commits a page of these records that leads to next; empty is the end.
func (p *pen) records(next domain.Cursor, payloads ...string) *pen {
	p.t.Helper()
	return p.commit(read(p.from, next, payloads...))
}

// fillWithLetters writes a stream s with all that can become of a letter. Page 1 parks letter 1, which page 4 supersedes,
// and 2 and 3; page 3 parks 4, which is refused, and 5, a conflict, which is discarded. Replay 5, behind page 4, makes an
// event of letter 2, finds that of letter 3 stored, and parks letter 4 again. Then page 7 reads all anew.
func fillWithLetters(t *testing.T, databaseURL string) {
	t.Helper()
	s := newPen(t, databaseURL, "s").
		records("a", "1", "3!", "x", "2", "y").
		records("b", "4", "5 \x00", "1", "2 colour").
		records("", "3", "x", "6")
	givePageIDs(t, databaseURL, 1, 3, 4)
	exec(t, databaseURL, `
		INSERT INTO pages (id, kind, stream, pass, seq, parent_seq, cursor_in, cursor_out, position, received, inserted, duplicate, parked,
			body_bytes, request_id, requests, retries, rate_limited, waited_ms, fetched_at, trace_id)
		SELECT 5, 'replay', stream, pass, seq, 0, '', '', position, 3, 1, 1, 1,
			0, '', 0, 0, 0, 0, now(), '' FROM checkpoints;
		INSERT INTO events SELECT '7061776c-7465-7374-0000-000000000008', session_id, user_id, type, 'event_8', properties, occurred_at,
			device_type, browser, extra, 5 FROM events LIMIT 1;
		UPDATE dead_letters SET replays = 1 WHERE id IN (2, 3, 4);
		UPDATE dead_letters SET event_id = '7061776c-7465-7374-0000-000000000008' WHERE id = 2;
		UPDATE dead_letters SET resolved_at = now(), resolution = 'replayed', resolved_page_id = 5 WHERE id = 2;
		UPDATE dead_letters SET resolved_at = now(), resolution = 'duplicate', resolved_page_id = 5 WHERE id = 3;
		UPDATE dead_letters SET resolved_at = now(), resolution = 'discarded' WHERE id = 5`)
	s.newPass().records("", "1", "3!", "x", "2", "y", "4", "5 \x00", "1", "2 colour", "3", "x", "6")
	givePageIDs(t, databaseURL, 1, 3, 4, 5, 7)
}

func TestInspectionOfLettersAndAReplay(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	fillWithLetters(t, url)
	inspection := inspect(t.Context(), t, url)
	if got := told(inspection); got != "" {
		t.Errorf("differences:\n%s", got)
	}
	want := domain.Counts{Received: 24, Inserted: 5, Duplicate: 14, Parked: 5}
	if at := inspection.Stream.Checkpoint; at.Counts != want || inspection.Stream.Pages != 4 {
		t.Errorf("%d pages, %+v", inspection.Stream.Pages, at.Counts)
	}
	if inspection.Stored != 6 || inspection.Parked != 2 { // letter 4 is open, 5 discarded
		t.Errorf("%d stored, %d parked", inspection.Stored, inspection.Parked)
	}
}

// TestTamperingWithLettersIsFound is TestTamperingIsFound of letters and of replays, in what fillWithLetters wrote.
func TestTamperingWithLettersIsFound(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, sql, told string
	}{
		{"a letter is gone", "DELETE FROM dead_letters WHERE id = 5", `
letters: 3/2/1 parked=2 letters of the page=1
`},
		{"a letter that was replayed is gone", "DELETE FROM dead_letters WHERE id = 2", `
letters: 1/1/1 parked=3 letters of the page=2
letters: 5/3/1 inserted by this replay=1 letters that it resolved as replayed=0
letters: 0/0/0 received by replays=3 replays of the letters=2
`},
		{"a letter has other bytes", "UPDATE dead_letters SET payload = 'gone' WHERE id = 5", `
payloads: 3/2/1 SHA-256 of the payload of dead letter 5=283bb9deef02e6843abfb538efa1eca70801bd8a701c3f98191e123496339247 that of the bytes that were parked=be19dd2e60c832c101a4e3c5bc9a0329cb5efb74970c1a3e2462084647940755
`},
		{"a letter names another page", "UPDATE dead_letters SET page_id = 3 WHERE id = 1", `
letters: 1/1/1 parked=3 letters of the page=2
letters: 3/2/1 parked=2 letters of the page=3
`},
		{"a letter names a replay", "UPDATE dead_letters SET page_id = 5 WHERE id = 5", `
letters: 3/2/1 parked=2 letters of the page=1
letters: 5/0/0 letters that name the page=1 pages of that id in the ledger=0
`},
		{"a letter went over to another stream", "UPDATE dead_letters SET stream = 'other' WHERE id = 5", `
letters: 3/2/1 parked=2 letters of the page=1
`},
		{"what a page parked it says it inserted", "UPDATE pages SET inserted = 2, parked = 1 WHERE id = 3", `
checkpoint: 0/0/0 inserted by the checkpoint=5 inserted by its pages=6
checkpoint: 0/0/0 parked by the checkpoint=5 parked by its pages=4
events: 3/2/1 inserted=2 events of the page=1
letters: 3/2/1 parked=1 letters of the page=2
`},
		{"resolved by another page that is there", "UPDATE dead_letters SET resolved_page_id = 7 WHERE id = 2", `
letters: 5/3/1 inserted by this replay=1 letters that it resolved as replayed=0
resolved: 1/1/1 resolved_page_id of letter 2, replayed=7 page_id of its event=5
resolved: 1/1/1 resolved_page_id of letter 2, replayed=7 row of the ledger that can have done so=missing
`},
		{"resolved by a page that never was", "UPDATE dead_letters SET resolved_page_id = 99 WHERE id = 1", `
resolved: 1/1/1 resolved_page_id of letter 1, superseded=99 row of the ledger that can have done so=missing
`},
		{"resolved before it was parked", "UPDATE dead_letters SET resolved_page_id = 1 WHERE id = 4; UPDATE dead_letters SET resolved_at = now(), resolution = 'superseded' WHERE id = 4", `
resolved: 3/2/1 event of letter 4, superseded=stored in the database=missing
resolved: 3/2/1 resolved_page_id of letter 4, superseded=1 row of the ledger that can have done so=missing
`},
		{"resolved by nothing", "UPDATE dead_letters SET resolved_page_id = NULL WHERE id = 1", `
resolved: 1/1/1 resolved_page_id of letter 1, superseded=none row of the ledger that can have done so=missing
`},
		{"discarded by a page", "UPDATE dead_letters SET resolved_page_id = 7 WHERE id = 5", `
resolved: 3/2/1 resolved_page_id of letter 5, discarded=7 row of the ledger that can have done so=none
`},
		{"a letter was opened again", "UPDATE dead_letters SET resolved_at = NULL, resolution = NULL WHERE id = 3", `
letters: 5/3/1 duplicate in this replay=1 letters that it resolved as duplicate=0
`},
		{"a replayed event is gone", "DELETE FROM events WHERE page_id = 5", `
events: 5/3/1 inserted by this replay=1 events of the page=0
resolved: 1/1/1 event of letter 2, replayed=stored in the database=missing
`},
		{"a replay says it inserted more", "UPDATE pages SET inserted = 2, parked = 0 WHERE id = 5", `
events: 5/3/1 inserted by this replay=2 events of the page=1
letters: 5/3/1 inserted by this replay=2 letters that it resolved as replayed=1
`},
		{"a replay says it received more", "UPDATE pages SET received = 4, parked = 2 WHERE id = 5", `
letters: 0/0/0 received by replays=4 replays of the letters=3
`},
		{"a replay does not add up", "ALTER TABLE pages DROP CONSTRAINT pages_balanced; UPDATE pages SET parked = 2 WHERE id = 5", `
balance: 5/3/1 received by this replay=3 inserted + duplicate + parked=4
balance: 0/0/0 received in total=27 inserted + duplicate + parked=28
`},
		{"a replay is gone", "DELETE FROM pages WHERE id = 5", `
strays: 5/0/0 events that name the page=1 pages of that id in the ledger=0
letters: 0/0/0 received by replays=0 replays of the letters=3
resolved: 1/1/1 resolved_page_id of letter 2, replayed=5 row of the ledger that can have done so=missing
resolved: 1/1/1 resolved_page_id of letter 3, duplicate=5 row of the ledger that can have done so=missing
`},
		{"a replay stands elsewhere", "UPDATE pages SET pass = 2, position = 11, parent_seq = 2 WHERE id = 5", `
chain: 5/3/2 parent_seq of this replay=2 that of a replay=0
chain: 5/3/2 pass of this replay=2 pass of the page before=1
chain: 5/3/2 position of this replay=11 position of the page before=12
`},
		{"a replay stands nowhere", "UPDATE pages SET seq = 7 WHERE id = 5", `
chain: 5/7/1 seq of this replay=7 seq of a page=none
`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			url := pgtest.Database(t)
			fillWithLetters(t, url)
			exec(t, url, tt.sql)
			if got := "\n" + told(inspect(t.Context(), t, url)); got != tt.told {
				t.Errorf("told:%swant:%s", got, tt.told)
			}
		})
	}
}
