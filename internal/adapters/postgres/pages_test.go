package postgres_test

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/adapters/postgres"
	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
	"github.com/pawldata/pawl/internal/pgtest"
)

// A pageWriter commits pages of a stream, as a run does.
type pageWriter struct {
	t     *testing.T
	store *postgres.Store
	at    domain.Checkpoint
	from  domain.Position // where the next page begins
}

// newPageWriter claims the stream.
func newPageWriter(t *testing.T, databaseURL, stream string) *pageWriter {
	t.Helper()
	p := &pageWriter{t: t, store: newStore(t, databaseURL)}
	at, err := p.store.Claim(t.Context(), domain.StreamID{Source: stream}, sourceURL)
	if err != nil {
		t.Fatal(err)
	}
	p.at, p.from = at, at.Position
	return p
}

// commitPage commits a page of the events with these numbers. next is the cursor of the following page, empty at the end.
func (p *pageWriter) commitPage(next domain.Cursor, numbers ...int) *pageWriter {
	p.t.Helper()
	return p.commit(p.decodePage(p.from, next, numbers...))
}

// commitRecords commits a page of these payloads, see decodeRecords.
func (p *pageWriter) commitRecords(next domain.Cursor, payloads ...string) *pageWriter {
	p.t.Helper()
	return p.commit(decodeRecords(p.from, next, payloads...))
}

// decodePage returns the page at a position that has the events with these numbers.
func (p *pageWriter) decodePage(at domain.Position, next domain.Cursor, numbers ...int) domain.DecodedPage {
	p.t.Helper()
	page := domain.Page{Next: next, Last: next == "", Total: domain.Total{N: 5, Known: true}}
	for i, n := range numbers {
		page.Records = append(page.Records, domain.Record{Payload: []byte(strconv.Itoa(n)), Index: i})
	}
	return domain.DecodedPage{
		From: at, To: at.After(page), Received: len(page.Records), Events: decodeNumbers(p.t, numbers...),
		Receipt: domain.Receipt{FetchedAt: time.Now()},
	}
}

// commit commits pages in one transaction.
func (p *pageWriter) commit(pages ...domain.DecodedPage) *pageWriter {
	p.t.Helper()
	for i := range pages {
		pages[i].End.Confirmed = true
	}
	res, err := p.store.Commit(p.t.Context(), domain.Batch{At: p.at, Pages: pages})
	if err != nil {
		p.t.Fatal(err)
	}
	p.at, p.from = res.Checkpoint, res.Checkpoint.Position
	return p
}

// newPass goes back to the head, as after a cursor that expired.
func (p *pageWriter) newPass() *pageWriter {
	p.from = p.from.NextPass()
	return p
}

// decodeNumbers returns the events with these numbers.
func decodeNumbers(t *testing.T, numbers ...int) (events []domain.DecodedEvent) {
	t.Helper()
	for i, n := range numbers {
		record := domain.Record{Payload: []byte(strconv.Itoa(n)), Index: i}
		event, _, err := domaintest.LineDecoder{}.Decode(record)
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, domain.DecodedEvent{Event: event, Record: record})
	}
	return events
}

// numberedEvents returns the events with the numbers from 0 to n-1.
func numberedEvents(t *testing.T, n int) []domain.DecodedEvent {
	t.Helper()
	numbers := make([]int, n)
	for i := range numbers {
		numbers[i] = i
	}
	return decodeNumbers(t, numbers...)
}

// decodeRecords returns the page at a position that has these payloads, decoded by a pickyDecoder.
func decodeRecords(from domain.Position, next domain.Cursor, payloads ...string) domain.DecodedPage {
	page := domain.Page{Next: next, Last: next == "", Total: domain.Total{N: 5, Known: true}}
	for i, payload := range payloads {
		page.Records = append(page.Records, domain.Record{Payload: []byte(payload), Index: i})
	}
	fetched := domain.FetchedPage{From: from, To: from.After(page), Page: page}
	decoded, _ := fetched.Decode(context.Background(), pickyDecoder{}) // a context that never ends
	decoded.Receipt.FetchedAt = time.Now()
	decoded.MaxParked = len(payloads)
	return decoded
}

// A pickyDecoder rejects a number with a mark, such as "3!", and knows its id. It also decodes "3 \x00" to an event that
// PostgreSQL refuses, and "3 colour" to one with other values than "3". It rejects "x".
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

// storeTwoStreams stores stream s, whose pages have the ids 1, 2, 4 and 5, in two passes, and a page of another stream.
func storeTwoStreams(t *testing.T, databaseURL string) {
	t.Helper()
	s := newPageWriter(t, databaseURL, "s").commitPage("a", 1, 2).commitPage("b", 3, 4)
	newPageWriter(t, databaseURL, "other").commitPage("", 101, 102, 103, 104, 105)
	s.newPass().commitPage("c", 1, 2, 3).commitPage("", 4, 5)
	setPageIDs(t, databaseURL, 1, 2, 3, 4, 5)
}

// storeDeadLetters stores a stream s with dead letters of all kinds. Page 1 parks letters 1, 2 and 3; page 4 supersedes letter 1.
// Page 3 parks letter 4, which PostgreSQL refuses, and letter 5, a conflict, which is discarded. Replay 5, after page 4, stores
// the event of letter 2, finds that of letter 3 stored, and parks letter 4 again. Page 7 has all records again.
func storeDeadLetters(t *testing.T, databaseURL string) {
	t.Helper()
	s := newPageWriter(t, databaseURL, "s").
		commitRecords("a", "1", "3!", "x", "2", "y").
		commitRecords("b", "4", "5 \x00", "1", "2 colour").
		commitRecords("", "3", "x", "6")
	setPageIDs(t, databaseURL, 1, 3, 4)
	pgtest.Exec(t, databaseURL, `
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
	s.newPass().commitRecords("", "1", "3!", "x", "2", "y", "4", "5 \x00", "1", "2 colour", "3", "x", "6")
	setPageIDs(t, databaseURL, 1, 3, 4, 5, 7)
}

// setPageIDs gives the pages of all streams these ids, in the order of the ids they have. Later pages get greater ids.
func setPageIDs(t *testing.T, databaseURL string, ids ...int) {
	t.Helper()
	if n := pgtest.QueryOne[int](t, databaseURL, "SELECT count(*) FROM pages"); n != len(ids) {
		t.Fatalf("got %d pages, want %d", n, len(ids))
	}
	var numbers []string
	for _, id := range ids {
		numbers = append(numbers, strconv.Itoa(id))
	}
	renumbered := "(SELECT id, (ARRAY[" + strings.Join(numbers, ",") + "])[row_number() OVER (ORDER BY id)] AS new_id FROM pages) AS n"
	pgtest.Exec(t, databaseURL, `UPDATE events SET page_id = n.new_id FROM `+renumbered+` WHERE n.id = page_id;
		UPDATE dead_letters AS l SET page_id = n.new_id FROM `+renumbered+` WHERE n.id = page_id;
		UPDATE dead_letters AS l SET resolved_page_id = n.new_id FROM `+renumbered+` WHERE n.id = resolved_page_id;
		UPDATE pages AS p SET id = -n.new_id FROM `+renumbered+` WHERE n.id = p.id;
		UPDATE pages SET id = -id;
		SELECT setval(pg_get_serial_sequence('pages', 'id'), 1000)`)
}
