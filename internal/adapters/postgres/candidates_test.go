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

// TestCompareParkedRecords compares records of stream s of storeDeadLetters with what is stored of them.
func TestCompareParkedRecords(t *testing.T) {
	t.Parallel()
	const all = "1|3!|x|2|y|4|5 \x00|1|2 colour|3|x|6"
	const stillOpen = "UPDATE dead_letters SET resolved_at = NULL, resolution = NULL, resolved_page_id = NULL, event_id = NULL WHERE id = 2;"
	tests := []struct {
		name, sql, records string
		parked             int64
		want               string
	}{
		{"as it was received", "", all, 2, ""}, // 5 is open, the conflict over 2 discarded
		{"other values than stored and parked", "", "2 sound|6|4", 0, "2: stored with another extra\n"},
		{
			"a resolved conflict", "UPDATE dead_letters SET resolution = 'duplicate', resolved_page_id = 5 WHERE id = 5", all, 1,
			"2: stored with another extra\n",
		},
		{"a conflict's letter is missing", "DELETE FROM dead_letters WHERE id = 5", all, 1, "2: stored with another extra\n"},
		{
			"a refused event's letter is missing", "DELETE FROM dead_letters WHERE id = 4", all, 1,
			"5: not parked: PostgreSQL refuses it: unsupported Unicode escape sequence (SQLSTATE 22P05)\n",
		},
		{"a refused event, and one of its id that is not", "", "5|5 \x00", 1, "5: neither stored nor parked\n"},
		{
			"a letter without an id is missing", "DELETE FROM dead_letters WHERE id = 3", all, 2,
			"record at index 4 is neither stored nor parked: not a number: \"y\"\n",
		},
		{
			"a letter is missing, but not its event", "DELETE FROM dead_letters WHERE id = 1", all, 2,
			"3: record at index 1 is neither stored nor parked: marked: \n",
		},
		{
			"a letter and its event are missing", "DELETE FROM dead_letters WHERE id = 1; DELETE FROM events WHERE name = 'event_3'", all, 2,
			"3: record at index 1 is neither stored nor parked: marked: \n3: neither stored nor parked\n",
		},
		{"a superseded letter whose event is missing", "DELETE FROM events WHERE name = 'event_3'", all, 2, "3: neither stored nor parked\n"},
		{
			"a conflict with the key of an earlier version", "INSERT INTO dead_letters (stream, key, page_id, index_in_page, reason, field, detail, payload, payload_sha256, seen) " +
				"SELECT 's', '7061776c-7465-7374-0000-00000000000' || n, 1, 0, r, '', '', p, sha256(p), 1 FROM (VALUES (4, 'conflict', '4 new'::bytea), (6, 'marked', '6 new')) AS l (n, r, p)",
			"4 new|6 new", 1, "6: stored with another extra\n",
		},
		{"an open letter of a record that can be decoded now", stillOpen, "1|x", 1, ""},
		{
			"an earlier version's letter of the id with another record", "UPDATE dead_letters SET key = event_id::text WHERE id = 4",
			"5 \x00|5 \x00\x00", 1, "5: not parked: PostgreSQL refuses it: unsupported Unicode escape sequence (SQLSTATE 22P05)\n",
		},
		{
			"letters with other bytes", "UPDATE dead_letters SET payload = 'gone', payload_sha256 = sha256('gone') WHERE id <> 2", all, 0,
			"3: dead letter 1 holds other bytes than the API returns\ndead letter 3 holds other bytes than the API returns\n" +
				"2: dead letter 5 holds other bytes than the API returns\n5: dead letter 4 holds other bytes than the API returns\n",
		},
		{
			"letters with bytes that mean the same", "UPDATE dead_letters SET payload = payload || ' '", all, 2, "",
		},
		{
			"a record that was counted and not stored", "UPDATE dead_letters SET others = 1 WHERE id = 4", "5 colour\x00|5 \x00", 1, "",
		},
		{
			"more records than were counted", "UPDATE dead_letters SET others = 1 WHERE id = 4", "5 colour\x00|5 \x00\x00|5 \x00", 1,
			"5: not parked: PostgreSQL refuses it: unsupported Unicode escape sequence (SQLSTATE 22P05)\n",
		},
		{
			"a counted record of a stored event", "UPDATE dead_letters SET others = 1, event_id = (SELECT id FROM events WHERE name = 'event_6') WHERE id = 4", "6 colour", 0, "",
		},
		{
			"a record counted in a letter that is resolved", "UPDATE dead_letters SET others = 1 WHERE id = 5", "2 shade", 0, "2: stored with another extra\n",
		},
		{
			"a missing event beside a letter that counts records",
			"DELETE FROM events WHERE name = 'event_6'; UPDATE dead_letters SET others = 1, event_id = '7061776c-7465-7374-0000-000000000006' WHERE id = 4",
			"6", 0, "6: neither stored nor parked\n",
		},
		{
			"a letter of another stream", "UPDATE dead_letters SET stream = 'other' WHERE id = 4", "4|5 \x00", 0,
			"5: not parked: PostgreSQL refuses it: unsupported Unicode escape sequence (SQLSTATE 22P05)\n",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			url := pgtest.Database(t)
			storeDeadLetters(t, url)
			pgtest.Exec(t, url, tt.sql)
			page := decodePayloads(domain.Position{}, endCursor, strings.Split(tt.records, "|")...)
			if tt.sql == stillOpen { // a later decoder decodes the record
				event := makeEvents(t, 88)[0]
				event.Record = page.Rejects[0].Record
				page.Events, page.Rejects = append(page.Events, event), nil
			}
			compared, err := newComparison(t, url).Compare(t.Context(), streamS, page)
			if err != nil || compared.Parked != tt.parked {
				t.Errorf("got %d parked, %v, want %d", compared.Parked, err, tt.parked)
			}
			var got strings.Builder
			for _, d := range slices.Concat(compared.Missing, compared.Differences) {
				for n := range uint64(100) {
					if n > 0 && d.Event == domaintest.EventID(n) {
						fmt.Fprintf(&got, "%d: ", n)
					}
				}
				fmt.Fprintln(&got, d.What)
			}
			if got.String() != tt.want {
				t.Errorf("got:\n%swant:\n%s", &got, tt.want)
			}
		})
	}
}

// TestCompareNotKeptRecords tests that a dead letter accounts for no more records in one walk than it counts.
func TestCompareNotKeptRecords(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	storeDeadLetters(t, url)
	pgtest.Exec(t, url, "UPDATE dead_letters SET others = 2 WHERE id = 4")
	c := newComparison(t, url)
	for _, tt := range []struct {
		record      string
		differences int
	}{{"5 a\x00", 0}, {"5 b\x00", 0}, {"5 c\x00", 1}} {
		compared, err := c.Compare(t.Context(), streamS, decodePayloads(domain.Position{}, endCursor, tt.record))
		if err != nil || len(compared.Differences)+len(compared.Missing) != tt.differences || compared.NotKept != int64(1-tt.differences) {
			t.Errorf("%q: got %+v, %v, want %d differences", tt.record, compared, err, tt.differences)
		}
	}
	c.Begin() // another walk
	if compared, err := c.Compare(t.Context(), streamS, decodePayloads(domain.Position{}, endCursor, "5 c\x00")); err != nil || compared.NotKept != 1 {
		t.Errorf("next walk: got %+v, %v, want 1 not kept", compared, err)
	}
}
