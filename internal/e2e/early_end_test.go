//go:build e2e

package e2e

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// TestEarlyEnds checks that pawl notices an API that ends its stream too early or repeats a page. A run that exits with exitDone
// must have stored everything. If the API always gives the wrong answer, the run must exit with exitData, or with exitRetryLater if its
// pages or cursors lead in a circle. The next run, with a correct API, must store the rest. All runs read pages of two records.
func TestEarlyEnds(t *testing.T) {
	t.Parallel()
	events1And2, events3And4 := validEvents(4)[:2], validEvents(4)[2:] // the first and the second page
	tests := []struct {
		name     string
		events   int // the number of the API's events
		script   func(a *recordsAPI) answerScript
		wantCode int // of the run with this script
	}{
		{
			name: "an early end, once, after the total has grown", events: 8,
			script:   wrongPage{offset: 2, body: lastPage(8, events3And4...), firstTotal: 4}.script,
			wantCode: exitDone,
		},
		{
			name: "an early end, always, after the total has grown", events: 8,
			script:   wrongPage{always: true, offset: 2, body: lastPage(8, events3And4...), firstTotal: 6}.script,
			wantCode: exitData,
		},
		{
			name: "an empty first page with total 0, once", events: 4,
			script:   wrongPage{offset: 0, body: lastPage(0)}.script,
			wantCode: exitDone,
		},
		{
			name: "a repeated page, once", events: 6,
			script:   wrongPage{offset: 2, body: pageOf(6, cursorAt(4), events1And2...)}.script,
			wantCode: exitDone,
		},
		{
			name: "a repeated page, always", events: 6,
			script:   wrongPage{always: true, offset: 2, body: pageOf(6, cursorAt(4), events1And2...)}.script,
			wantCode: exitRetryLater,
		},
		{
			name: "the first page instead of the last, always", events: 4,
			script:   wrongPage{always: true, offset: 2, body: lastPage(4, events1And2...)}.script,
			wantCode: exitRetryLater,
		},
		{
			name: "a cursor that leads in a circle, always", events: 8,
			script:   wrongPage{always: true, offset: 4, body: pageOf(8, cursorAt(2), validEvents(6)[4:]...)}.script,
			wantCode: exitRetryLater,
		},
		{
			name: "a cursor that leads in a circle, in one pass", events: 8, script: leadInCircle, wantCode: exitDone,
		},
		{name: "a cursor that the API does not know", events: 8, script: forgetCursor, wantCode: exitDone},
		{
			name: "a cursor that expires at the announced total", events: 6, script: expireCursorAtTotal, wantCode: exitDone,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := serveRecords(t, validEvents(tt.events))
			a.script = tt.script(a)
			f := newFixture(t, a.environment)
			f.runPawl(tt.wantCode, "run", "--page-size", "2", "--tries", "2")
			f.db.checkEnd(tt.wantCode, tt.events)
			a.removeScript()
			f.runPawl(exitDone, "run", "--page-size", "2")
			f.db.checkEnd(exitDone, tt.events)
			f.runPawl(exitDone, "verify", "--against-api")
			f.db.checkLedger()
		})
	}
}

// A wrongPage is a page that a recordsAPI sends instead of the right page at an offset.
type wrongPage struct {
	always     bool // true: at each request for the offset; false: only at the first request
	offset     int
	body       string
	firstTotal int // the total that the right page at offset 0 announces; 0: the real total
}

// script returns the script that sends the wrong page. A script without an answer makes the API send the right page.
func (p wrongPage) script(a *recordsAPI) answerScript {
	sent := false
	return func(request pageRequest) (int, string) {
		sendsWrongPage := p.always || !sent
		switch {
		case request.offset == p.offset && sendsWrongPage:
			sent = true
			return http.StatusOK, p.body
		case request.offset == 0 && p.firstTotal > 0:
			return http.StatusOK, a.page(request, p.firstTotal)
		}
		return 0, ""
	}
}

// expireCursorAtTotal returns a script for an API of 6 records that announces only 4. After pawl has read 4 records, the API
// refuses the cursor of the next page, but only once.
func expireCursorAtTotal(a *recordsAPI) answerScript {
	const announced = 4
	hasRefused := false
	return func(request pageRequest) (int, string) {
		if request.offset == announced && !hasRefused {
			hasRefused = true
			return http.StatusBadRequest, `{"error":"Bad Request","message":"Cursor has expired","code":"CURSOR_EXPIRED"}`
		}
		return http.StatusOK, a.page(request, announced)
	}
}

// leadInCircle returns a script whose page at offset 4 leads back to offset 2, until the list is read from its head again.
func leadInCircle(*recordsAPI) answerScript {
	passes := 0
	return func(request pageRequest) (int, string) {
		if request.offset == 0 {
			passes++
		}
		if request.offset == 4 && passes == 1 {
			return http.StatusOK, pageOf(8, cursorAt(2), validEvents(6)[4:]...)
		}
		return 0, ""
	}
}

// forgetCursor returns a script that does not know the cursor of offset 6 until the page before it is asked for again.
func forgetCursor(*recordsAPI) answerScript {
	asked := 0
	return func(request pageRequest) (int, string) {
		if request.offset == 4 {
			asked++
		}
		if request.offset == 6 && asked == 1 {
			return http.StatusBadRequest, `{"error":"Bad Request","message":"Invalid cursor format","code":"CURSOR_INVALID_FORMAT"}`
		}
		return 0, ""
	}
}

