package postgres_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
	"github.com/pawldata/pawl/internal/pgtest"
)

// TestCompareParkedRecords checks which differences Compare finds between a page and stream s of storeDeadLetters. A test may first
// change the database by SQL. The stream has these dead letters:
//
//   - letters 1 ("3!"), 2 ("x") and 3 ("y") are resolved
//   - letter 4 ("5 \x00") is open, and letter 5 ("2 colour") is discarded; these two records are parked and not stored
//
// The pickyDecoder (pages_test.go) decodes the payloads: "5 \x00" is event 5 with a value that PostgreSQL refuses, and "2 colour"
// is event 2 with an unknown field, so with another value in the column extra.
func TestCompareParkedRecords(t *testing.T) {
	t.Parallel()
	const (
		// allRecords are the payloads of all records of the stream.
		allRecords       = "1|3!|x|2|y|4|5 \x00|1|2 colour|3|x|6"
		event2Differs    = "2: stored with another extra\n"
		event5NotParked  = "5: not parked: PostgreSQL refuses it: unsupported Unicode escape sequence (SQLSTATE 22P05)\n"
		reopenX          = "UPDATE dead_letters SET resolved_at = NULL, resolution = NULL, resolved_page_id = NULL, event_id = NULL WHERE id = 2;"
		countOtherRecord = "UPDATE dead_letters SET others = 1 WHERE id = 4"
	)
	tests := []struct {
		name       string
		sql        string // changes the database before the comparison
		records    string // the payloads of the page, separated by "|"
		decodesX   bool   // the page comes from a later decoder, which decodes the record "x"
		wantParked int64  // the number of the page's records that have an open or a discarded letter
		want       string // the differences, see describeDifferences
	}{
		{name: "as received", records: allRecords, wantParked: 2},
		{name: "other values than stored and parked", records: "2 sound|6|4", want: event2Differs},
		{
			name: "a resolved conflict", sql: "UPDATE dead_letters SET resolution = 'duplicate', resolved_page_id = 5 WHERE id = 5",
			records: allRecords, wantParked: 1, want: event2Differs,
		},
		{
			name: "a conflict's letter is missing", sql: "DELETE FROM dead_letters WHERE id = 5",
			records: allRecords, wantParked: 1, want: event2Differs,
		},
		{
			name: "a refused event's letter is missing", sql: "DELETE FROM dead_letters WHERE id = 4",
			records: allRecords, wantParked: 1, want: event5NotParked,
		},
		{
			name:    "a refused event, and a record of the same event that PostgreSQL does not refuse",
			records: "5|5 \x00", wantParked: 1, want: "5: neither stored nor parked\n",
		},
		{
			name: "a letter without an event id is missing", sql: "DELETE FROM dead_letters WHERE id = 3",
			records: allRecords, wantParked: 2, want: "record at index 4 is neither stored nor parked: not a number: \"y\"\n",
		},
		{
			name: "a letter is missing, but not its event", sql: "DELETE FROM dead_letters WHERE id = 1",
			records: allRecords, wantParked: 2, want: "3: record at index 1 is neither stored nor parked: marked: \n",
		},
		{
			name:    "a letter and its event are missing",
			sql:     "DELETE FROM dead_letters WHERE id = 1; DELETE FROM events WHERE name = 'event_3'",
			records: allRecords, wantParked: 2,
			want: "3: record at index 1 is neither stored nor parked: marked: \n3: neither stored nor parked\n",
		},
		{
			name: "a superseded letter whose event is missing", sql: "DELETE FROM events WHERE name = 'event_3'",
			records: allRecords, wantParked: 2, want: "3: neither stored nor parked\n",
		},
		{
			name: "letters with the key of an earlier version: a conflict over event 4, and another reason for event 6",
			// The key is domaintest.EventID(n) as text. Only a letter of a conflict accounts for a record with other values.
			sql: `INSERT INTO dead_letters (stream, key, page_id, index_in_page, reason, field, detail, payload, payload_sha256, seen)
				SELECT 's', '7061776c-7465-7374-0000-00000000000' || n, 1, 0, r, '', '', p, sha256(p), 1
				FROM (VALUES (4, 'conflict', '4 new'::bytea), (6, 'marked', '6 new')) AS l (n, r, p)`,
			records: "4 new|6 new", wantParked: 1, want: "6: stored with another extra\n",
		},
		{name: "an open letter of a record that a later decoder decodes", sql: reopenX, records: "1|x", decodesX: true, wantParked: 1},
		{
			name:    "an earlier version's letter of the event, with another record",
			sql:     "UPDATE dead_letters SET key = event_id::text WHERE id = 4", // letter 4 has the bytes of the first record only
			records: "5 \x00|5 \x00\x00", wantParked: 1, want: event5NotParked,
		},
		{
			name: "letters with other bytes", sql: "UPDATE dead_letters SET payload = 'gone', payload_sha256 = sha256('gone') WHERE id <> 2",
			records: allRecords,
			want: "3: dead letter 1 holds other bytes than the API returns\ndead letter 3 holds other bytes than the API returns\n" +
				"2: dead letter 5 holds other bytes than the API returns\n5: dead letter 4 holds other bytes than the API returns\n",
		},
		{
			name: "letters with other bytes but the same content", sql: "UPDATE dead_letters SET payload = payload || ' '",
			records: allRecords, wantParked: 2,
		},
		{
			name: "another record of the event, which its letter counts", sql: countOtherRecord,
			records: "5 colour\x00|5 \x00", wantParked: 1,
		},
		{
			name: "two other records of the event, of which its letter counts one", sql: countOtherRecord,
			records: "5 colour\x00|5 \x00\x00|5 \x00", wantParked: 1, want: event5NotParked,
		},
		{
			name:    "another record of a stored event, which its letter counts",
			sql:     "UPDATE dead_letters SET others = 1, event_id = (SELECT id FROM events WHERE name = 'event_6') WHERE id = 4",
			records: "6 colour",
		},
		{
			name: "another record of the event, which a resolved letter counts", sql: "UPDATE dead_letters SET others = 1 WHERE id = 5",
			records: "2 shade", want: event2Differs,
		},
		{
			name: "a missing event with a letter that counts another record",
			sql: `DELETE FROM events WHERE name = 'event_6';
				UPDATE dead_letters SET others = 1, event_id = '7061776c-7465-7374-0000-000000000006' WHERE id = 4`,
			records: "6", want: "6: neither stored nor parked\n",
		},
		{
			name: "a letter of another stream", sql: "UPDATE dead_letters SET stream = 'other' WHERE id = 4",
			records: "4|5 \x00", want: event5NotParked,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			url := pgtest.Database(t)
			storeDeadLetters(t, url)
			pgtest.Exec(t, url, tt.sql)
			page := decodePayloads(domain.Position{}, endCursor, strings.Split(tt.records, "|")...)
			if tt.decodesX {
				const newEvent = 88 // any number that is not stored
				event := makeEvents(t, newEvent)[0]
				event.Record = page.Rejects[0].Record
				page.Events, page.Rejects = append(page.Events, event), nil
			}
			compared, err := newComparison(t, url).Compare(t.Context(), streamS, page)
			if err != nil || compared.Parked != tt.wantParked {
				t.Errorf("got %d parked, %v, want %d", compared.Parked, err, tt.wantParked)
			}
			if got := describeDifferences(slices.Concat(compared.Missing, compared.Differences)); got != tt.want {
				t.Errorf("got differences:\n%swant:\n%s", got, tt.want)
			}
		})
	}
}

