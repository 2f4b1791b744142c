//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pawldata/pawl/internal/pgtest"
)

// TestBadRecordParked checks that a bad record is parked with its exact bytes and a reason, and that the run stores the other
// records.
func TestBadRecordParked(t *testing.T) {
	t.Parallel()
	one, two, three := validEvent(1), validEvent(2), validEvent(3)
	tests := []struct {
		name       string
		old, bad   string // the bad record is the third event, in which bad replaces old
		wantReason string
	}{
		{
			name: "without a field",
			old:  validName + ",", bad: "", wantReason: "missing field in name",
		},
		{
			name: "with a bad timestamp",
			old:  validTimestamp, bad: `"yesterday"`, wantReason: "bad timestamp in timestamp",
		},
		{
			name: "with a NUL",
			old:  validProperties, bad: `{"n":"\u0000"}`, wantReason: "NUL character in properties",
		},
		{
			name: "with a value that only PostgreSQL refuses",
			old:  validProperties, bad: `{"n":1e400000}`, wantReason: "unstorable in ",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			bad := strings.Replace(three, tt.old, tt.bad, 1)
			const records = 3
			environment, _ := serveBodies(t, "application/json", pageOf(records, "next", one), lastPage(records, bad, two))
			f := newFixture(t, environment)
			if got := f.runPawl(exitDone, "run", "--json").summary(); got.Inserted != 2 || got.Parked != 1 {
				t.Errorf("summary: got %+v, want 2 inserted and 1 parked", got)
			}
			var reason, payload string
			const query = "SELECT reason || ' in ' || field, convert_from(payload, 'UTF8') FROM dead_letters"
			if err := f.db.conn.QueryRow(f.ctx, query).Scan(&reason, &payload); err != nil {
				t.Fatal(err)
			}
			if reason != tt.wantReason {
				t.Errorf("reason: got %q, want %q", reason, tt.wantReason)
			}
			if payload != bad {
				t.Errorf("payload: got %s, want %s", payload, bad)
			}
			f.db.checkLedger()
		})
	}
}

// TestRepairedRecords checks what happens when the API repairs bad records. In the first pass, pawl parks one record of each bad
// kind. In the second pass, the API sends all of them correctly. pawl must store every event, and mark the dead letters that
// have the id of a stored event as superseded.
func TestRepairedRecords(t *testing.T) {
	t.Parallel()
	const pageSize = 100
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	databaseURL := pgtest.Database(t)
	m := startMock(t, "--events", strconv.Itoa(pageSize*len(parkedDrifts)), "--rate-limit", "0")
	db := connect(t, databaseURL)
	run := func(args ...string) {
		t.Helper()
		p := start(t, m.environment(databaseURL), "pawl", append([]string{"run", "--page-size", strconv.Itoa(pageSize)}, args...)...)
		if code := p.wait(ctx); code != exitDone {
			t.Fatalf("exit %d: %s", code, p.stderr.String())
		}
	}
	var drifts []string
	for i, kind := range parkedDrifts {
		drifts = append(drifts, fmt.Sprintf("%s@%d", kind, i*pageSize+i)) // the record with index i in page i
	}
	broken := scenario{RateWindow: "1s", CursorTTL: "2m0s", Latency: "0s", Faults: []string{}, Drifts: drifts}
	m.play(broken)
	run()
	db.checkAgainstMock(m)
	if n := db.queryInt("SELECT count(*) FROM dead_letters WHERE resolved_at IS NULL"); n != len(parkedDrifts) {
		t.Errorf("open dead letters: got %d, want %d", n, len(parkedDrifts))
	}

	repaired := broken
	repaired.Drifts = []string{}
	m.play(repaired)
	run("--new-pass")
	db.exec("DROP TABLE truth") // it was the truth of the broken scenario
	db.loadTruth(m)
	if rows := db.compareRows(); rows != (rowComparison{}) {
		t.Errorf("rows after the repair: got differences from the truth %+v, want none", rows)
	}
	db.checkLedger()
	if wrong := db.queryInt(`SELECT count(*) FROM dead_letters
		WHERE (resolution IS NOT DISTINCT FROM 'superseded') <> (event_id IS NOT NULL AND reason <> 'conflict')`); wrong > 0 {
		t.Errorf("dead letters that are wrongly superseded or wrongly not superseded: got %d, want 0", wrong)
	}
}

