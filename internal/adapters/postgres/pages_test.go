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

// A pageWriter commits pages of a stream one after the other, as a run does.
type pageWriter struct {
	t           *testing.T
	databaseURL string
	store       *postgres.Store
	checkpoint  domain.Checkpoint
	from        domain.Position // the position of the next page
}

// endCursor is the cursor that the API returns with the last page.
const endCursor domain.Cursor = ""

// newPageWriter claims the stream with this name and returns a writer of its pages.
func newPageWriter(t *testing.T, databaseURL, stream string) *pageWriter {
	t.Helper()
	p := &pageWriter{t: t, databaseURL: databaseURL, store: newStore(t, databaseURL)}
	checkpoint, err := p.store.Claim(t.Context(), domain.StreamID{Source: stream}, sourceURL)
	if err != nil {
		t.Fatal(err)
	}
	p.checkpoint, p.from = checkpoint, checkpoint.Position
	return p
}

// commitPage commits a page of the events with these numbers. next is the cursor of the following page, or endCursor. commitPage and
// the other commit methods end the test after an error.
func (p *pageWriter) commitPage(next domain.Cursor, numbers ...int) *pageWriter {
	p.t.Helper()
	return p.commit(p.makePage(p.from, next, numbers...))
}

// commitPayloads commits a page of records with these payloads, see decodePayloads.
func (p *pageWriter) commitPayloads(next domain.Cursor, payloads ...string) *pageWriter {
	p.t.Helper()
	return p.commit(decodePayloads(p.from, next, payloads...))
}

// announcedRecords is the total number of records that the API announces with each page.
const announcedRecords = 5

// makePage returns the page at the position from. It has the events with these numbers.
func (p *pageWriter) makePage(from domain.Position, next domain.Cursor, numbers ...int) domain.DecodedPage {
	p.t.Helper()
	page := domain.Page{Next: next, Last: next == endCursor, Total: domain.Total{N: announcedRecords, Known: true}}
	for i, n := range numbers {
		page.Records = append(page.Records, domain.Record{Payload: []byte(strconv.Itoa(n)), Index: i})
	}
	return domain.DecodedPage{
		From: from, To: from.After(page), Received: len(page.Records), Events: makeEvents(p.t, numbers...),
		Receipt: domain.Receipt{FetchedAt: time.Now()},
	}
}

// commit commits pages in one transaction, with End.Confirmed set: if a page ends the pass, Commit accepts this end.
func (p *pageWriter) commit(pages ...domain.DecodedPage) *pageWriter {
	p.t.Helper()
	for i := range pages {
		pages[i].End.Confirmed = true
	}
	p.commitPages(pages...)
	return p
}

// commitPages commits pages as they are in one transaction, and returns the result.
func (p *pageWriter) commitPages(pages ...domain.DecodedPage) domain.CommitResult {
	p.t.Helper()
	return p.commitWithNext(pages, nil)
}

// commitWithNext does the same, and tells the store that the pages next will follow.
func (p *pageWriter) commitWithNext(pages, next []domain.DecodedPage) domain.CommitResult {
	p.t.Helper()
	res, err := p.store.Commit(p.t.Context(), domain.Batch{Start: p.checkpoint, Pages: pages, Next: next})
	if err != nil {
		p.t.Fatal(err)
	}
	p.checkpoint, p.from = res.Checkpoint, res.Checkpoint.Position
	return res
}

// startPass makes the next page the first page of a new pass, as a run does after its cursor has expired.
func (p *pageWriter) startPass() *pageWriter {
	p.from = p.from.NextPass()
	return p
}