// TestOverstatedTotal checks that a run exits with exitData if the API always announces more events than it has. It also checks
// that --accept-short-end completes the stream, and that the ledger records this.
func TestOverstatedTotal(t *testing.T) {
	t.Parallel()
	const events, announced = 4, 5
	a := serveRecords(t, validEvents(events))
	a.script = func(request pageRequest) (int, string) { return http.StatusOK, a.page(request, announced) }
	f := newFixture(t, a.environment)
	for _, step := range []struct {
		args         []string
		wantCode     int
		wantStderr   string
		wantAccepted int // the number of ledger rows with end_accepted
	}{
		{
			args:     []string{"run", "--page-size", "2", "--tries", "2"},
			wantCode: exitData, wantStderr: "--accept-short-end", wantAccepted: 0,
		},
		{
			args:     []string{"run", "--page-size", "2", "--tries", "2", "--accept-short-end"},
			wantCode: exitDone, wantAccepted: 1,
		},
		{args: []string{"verify"}, wantCode: exitDone, wantAccepted: 1},
		{args: []string{"verify", "--against-api"}, wantCode: exitDone, wantAccepted: 1},
	} {
		if p := f.runPawl(step.wantCode, step.args...); !strings.Contains(p.stderr.String(), step.wantStderr) {
			t.Errorf("pawl %v, stderr: got %s, want %q", step.args, p.stderr.String(), step.wantStderr)
		}
		if n := f.db.queryInt("SELECT count(*) FROM pages WHERE end_accepted"); n != step.wantAccepted {
			t.Errorf("pages with an accepted end after pawl %v: got %d, want %d", step.args, n, step.wantAccepted)
		}
	}
	f.db.checkEnd(exitDone, events)
}

// TestNewerEvents checks that verify reports events that were added to the API during the pass, and names a command that reads
// them. In this test the API grows from 4 to 6 events, and the pass does not read the 2 newer events, because the API inserts
// them before the first page.
func TestNewerEvents(t *testing.T) {
	t.Parallel()
	const events = 6
	a := serveRecords(t, validEvents(events))
	older := a.records[2:] // the first two records are the newer events
	a.script = func(request pageRequest) (int, string) {
		if request.offset == 0 {
			return http.StatusOK, pageOf(4, cursorAt(2), older[:2]...)
		}
		return http.StatusOK, lastPage(6, older[2:]...)
	}
	f := newFixture(t, a.environment)
	f.runPawl(exitDone, "run", "--page-size", "2")
	a.removeScript()
	message := regexp.MustCompile("up to 2 newer events have not been read yet: `pawl (.*)` reads them")
	out := f.runPawl(exitDone, "verify").stdout.String()
	found := message.FindStringSubmatch(out)
	if found == nil {
		t.Fatalf("verify does not report the newer events: %s", out)
	}
	command := found[1]
	if out := f.runPawl(exitDone, "verify", "--against-api").stdout.String(); !strings.Contains(out, "2 records are new") {
		t.Errorf("verify --against-api does not report the newer events: %s", out)
	}
	f.runPawl(exitDone, strings.Fields(command)...)
	f.db.checkEnd(exitDone, events)
	if out := f.runPawl(exitDone, "verify", "--against-api").stdout.String(); strings.Contains(out, "new") {
		t.Errorf("verify --against-api after `pawl %s` still reports new events: %s", command, out)
	}
}

// TestLeftOutRecord checks that verify exits with exitData and names a command if the API has left out a record. The API sends
// records 2 and 3 instead of 3 and 4, so record 2 comes twice and record 4 is missing. If the API recovers, the named command
// must store record 4. If the API always answers in this way, nothing is left to read. Then verify --against-api must exit with
// exitDone, and verify without this flag must do so after one more pass.
func TestLeftOutRecord(t *testing.T) {
	t.Parallel()
	const events = 6
	for _, tt := range []struct {
		name           string
		recovers       bool // true: the API sends all records after the first run; false: it always leaves out record 4
		againstAPICode int  // the exit code of verify --against-api before the named command
	}{
		{name: "until the end of the run", recovers: true, againstAPICode: exitData},
		{name: "always", recovers: false, againstAPICode: exitDone},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := serveRecords(t, validEvents(events))
			records2And3 := a.records[1:3]
			a.script = wrongPage{always: true, offset: 2, body: pageOf(events, cursorAt(4), records2And3...)}.script(a)
			f := newFixture(t, a.environment)
			f.runPawl(exitDone, "run", "--page-size", "2")
			if tt.recovers {
				a.removeScript()
			}
			out := f.runPawl(exitData, "verify").stdout.String()
			found := regexp.MustCompile("5 of 6 announced records are stored or parked: .*; `pawl (.*)` finds out").FindStringSubmatch(out)
			if found == nil {
				t.Fatalf("verify names no command: %s", out)
			}
			command := strings.Fields(found[1])
			f.runPawl(tt.againstAPICode, "verify", "--against-api", "--page-size", "2")
			f.runPawl(exitData, "verify") // verify --against-api has changed nothing
			f.runPawl(exitDone, append(command, "--page-size", "2")...)
			f.runPawl(exitDone, "verify")
			if stored := f.db.queryInt("SELECT count(*) FROM events"); tt.recovers && stored != events {
				t.Errorf("stored events: got %d, want %d", stored, events)
			}
		})
	}
}
