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

// TestBadRecordParked checks that a bad record is parked with its exact bytes and a reason, and that the run goes on.
func TestBadRecordParked(t *testing.T) {
	t.Parallel()
	one, two, three := fmt.Sprintf(validEvent, 1), fmt.Sprintf(validEvent, 2), fmt.Sprintf(validEvent, 3)
	tests := []struct{ name, from, to, why string }{
		{"without a field", `"name":"event_abc123",`, "", "missing field in name"},
		{"with a bad timestamp", `1769541553629`, `"yesterday"`, "bad timestamp in timestamp"},
		{"with a NUL", `{"n":1}`, `{"n":"\u0000"}`, "NUL character in properties"},
		{"with a value that only PostgreSQL refuses", `{"n":1}`, `{"n":1e400000}`, "unstorable in "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			bad := strings.Replace(three, tt.from, tt.to, 1)
			environment, _ := serveBodies(t, "application/json", pageOf(3, "a", one), pageOf(3, "", bad, two))
			f := newFixture(t, environment)
			if got := f.runPawl(0, "run", "--json").summary(); got.Inserted != 2 || got.Parked != 1 {
				t.Errorf("summary: got %+v, want 2 inserted and 1 parked", got)
			}
			var why, payload string
			if err := f.db.conn.QueryRow(f.ctx, "SELECT reason || ' in ' || field, convert_from(payload, 'UTF8') FROM dead_letters").Scan(&why, &payload); err != nil {
				t.Fatal(err)
			}
			if why != tt.why || payload != bad {
				t.Errorf("parked: got %q, payload %s, want %q, payload %s", why, payload, tt.why, bad)
			}
			f.db.checkLedger()
		})
	}
}

// TestRepairedRecords checks what happens when the API repairs bad records. The first pass parks one record of each bad
// kind. In the second pass the API sends all of them correctly: every event is stored, and the dead letters that name
// their event are superseded.
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
		if code := p.wait(ctx); code != 0 {
			t.Fatalf("exit %d: %s", code, p.stderr.String())
		}
	}
	var drifts []string
	for i, kind := range parkedDrifts {
		drifts = append(drifts, fmt.Sprintf("%s@%d", kind, i*pageSize+(i+3)%pageSize))
	}
	m.play(scenario{RateWindow: "1s", CursorTTL: "2m0s", Latency: "0s", Faults: []string{}, Drifts: drifts})
	run()
	db.checkTruth(m)
	if n := db.count("SELECT count(*) FROM dead_letters WHERE resolved_at IS NULL"); n != len(parkedDrifts) {
		t.Errorf("got %d open dead letters, want %d", n, len(parkedDrifts))
	}

	m.play(scenario{RateWindow: "1s", CursorTTL: "2m0s", Latency: "0s", Faults: []string{}, Drifts: []string{}})
	run("--new-pass")
	db.exec("DROP TABLE truth")
	db.loadTruth(m)
	if c := db.compare(); c != (comparison{}) {
		t.Errorf("after the repair, rows that differ from the truth: %+v", c)
	}
	db.checkLedger()
	if wrong := db.count(`SELECT count(*) FROM dead_letters
		WHERE (resolution IS NOT DISTINCT FROM 'superseded') <> (event_id IS NOT NULL AND reason <> 'conflict')`); wrong > 0 {
		t.Errorf("%d dead letters are superseded and should not be, or the reverse", wrong)
	}
}

// TestDeadLettersOfOneID checks that different records with one id are different dead letters, each with its exact bytes,
// also after an earlier one was discarded. The same record in another form is the same dead letter.
func TestDeadLettersOfOneID(t *testing.T) {
	t.Parallel()
	four := undecodableRecords(1, 2, 3, 4)
	moved := strings.Replace(four[0], `"userId":"20000000-0000-4000-8000-000000000001",`, "", 1)
	moved = strings.Replace(moved, "}}", `},"userId":"20000000-0000-4000-8000-000000000001"}`, 1)
	moved = strings.Replace(moved, "1769541553629", `"2026-01-27T19:19:13.629Z"`, 1)
	tests := []struct {
		name    string
		records []string
		steps   func(s *sameIDStream)
		want    []string // the bytes of the open dead letters at the end, in order
		seen    int      // the sum over all dead letters
	}{
		{"four records are four dead letters", four, nil, four, 4},
		{"a repeated record is the same dead letter", append(four[:1:1], four...), nil, four, 5},
		{"another member order and time format are the same dead letter", []string{four[0], moved, four[1]}, nil, four[:2], 3},
		{"spaces, escapes and line breaks are kept", []string{respellRecord(four[0]), four[1]}, nil, []string{respellRecord(four[0]), four[1]}, 2},
		{"after a discard the same record opens no dead letter", four[:1], func(s *sameIDStream) {
			s.runPawl("dlq", "discard", s.firstDeadLetter(), "--why", "known")
			s.runPawl("run", "--new-pass")
		}, nil, 2},
		{"after a discard another record opens a dead letter", four[:1], func(s *sameIDStream) {
			s.runPawl("dlq", "discard", s.firstDeadLetter(), "--why", "known")
			s.api.setRecords(four[1:2])
			s.runPawl("run", "--new-pass")
		}, four[1:2], 2},
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
			s.checkOpen(tt.want...)
			if n := s.db.count("SELECT coalesce(sum(seen), 0) FROM dead_letters"); n != tt.seen {
				t.Errorf("sum of seen: got %d, want %d", n, tt.seen)
			}
			s.db.checkLedger()
		})
	}
}