// TestDeadLettersOfOneID checks that different records with one id become different dead letters, each with its exact bytes. This
// must also be so after an earlier dead letter was discarded. A record that has the same content as an earlier record, but is
// written differently, must not become another dead letter.
func TestDeadLettersOfOneID(t *testing.T) {
	t.Parallel()
	records := undecodableRecords(4)
	// reordered has userId at the end of the record, and the same time in another format.
	reordered := strings.Replace(records[0], validUserID+",", "", 1)
	reordered = strings.Replace(reordered, "}}", "},"+validUserID+"}", 1)
	reordered = strings.Replace(reordered, validTimestamp, `"2026-01-27T19:19:13.629Z"`, 1)
	respelled := respellRecord(records[0])
	tests := []struct {
		name     string
		records  []string // the API's records
		steps    func(s *sameIDStream)
		wantOpen []string // the bytes of the open dead letters at the end, in order
		wantSeen int      // the sum of seen over all dead letters: how many records all runs have received
	}{
		{
			name:    "four records are four dead letters",
			records: records, wantOpen: records, wantSeen: 4,
		},
		{
			name:    "a repeated record is the same dead letter",
			records: slices.Concat(records[:1], records), wantOpen: records, wantSeen: 5,
		},
		{
			name:    "another member order and time format are the same dead letter",
			records: []string{records[0], reordered, records[1]}, wantOpen: records[:2], wantSeen: 3,
		},
		{
			name:    "spaces, escapes and line breaks are stored as they are",
			records: []string{respelled, records[1]}, wantOpen: []string{respelled, records[1]}, wantSeen: 2,
		},
		{
			name:    "after a discard the same record opens no dead letter",
			records: records[:1],
			steps: func(s *sameIDStream) {
				s.runPawl("dlq", "discard", s.firstDeadLetter(), "--why", "known")
				s.runPawl("run", "--new-pass")
			},
			wantOpen: nil, wantSeen: 2,
		},
		{
			name:    "after a discard another record opens a dead letter",
			records: records[:1],
			steps: func(s *sameIDStream) {
				s.runPawl("dlq", "discard", s.firstDeadLetter(), "--why", "known")
				s.api.setRecords(records[1:2])
				s.runPawl("run", "--new-pass")
			},
			wantOpen: records[1:2], wantSeen: 2,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newSameIDStream(t, tt.records)
			s.runPawl("run")
			if tt.steps != nil {
				tt.steps(s)
			}
			s.runPawl("verify", "--against-api")
			s.checkOpen(tt.wantOpen...)
			if n := s.db.queryInt("SELECT coalesce(sum(seen), 0) FROM dead_letters"); n != tt.wantSeen {
				t.Errorf("sum of seen: got %d, want %d", n, tt.wantSeen)
			}
			s.db.checkLedger()
		})
	}
}

// TestManyDeadLettersOfOneID checks that pawl stores at most 16 dead letters of one id. The last of these dead letters must count
// the further records, and dlq show must show their number. Without this limit, an API could fill the table, for example if it
// writes the time of the request into each record.
func TestManyDeadLettersOfOneID(t *testing.T) {
	t.Parallel()
	const records, maxOpen = 40, 16 // maxOpen is the limit that docs/how-to/dead-letters.md promises
	all := undecodableRecords(records)
	s := newSameIDStream(t, all)
	s.runPawl("run")
	s.checkOpen(all[:maxOpen]...)
	if n := s.db.queryInt("SELECT sum(seen) FROM dead_letters"); n != records {
		t.Errorf("sum of seen: got %d, want %d", n, records)
	}
	if n := s.db.queryInt("SELECT others FROM dead_letters ORDER BY id DESC LIMIT 1"); n != records-maxOpen {
		t.Errorf("others of the last dead letter: got %d, want %d", n, records-maxOpen)
	}
	lastID := strconv.Itoa(s.db.queryInt("SELECT max(id) FROM dead_letters"))
	if shown := s.runPawl("dlq", "show", lastID); !strings.Contains(shown, strconv.Itoa(records-maxOpen)) {
		t.Errorf("dlq show: got %s, want %d other records", shown, records-maxOpen)
	}
	s.runPawl("verify", "--against-api")
	s.runPawl("run", "--new-pass")
	s.runPawl("verify") // must find no difference after one more pass either
	s.db.checkLedger()
}

// undecodableRecords returns n different records with the same id. None has a name, so pawl cannot decode them.
func undecodableRecords(n int) []string {
	withoutName := strings.Replace(validEvent(1), validName+",", "", 1)
	records := make([]string, n)
	for i := range records {
		records[i] = strings.Replace(withoutName, validProperties, fmt.Sprintf(`{"n":%d}`, i+1), 1)
	}
	return records
}

// respellRecord returns a record with the same content. It has additional spaces and line breaks, and an escaped letter.
func respellRecord(record string) string {
	spaced := strings.ReplaceAll(record, `,"`, ",\r\n  \"")
	return strings.ReplaceAll(spaced, "mobile", `mob\u0069le`)
}

// A sameIDStream is a fixture whose API serves records that all have the same id.
type sameIDStream struct {
	*fixture

	api *recordsAPI
}

func newSameIDStream(t *testing.T, records []string) *sameIDStream {
	t.Helper()
	api := serveRecords(t, records)
	return &sameIDStream{newFixture(t, api.environment), api}
}

// runPawl runs a command of pawl and returns its standard output. It fails the test if pawl does not exit with exitDone.
func (s *sameIDStream) runPawl(args ...string) (stdout string) {
	s.t.Helper()
	if args[0] == "run" {
		args = append(args, "--page-size", "100", "--max-reject-ratio", "1")
	}
	return s.fixture.runPawl(exitDone, args...).stdout.String()
}

func (s *sameIDStream) firstDeadLetter() string {
	s.t.Helper()
	return strconv.Itoa(s.db.queryInt("SELECT min(id) FROM dead_letters"))
}

// checkOpen checks that the open dead letters have exactly these bytes, in the order in which they were parked.
func (s *sameIDStream) checkOpen(want ...string) {
	s.t.Helper()
	const query = "SELECT convert_from(payload, 'UTF8') FROM dead_letters WHERE resolved_at IS NULL ORDER BY id"
	rows, err := s.db.conn.Query(s.ctx, query)
	if err != nil {
		s.t.Fatal(err)
	}
	got, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		s.t.Fatal(err)
	}
	if !slices.Equal(got, want) {
		s.t.Errorf("open dead letters: got %d:\n%s\nwant %d:\n%s", len(got), strings.Join(got, "\n"), len(want), strings.Join(want, "\n"))
	}
}