// makeEvents returns the decoded events with these numbers. Event 7 has the id domaintest.EventID(7) and the name "event_7".
func makeEvents(t *testing.T, numbers ...int) (events []domain.DecodedEvent) {
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

// makeManyEvents returns n decoded events with the numbers 0 to n-1.
func makeManyEvents(t *testing.T, n int) []domain.DecodedEvent {
	t.Helper()
	numbers := make([]int, n)
	for i := range numbers {
		numbers[i] = i
	}
	return makeEvents(t, numbers...)
}

// decodePayloads returns the page at the position from. It has a record for each payload, decoded by a pickyDecoder.
func decodePayloads(from domain.Position, next domain.Cursor, payloads ...string) domain.DecodedPage {
	page := domain.Page{Next: next, Last: next == endCursor, Total: domain.Total{N: announcedRecords, Known: true}}
	for i, payload := range payloads {
		page.Records = append(page.Records, domain.Record{Payload: []byte(payload), Index: i})
	}
	fetched := domain.FetchedPage{From: from, To: from.After(page), Page: page}
	decoded, _ := fetched.Decode(context.Background(), pickyDecoder{}, nil) // Decode fails only when its context ends
	decoded.Receipt.FetchedAt = time.Now()
	decoded.MaxParked = len(payloads)
	return decoded
}

// A pickyDecoder decodes these payloads:
//
//   - "3" to event 3
//   - "3 colour" to event 3 with another value in the column extra
//   - "3 \x00" to event 3 with a value that PostgreSQL refuses
//
// It rejects "3!" with the id of event 3 and the reason "marked". It rejects any other text, such as "x", without an id.
type pickyDecoder struct{ domaintest.LineDecoder }

// Decode implements domain.Decoder.
func (d pickyDecoder) Decode(r domain.Record) (domain.Event, []domain.Drift, error) {
	number, isMarked := strings.CutSuffix(string(r.Payload), "!")
	if !isMarked {
		return d.LineDecoder.Decode(r)
	}
	n, err := strconv.ParseUint(number, 10, 32)
	if err != nil {
		return domain.Event{}, nil, err
	}
	return domain.Event{}, nil, &domain.Rejection{Reason: "marked", ID: domaintest.EventID(n)}
}

// storeTwoStreams stores events 1 to 5 in stream s and events 101 to 105 in the stream other. Stream s has two passes: pages 1
// (events 1, 2) and 2 (events 3, 4), then pages 4 (events 1, 2, 3) and 5 (events 4, 5). Page 3 is the page of the other stream.
func storeTwoStreams(t *testing.T, databaseURL string) {
	t.Helper()
	s := newPageWriter(t, databaseURL, "s").commitPage("cursor-a", 1, 2).commitPage("cursor-b", 3, 4)
	newPageWriter(t, databaseURL, "other").commitPage(endCursor, 101, 102, 103, 104, 105)
	s.startPass().commitPage("cursor-c", 1, 2, 3).commitPage(endCursor, 4, 5)
	setPageIDs(t, databaseURL, 1, 2, 3, 4, 5)
}

// storeDeadLetters stores stream s with dead letters of all kinds, as the pickyDecoder decodes them. These are the rows of the
// ledger, with their ids:
//
//   - Page 1 parks letters 1 ("3!"), 2 ("x") and 3 ("y").
//   - Page 3 parks letter 4 ("5 \x00"), which PostgreSQL refuses, and letter 5 ("2 colour"), which conflicts with event 2.
//     A user has discarded letter 5.
//   - Page 4 supersedes letter 1 and ends the first pass.
//   - Replay 5 stores an event 8 for letter 2, finds the event of letter 3 stored already, and rejects letter 4 again.
//     The test writes the rows of this replay by SQL.
//   - Page 7 is a second pass with all records of the first.
func storeDeadLetters(t *testing.T, databaseURL string) {
	t.Helper()
	s := newPageWriter(t, databaseURL, "s").
		commitPayloads("cursor-a", "1", "3!", "x", "2", "y").
		commitPayloads("cursor-b", "4", "5 \x00", "1", "2 colour").
		commitPayloads(endCursor, "3", "x", "6")
	setPageIDs(t, databaseURL, 1, 3, 4)
	pgtest.Exec(t, databaseURL, `
		INSERT INTO pages (id, kind, stream, pass, seq, parent_seq, cursor_in, cursor_out, position, received, inserted, duplicate, parked,
			body_bytes, request_id, requests, retries, rate_limited, waited_ms, fetched_at, trace_id)
		SELECT 5, 'replay', stream, pass, seq, 0, '', '', position, 3, 1, 1, 1,
			0, '', 0, 0, 0, 0, now(), '' FROM checkpoints;
		-- The id is domaintest.EventID(8).
		INSERT INTO events SELECT '7061776c-7465-7374-0000-000000000008', session_id, user_id, type, 'event_8', properties, occurred_at,
			device_type, browser, extra, 5 FROM events LIMIT 1;
		UPDATE dead_letters SET replays = 1 WHERE id IN (2, 3, 4);
		UPDATE dead_letters SET event_id = '7061776c-7465-7374-0000-000000000008' WHERE id = 2;
		UPDATE dead_letters SET resolved_at = now(), resolution = 'replayed', resolved_page_id = 5 WHERE id = 2;
		UPDATE dead_letters SET resolved_at = now(), resolution = 'duplicate', resolved_page_id = 5 WHERE id = 3;
		UPDATE dead_letters SET resolved_at = now(), resolution = 'discarded' WHERE id = 5`)
	s.startPass().commitPayloads(endCursor, "1", "3!", "x", "2", "y", "4", "5 \x00", "1", "2 colour", "3", "x", "6")
	setPageIDs(t, databaseURL, 1, 3, 4, 5, 7)
}

// setPageIDs replaces the ids of all rows in the ledger by these ids, in the same order. It also updates the rows that name these
// ids. Rows that are inserted later get ids above 1000.
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
		-- An old id may be another row's new id, so the rows get negative ids first.
		UPDATE pages AS p SET id = -n.new_id FROM `+renumbered+` WHERE n.id = p.id;
		UPDATE pages SET id = -id;
		SELECT setval(pg_get_serial_sequence('pages', 'id'), 1000)`)
}