// describeDifferences returns a line for each difference. A line begins with the number of the event, if the event is known.
func describeDifferences(differences []domain.Difference) string {
	const maxNumber = 99
	numbers := map[domain.EventID]int{}
	for n := 1; n <= maxNumber; n++ {
		numbers[domaintest.EventID(uint64(n))] = n
	}
	var text strings.Builder
	for _, d := range differences {
		if n, ok := numbers[d.Event]; ok {
			fmt.Fprintf(&text, "%d: ", n)
		}
		fmt.Fprintln(&text, d.What)
	}
	return text.String()
}

// TestCompareNotKeptRecords checks records that a dead letter only counts, in its column others. In one walk of the API, the letter
// accounts for as many records of its event as it counts. A further record of the event is a difference.
func TestCompareNotKeptRecords(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	storeDeadLetters(t, url)
	pgtest.Exec(t, url, "UPDATE dead_letters SET others = 2 WHERE id = 4") // letter 4 is of event 5
	c := newComparison(t, url)
	for _, tt := range []struct {
		record          string
		wantNotKept     int64
		wantDifferences int
	}{
		{record: "5 a\x00", wantNotKept: 1},
		{record: "5 b\x00", wantNotKept: 1},
		{record: "5 c\x00", wantDifferences: 1},
	} {
		compared, err := c.Compare(t.Context(), streamS, decodePayloads(domain.Position{}, endCursor, tt.record))
		if err != nil {
			t.Fatal(err)
		}
		if differences := slices.Concat(compared.Missing, compared.Differences); len(differences) != tt.wantDifferences {
			t.Errorf("%q: got differences %+v, want %d", tt.record, differences, tt.wantDifferences)
		}
		if compared.NotKept != tt.wantNotKept {
			t.Errorf("%q: got %d records not kept, want %d", tt.record, compared.NotKept, tt.wantNotKept)
		}
	}
	c.Begin() // starts another walk
	compared, err := c.Compare(t.Context(), streamS, decodePayloads(domain.Position{}, endCursor, "5 c\x00"))
	if err != nil || compared.NotKept != 1 {
		t.Errorf("next walk: got %+v, %v, want 1 record not kept", compared, err)
	}
}
