//go:build e2e

package e2e

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// TestEarlyEnds lets an API say too early that its stream ends, or count records twice, once or again and again. A run that
// ends 0 has stored everything; what the API insists on is refused, and once it is well again nothing is missing.
func TestEarlyEnds(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		events int
		script func(a *recordsAPI) func(pageRequest) (int, string)
		code   int // of the run that meets it
	}{
		{"one stray end, after the total has grown", 8, func(a *recordsAPI) func(pageRequest) (int, string) {
			return scriptWrongPage(once, func(q pageRequest) bool { return q.from == 2 }, func(q pageRequest) string {
				return pageOf(8, "", a.records[2:4]...)
			}, announceFirst(a, 4))
		}, 0},
		{"an end that the API insists on, after the total has grown", 8, func(a *recordsAPI) func(pageRequest) (int, string) {
			return scriptWrongPage(always, func(q pageRequest) bool { return q.from == 2 }, func(q pageRequest) string {
				return pageOf(8, "", a.records[2:4]...)
			}, announceFirst(a, 6))
		}, 4},
		{"a first answer without a record, and total 0", 4, func(*recordsAPI) func(pageRequest) (int, string) {
			return scriptWrongPage(once, func(q pageRequest) bool { return q.from == 0 }, func(pageRequest) string { return pageOf(0, "") }, nil)
		}, 0},
		{"a page that comes twice, once", 6, func(a *recordsAPI) func(pageRequest) (int, string) {
			return scriptWrongPage(once, func(q pageRequest) bool { return q.from == 2 }, func(pageRequest) string {
				return pageOf(6, cursorAt(4), a.records[:2]...)
			}, nil)
		}, 0},
		{"a page that comes twice, again and again", 6, func(a *recordsAPI) func(pageRequest) (int, string) {
			return scriptWrongPage(always, func(q pageRequest) bool { return q.from == 2 }, func(pageRequest) string {
				return pageOf(6, cursorAt(4), a.records[:2]...)
			}, nil)
		}, 4},
		{"the first page again instead of the last", 4, func(a *recordsAPI) func(pageRequest) (int, string) {
			return scriptWrongPage(always, func(q pageRequest) bool { return q.from == 2 }, func(pageRequest) string {
				return pageOf(4, "", a.records[:2]...)
			}, nil)
		}, 4},
		{"a cursor that expires where the announced total is reached", 6, func(a *recordsAPI) func(pageRequest) (int, string) {
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

// TestATotalThatOverstates: an API that announces more than it has for ever ends the run with 4, until the user accepts that.
// The ledger keeps that it was accepted.
func TestOverstatedTotal(t *testing.T) {
	t.Parallel()
	const events, announced = 4, 5
	a := serveRecords(t, validEvents(events))
	a.script = func(q pageRequest) (int, string) { return http.StatusOK, a.page(q, announced) }
	f := newFixture(t, a.environment)
	for _, step := range []struct {
		args     []string
		code     int
		says     string
		accepted int // ledger rows that say so
	}{
		{[]string{"run", "--page-size", "2", "--tries", "2"}, 4, "--accept-short-end", 0},
		{[]string{"run", "--page-size", "2", "--tries", "2", "--accept-short-end"}, 0, "", 1},
		{[]string{"verify"}, 0, "", 1},
		{[]string{"verify", "--against-api"}, 0, "", 1},
	} {
		if p := f.runPawl(step.code, step.args...); !strings.Contains(p.stderr.String(), step.says) {
			t.Errorf("pawl %v does not say %q: %s", step.args, step.says, p.stderr.String())
		}
		if n := f.db.count("SELECT count(*) FROM pages WHERE end_accepted"); n != step.accepted {
			t.Errorf("after pawl %v %d pages say that their end was accepted", step.args, n)
		}
	}
	f.db.checkEnd(0, events)
}

// TestNewerEvents reads an API that grows from 4 to 6 events during the pass, which does not read the newer two. verify tells
// of them and names a command, and after that command nothing is left to read.
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
	tells := regexp.MustCompile("up to 2 newer events have not been read yet: `pawl (.*)` reads them")
	note := tells.FindStringSubmatch(f.runPawl(0, "verify").stdout.String())
	if note == nil {
		t.Fatal("verify does not tell of the newer events")
	}
	if said := f.runPawl(0, "verify", "--against-api").stdout.String(); !strings.Contains(said, "2 records are new") {
		t.Errorf("the walk does not tell of the newer events: %s", said)
	}
	f.runPawl(0, strings.Fields(note[1])...)
	f.db.checkEnd(0, events)
	if said := f.runPawl(0, "verify", "--against-api").stdout.String(); strings.Contains(said, "new") {
		t.Errorf("after `pawl %s` verify still says: %s", note[1], said)
	}
}

// TestARecordThatIsLeftOut: a cache answers records 2 and 3 instead of 3 and 4, so that one comes twice and one is left out.
// verify ends 4 and names a command, after which nothing is missing. An API that always returns a record twice has nothing
// more to return: a walk of it says so, and so does one pass more.
func TestLeftOutRecord(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		heals bool // the API
		walk  int  // the exit code of --against-api before
	}{
		{"a glitch, and the command that verify names", true, 4},
		{"an API that returns a record twice, and the command that verify names", false, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := serveRecords(t, validEvents(6))
			a.script = scriptWrongPage(always, func(q pageRequest) bool { return q.from == 2 }, func(pageRequest) string {
				return pageOf(6, cursorAt(4), a.records[1:3]...)
			}, nil)
			f := newFixture(t, a.environment)
			f.runPawl(0, "run", "--page-size", "2")
			if tt.heals {
				a.removeScript()
			}
			said := f.runPawl(4, "verify").stdout.String()
			note := regexp.MustCompile("5 of 6 announced records are stored or parked: .*; `pawl (.*)` finds out").FindStringSubmatch(said)
			if note == nil {
				t.Fatalf("verify names no command: %s", said)
			}
			f.runPawl(tt.walk, "verify", "--against-api", "--page-size", "2")
			f.runPawl(4, "verify") // the walk changes nothing
			f.runPawl(0, append(strings.Fields(note[1]), "--page-size", "2")...)
			f.runPawl(0, "verify")
			if stored := f.db.count("SELECT count(*) FROM events"); tt.heals && stored != 6 {
				t.Errorf("%d of 6 events are stored", stored)
			}
		})
	}
}

const (
	once   = false
	always = true
)

// onceOrAlways scripts one wrong page for the requests that match, for the first of them or for all. The others are
// answered by otherwise, or by the API where that is nil.
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

// firstTotal announces another total on the first page.
func announceFirst(a *recordsAPI, total int) func(pageRequest) (int, string) {
	return func(q pageRequest) (int, string) {
		if q.from == 0 {
			return http.StatusOK, a.page(q, total)
		}
		return 0, ""
	}
}
