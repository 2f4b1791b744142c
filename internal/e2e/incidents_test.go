//go:build e2e

package e2e

import (
	"strings"
	"testing"

	"github.com/pawldata/pawl/internal/pgtest"
)

// An incident is a situation in which a user has only pawl's message and the documentation.
type incident struct {
	name  string
	mock  []string                // the arguments of the mock API
	stage func(*incidentStage)    // prepares the situation; may be nil
	args  []string                // further arguments of pawl run
	env   func(*fixture) []string // further environment variables; may be nil

	wantCode int
	want     []string // words in the message that lead to the remedy
}

// An incidentStage is what the function stage of an incident can change.
type incidentStage struct {
	*fixture

	mock *mock
}

// incidents returns the situations. Each message must name the remedy and end in its code.
func incidents() []incident {
	return []incident{
		{
			name: "the API does not accept the key", mock: []string{"--api-key", "another-key"},
			wantCode: exitSettings, want: []string{"API_KEY", "[api-key-refused]"},
		},
		{
			name: "the API has moved to another address",
			stage: func(s *incidentStage) {
				s.runPawl(exitDone, "run")
				s.db.exec("UPDATE checkpoints SET source_url = 'https://former.example/api/v1'")
			},
			wantCode: exitSettings, want: []string{"former.example", "pawl move", "[stream-other-address]"},
		},
		{
			name: "the database's disk is full",
			// PostgreSQL reports this SQLSTATE when it cannot extend a file.
			stage: func(s *incidentStage) {
				s.db.exec(`CREATE FUNCTION fail_full() RETURNS trigger LANGUAGE plpgsql AS
					$$ BEGIN RAISE 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$;
					CREATE TRIGGER disk_full BEFORE INSERT ON events FOR EACH STATEMENT EXECUTE FUNCTION fail_full()`)
			},
			args: []string{"--max-outage", "1s"}, wantCode: exitRetryLater, want: []string{"disk", "full", "--max-outage", "[database-disk-full]"},
		},
		{
			name:     "the schema is newer than the program",
			stage:    func(s *incidentStage) { s.db.exec("INSERT INTO schema_migrations VALUES ('99991231000000')") },
			wantCode: exitSettings, want: []string{"newer", "pawl", "[schema-newer]"},
		},
		{
			name: "the API has changed its records", mock: []string{"--drift", "missing-field:0.9"},
			wantCode: exitData, want: []string{"--max-reject-ratio", "[too-many-rejects]"},
		},
		{
			name:     "a cursor expires before the next page",
			mock:     []string{"--cursor-ttl", "1s", "--rate-limit", "1", "--rate-window", "3s"},
			wantCode: exitRetryLater, want: []string{"cursor", "--page-size", "[cursor-lost]"},
		},
		{
			name: "another runner has the stream",
			mock: []string{"--latency", "300ms", "--events", "100000"},
			stage: func(s *incidentStage) {
				s.start("run", "--page-size", "10")
				eventually(s.t, "the first runner has committed a page", func() bool { return s.db.countPages() > 0 })
			},
			wantCode: exitFenced, want: []string{"another runner", "[stream-held]"},
		},
		{
			name: "the schema must be updated through a pooler",
			env: func(f *fixture) []string {
				return []string{"DATABASE_URL=" + pgtest.Pooler(f.t, pgtest.Empty(f.t))}
			},
			wantCode: exitSettings, want: []string{"PAWL_MIGRATE_URL", "[migration-needs-direct]"},
		},
		{
			name:     "the database server is down",
			env:      func(*fixture) []string { return []string{"DATABASE_URL=postgres://u@127.0.0.1:1/db"} },
			args:     []string{"--max-outage", "1s"},
			wantCode: exitRetryLater, want: []string{"127.0.0.1:1", "PostgreSQL", "--max-outage", "[database-unreachable]"},
		},
		{
			name:     "the rate limit asks for a longer wait than --max-wait",
			mock:     []string{"--rate-limit", "1", "--rate-window", "1h"},
			args:     []string{"--max-wait", "1s"},
			wantCode: exitRetryLater, want: []string{"--max-wait", "[rate-limit-wait-too-long]"},
		},
	}
}

// TestIncidents checks how a run ends in each situation: its exit code, and that the last line of its log names what helps.
func TestIncidents(t *testing.T) {
	t.Parallel()
	for _, tt := range incidents() {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := startMock(t, append([]string{"--events", "1000", "--rate-limit", "0"}, tt.mock...)...)
			f := newFixture(t, m.environment)
			if tt.stage != nil {
				tt.stage(&incidentStage{fixture: f, mock: m})
			}
			if tt.env != nil {
				f.env = append(f.env, tt.env(f)...) // the last value of a variable counts
			}
			p := f.runPawl(tt.wantCode, append([]string{"run", "--page-size", "100"}, tt.args...)...)
			lines := strings.Split(strings.TrimSpace(p.stderr.String()), "\n")
			message := lines[len(lines)-1]
			for _, want := range tt.want {
				if !strings.Contains(message, want) {
					t.Errorf("got message %q, want it to contain %q", message, want)
				}
			}
		})
	}
}