// TestManyDeadLettersOfOneID checks that at most 16 dead letters of one id are stored, and that the last of them counts the
// further records and shows their number. Otherwise an API that writes, for example, the request's time into each record
// would fill the table.
func TestManyDeadLettersOfOneID(t *testing.T) {
	t.Parallel()
	const records, maxOpen = 40, 16
	numbers := make([]int, records)
	for i := range numbers {
		numbers[i] = i + 1
	}
	all := undecodableRecords(numbers...)
	s := newSameIDStream(t, all)
	s.runPawl("run")
	s.checkOpen(all[:maxOpen]...)
	if n := s.db.count("SELECT sum(seen) FROM dead_letters"); n != records {
		t.Errorf("sum of seen: got %d, want %d", n, records)
	}
	if n := s.db.count("SELECT others FROM dead_letters ORDER BY id DESC LIMIT 1"); n != records-maxOpen {
		t.Errorf("others of the last dead letter: got %d, want %d", n, records-maxOpen)
	}
	last := strconv.Itoa(s.db.count("SELECT max(id) FROM dead_letters"))
	if shown := s.runPawl("dlq", "show", last); !strings.Contains(shown, strconv.Itoa(records-maxOpen)) {
		t.Errorf("dlq show: got %s, want %d other records", shown, records-maxOpen)
	}
	s.runPawl("verify", "--against-api")
	s.runPawl("run", "--new-pass")
	s.runPawl("verify") // one more pass has found nothing new
	s.db.checkLedger()
}

// undecodableRecords returns a record for each number. All have the same id, and none has a name, which an event must have.
func undecodableRecords(numbers ...int) []string {
	var records []string
	for _, n := range numbers {
		record := strings.Replace(fmt.Sprintf(validEvent, 1), `"name":"event_abc123",`, "", 1)
		records = append(records, strings.Replace(record, `{"n":1}`, fmt.Sprintf(`{"n":%d}`, n), 1))
	}
	return records
}

// respellRecord returns the record with unnecessary spaces, line breaks and an escape.
func respellRecord(record string) string {
	record = strings.ReplaceAll(record, `,"`, ",\r\n  \"")
	return strings.ReplaceAll(record, "mobile", `mob\u0069le`)
}

// A sameIDStream is a fixture whose API serves records that share an id.
type sameIDStream struct {
	*fixture

	api *recordsAPI
}

func newSameIDStream(t *testing.T, records []string) *sameIDStream {
	t.Helper()
	api := serveRecords(t, records)
	return &sameIDStream{newFixture(t, api.environment), api}
}

// runPawl runs a command, which must exit with 0, and returns its output.
func (s *sameIDStream) runPawl(args ...string) (stdout string) {
	s.t.Helper()
	if args[0] == "run" {
		args = append(args, "--page-size", "100", "--max-reject-ratio", "1")
	}
	return s.fixture.runPawl(0, args...).stdout.String()
}

func (s *sameIDStream) firstDeadLetter() string {
	s.t.Helper()
	return strconv.Itoa(s.db.count("SELECT min(id) FROM dead_letters"))
}

// checkOpen checks that the open dead letters have exactly these bytes, in the order in which they were parked.
func (s *sameIDStream) checkOpen(want ...string) {
	s.t.Helper()
	rows, err := s.db.conn.Query(s.ctx, "SELECT convert_from(payload, 'UTF8') FROM dead_letters WHERE resolved_at IS NULL ORDER BY id")
	if err != nil {
		s.t.Fatal(err)
	}
	got, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		s.t.Fatal(err)
	}
	if !slices.Equal(got, want) {
		s.t.Errorf("got %d open dead letters, want %d:\n%s\nwant:\n%s", len(got), len(want), strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
