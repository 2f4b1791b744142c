//go:build e2e

package e2e

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// TestEarlyEnds checks that pawl does not believe an API that ends its stream too early or repeats a page, once or always.
// A run that exits with 0 has stored everything. If the API always gives the wrong answer, the run exits with 4, and the
// next run, with a correct API, stores the rest.
func TestEarlyEnds(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		events int
		script func(a *recordsAPI) func(pageRequest) (int, string)
		code   int // of the run with this script
	}{
		{"an early end, once, after the total has grown", 8, func(a *recordsAPI) func(pageRequest) (int, string) {
			return scriptWrongPage(once, func(q pageRequest) bool { return q.from == 2 }, func(q pageRequest) string {
				return pageOf(8, "", a.records[2:4]...)
			}, announceFirst(a, 4))
		}, 0},
		{"an early end, always, after the total has grown", 8, func(a *recordsAPI) func(pageRequest) (int, string) {
			return scriptWrongPage(always, func(q pageRequest) bool { return q.from == 2 }, func(q pageRequest) string {
				return pageOf(8, "", a.records[2:4]...)
			}, announceFirst(a, 6))
		}, 4},
		{"an empty first page with total 0, once", 4, func(*recordsAPI) func(pageRequest) (int, string) {
			return scriptWrongPage(once, func(q pageRequest) bool { return q.from == 0 }, func(pageRequest) string { return pageOf(0, "") }, nil)
		}, 0},
		{"a repeated page, once", 6, func(a *recordsAPI) func(pageRequest) (int, string) {
			return scriptWrongPage(once, func(q pageRequest) bool { return q.from == 2 }, func(pageRequest) string {
				return pageOf(6, cursorAt(4), a.records[:2]...)
			}, nil)
		}, 0},
		{"a repeated page, always", 6, func(a *recordsAPI) func(pageRequest) (int, string) {
			return scriptWrongPage(always, func(q pageRequest) bool { return q.from == 2 }, func(pageRequest) string {
				return pageOf(6, cursorAt(4), a.records[:2]...)
			}, nil)
		}, 4},
		{"the first page instead of the last, always", 4, func(a *recordsAPI) func(pageRequest) (int, string) {
			return scriptWrongPage(always, func(q pageRequest) bool { return q.from == 2 }, func(pageRequest) string {
				return pageOf(4, "", a.records[:2]...)
			}, nil)
		}, 4},
		{"a cursor that expires at the announced total", 6, func(a *recordsAPI) func(pageRequest) (int, string) {
			return func(q pageRequest) (int, string) {
				if q.from == 4 && q.number == 3 {
					return http.StatusBadRequest, `{"error":"Bad Request","message":"Cursor has expired","code":"CURSOR_EXPIRED"}`
				}
				return http.StatusOK, a.page(q, 4)
			}
		}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := serveRecords(t, validEvents(tt.events))
			a.script = tt.script(a)
			f := newFixture(t, a.environment)
			f.runPawl(tt.code, "run", "--page-size", "2", "--tries", "2")
			f.db.checkEnd(tt.code, tt.events)
			a.removeScript()
			f.runPawl(0, "run", "--page-size", "2")
			f.db.checkEnd(0, tt.events)
			f.runPawl(0, "verify", "--against-api")
			f.db.checkLedger()
		})
	}
}

// TestOverstatedTotal checks that the run exits with 4 if the API always announces more events than it has, that
// --accept-short-end completes the stream, and that the ledger records this.
func TestOverstatedTotal(t *testing.T) {
	t.Parallel()
	const events, announced = 4, 5
	a := serveRecords(t, validEvents(events))
	a.script = func(q pageRequest) (int, string) { return http.StatusOK, a.page(q, announced) }
	f := newFixture(t, a.environment)
	for _, step := range []struct {
		args       []string
		code       int
		wantStderr string
		accepted   int // ledger rows with end_accepted
	}{
		{[]string{"run", "--page-size", "2", "--tries", "2"}, 4, "--accept-short-end", 0},
		{[]string{"run", "--page-size", "2", "--tries", "2", "--accept-short-end"}, 0, "", 1},
		{[]string{"verify"}, 0, "", 1},
		{[]string{"verify", "--against-api"}, 0, "", 1},
	} {
		if p := f.runPawl(step.code, step.args...); !strings.Contains(p.stderr.String(), step.wantStderr) {
			t.Errorf("pawl %v, stderr: got %s, want %q", step.args, p.stderr.String(), step.wantStderr)
		}
		if n := f.db.count("SELECT count(*) FROM pages WHERE end_accepted"); n != step.accepted {
			t.Errorf("after pawl %v: got %d pages with an accepted end, want %d", step.args, n, step.accepted)
		}
	}
	f.db.checkEnd(0, events)
}

// TestNewerEvents checks that verify reports the events that were added to the API during the pass, and that the command
// which verify names reads them. The API grows from 4 to 6 events, and the pass does not read the newer two.
func TestNewerEvents(t *testing.T) {
	t.Parallel()
	const events = 6
	a := serveRecords(t, validEvents(events))
	older := a.records[2:]
	a.script = func(q pageRequest) (int, string) {
		if q.from == 0 {
			return http.StatusOK, pageOf(4, cursorAt(2), older[:2]...)
		}
		return http.StatusOK, pageOf(6, "", older[2:]...)
	}
	f := newFixture(t, a.environment)
	f.runPawl(0, "run", "--page-size", "2")
	a.removeScript()
	message := regexp.MustCompile("up to 2 newer events have not been read yet: `pawl (.*)` reads them")
	note := message.FindStringSubmatch(f.runPawl(0, "verify").stdout.String())
	if note == nil {
		t.Fatal("verify does not report the newer events")
	}
	if out := f.runPawl(0, "verify", "--against-api").stdout.String(); !strings.Contains(out, "2 records are new") {
		t.Errorf("verify --against-api does not report the newer events: %s", out)
	}
	f.runPawl(0, strings.Fields(note[1])...)
	f.db.checkEnd(0, events)
	if out := f.runPawl(0, "verify", "--against-api").stdout.String(); strings.Contains(out, "new") {
		t.Errorf("after `pawl %s` verify still reports new events: %s", note[1], out)
	}
}

// TestLeftOutRecord checks that verify exits with 4 and names a command if the API left a record out. The API answers
// records 2 and 3 instead of 3 and 4: one comes twice, one is left out. If the API recovers, the named command stores the
// missing record. If it always answers so, there is nothing more to read: verify --against-api exits with 0, and so does
// verify after one more pass.
func TestLeftOutRecord(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		recovers bool // the API
		walkCode int  // the exit code of verify --against-api before the named command
	}{
		{"once", true, 4},
		{"always", false, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := serveRecords(t, validEvents(6))
			a.script = scriptWrongPage(always, func(q pageRequest) bool { return q.from == 2 }, func(pageRequest) string {
				return pageOf(6, cursorAt(4), a.records[1:3]...)
			}, nil)
			f := newFixture(t, a.environment)
			f.runPawl(0, "run", "--page-size", "2")
			if tt.recovers {
				a.removeScript()
			}
			out := f.runPawl(4, "verify").stdout.String()
			note := regexp.MustCompile("5 of 6 announced records are stored or parked: .*; `pawl (.*)` finds out").FindStringSubmatch(out)
			if note == nil {
				t.Fatalf("verify names no command: %s", out)
			}
			f.runPawl(tt.walkCode, "verify", "--against-api", "--page-size", "2")
			f.runPawl(4, "verify") // verify --against-api has changed nothing
			f.runPawl(0, append(strings.Fields(note[1]), "--page-size", "2")...)
			f.runPawl(0, "verify")
			if stored := f.db.count("SELECT count(*) FROM events"); tt.recovers && stored != 6 {
				t.Errorf("got %d events stored, want 6", stored)
			}
		})
	}
}

const (
	once   = false
	always = true
)

// scriptWrongPage returns a script that answers the requests that match with a wrong page: the first of them, or all of
// them if always. otherwise answers the other requests; if it is nil, the API does.
func scriptWrongPage(
	always bool, matches func(pageRequest) bool, wrong func(pageRequest) string, otherwise func(pageRequest) (int, string),
) func(pageRequest) (int, string) {
	sent := false
	return func(q pageRequest) (int, string) {
		if matches(q) && (always || !sent) {
			sent = true
			return http.StatusOK, wrong(q)
		}
		if otherwise != nil {
			return otherwise(q)
		}
		return 0, ""
	}
}

// announceFirst returns a script that announces another total on the first page.
func announceFirst(a *recordsAPI, total int) func(pageRequest) (int, string) {
	return func(q pageRequest) (int, string) {
		if q.from == 0 {
			return http.StatusOK, a.page(q, total)
		}
		return 0, ""
	}
}
