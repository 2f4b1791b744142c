//go:build e2e

package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/pawldata/pawl/mockapi"
)

// endingFaults lists the faults of the mock that end a run, or that make it read a page again, even if only one request has the fault.
var endingFaults = []mockapi.FaultKind{"401", "403", "expired", "invalid", "redirect", "redirect-here", "cycle-cursor"}

// lastPageFaults lists the faults of the mock that only the last page can have.
var lastPageFaults = []mockapi.FaultKind{"last-cursor", "empty-tail"}

// TestHostileAnswersTogether checks that a run stores everything although 30 % of the answers are wrong, with every fault that a run can
// handle without a restart.
func TestHostileAnswersTogether(t *testing.T) {
	t.Parallel()
	const lastFault = 170 // the number of the request
	kinds := slices.DeleteFunc(mockapi.FaultKinds(), func(kind mockapi.FaultKind) bool {
		return slices.Contains(endingFaults, kind) || slices.Contains(lastPageFaults, kind)
	})
	args := []string{"--events", "12000", "--rate-limit", "0", "--drift", "nul:0.01", "--drift", "new-field:0.01"}
	for request, next := 1, 0; request <= lastFault; request++ {
		if digit := request % 10; digit == 3 || digit == 4 || digit == 7 { // three in ten requests, two of them one after the other
			args = append(args, "--fault", fmt.Sprintf("%s@%d", kinds[next%len(kinds)], request))
			next++
		}
	}
	m := startMock(t, args...)
	f := newFixture(t, m.environment)
	p := f.runPawl(exitDone, "run", "--page-size", "100", "--tries", "8", "--request-timeout", "2s", "--log-level", "debug")
	played := map[string]bool{}
	for _, e := range m.journal(0) {
		played[e.Fault] = true
	}
	for _, kind := range kinds {
		if !played[string(kind)] {
			t.Errorf("fault %s: not played in %d requests", kind, m.summary().Requests)
		}
	}
	f.db.checkAgainstMock(m)
	f.db.checkLedger()
	checkPrintable(t, p)
}

// checkPrintable checks that the output has no characters that control a terminal.
func checkPrintable(t *testing.T, p *process) {
	t.Helper()
	isControl := func(r rune) bool {
		return r != '\n' && (r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r == '\ufffd')
	}
	for line := range strings.Lines(p.stdout.String() + p.stderr.String()) {
		if strings.ContainsFunc(line, isControl) {
			t.Errorf("got output %q, want it without control characters", line)
		}
	}
}

// A hostileResult is how a run must end if every answer has the same fault.
type hostileResult struct {
	code int
	text string // a part of the error; empty: there is none
}

// hostileResults has the result for each fault of the mock.
var hostileResults = map[mockapi.FaultKind]hostileResult{
	"429":                {exitRetryLater, "longer than the 20s that a run may wait"},
	"429-bare":           {exitRetryLater, "longer than the 20s that a run may wait"},
	"500":                {exitRetryLater, "HTTP 500"},
	"401":                {exitSettings, "check API_KEY"},
	"403":                {exitSettings, "check API_KEY"},
	"expired":            {exitRetryLater, "CURSOR_EXPIRED"},
	"invalid":            {exitRetryLater, "CURSOR_INVALID"},
	"502":                {exitRetryLater, "HTTP 502"},
	"503":                {exitRetryLater, "HTTP 503"},
	"504":                {exitRetryLater, "HTTP 504"},
	"null":               {exitData, "empty or null"},
	"truncated":          {exitData, "the body cannot be read"},
	"html":               {exitSettings, "the answer is a web page"},
	"data-null":          {exitData, "broken on purpose"},
	"data-missing":       {exitData, "broken on purpose"},
	"pagination-missing": {exitData, "broken on purpose"},
	"hasmore-missing":    {exitData, "broken on purpose"},
	"hasmore-null":       {exitData, "hasMore is null"},
	"returned-lies":      {exitData, "meta.returned is"},
	"stray-end":          {exitData, "1000 of 3000"},
	"no-cursor":          {exitData, "there is no nextCursor"},
	"repeat-cursor":      {exitData, "does not advance"},
	"cycle-cursor":       {exitRetryLater, "passes in a row lost their cursor"},
	"last-cursor":        {exitDone, ""},
	"empty-tail":         {exitDone, ""},
	"total-moves":        {exitDone, ""},
	"reset":              {exitRetryLater, "reset"},
	"reset-body":         {exitRetryLater, "the connection ended after"},
	"hang":               {exitRetryLater, "no answer within 1s"},
	"hang-body":          {exitRetryLater, "the answer stopped after"},
	"trickle":            {exitRetryLater, "the answer is too slow"},
	"endless-headers":    {exitRetryLater, "headers exceeded"},
	"huge-body":          {exitData, "too large"},
	"gzip":               {exitDone, ""},
	"gzip-bomb":          {exitData, "too large"},
	"redirect":           {exitSettings, "redirects to"},
	"reuse-reset":        {exitDone, ""},
	"short-body":         {exitRetryLater, "the connection ended after"},
	"trickle-headers":    {exitRetryLater, "no answer within 1s"},
	"bad-headers":        {exitRetryLater, "malformed"},
	"gzip-broken":        {exitData, "the compressed body is damaged"},
	"not-utf8":           {exitData, "not UTF-8"},
	"control-chars":      {exitRetryLater, `message "Failed for \x1b[2J`},
	"echo-key":           {exitRetryLater, `message "Failed for [API key]"`},
	"redirect-here":      {exitSettings, "redirects to"},
}

// TestHostileAnswersAlone checks how a run ends if every answer has the same fault: with the right exit code, and with an error that
// names the fault. No redirect may be followed, and the tables must agree.
func TestHostileAnswersAlone(t *testing.T) {
	t.Parallel()
	for _, kind := range mockapi.FaultKinds() {
		want, found := hostileResults[kind]
		if !found {
			t.Errorf("%s: the table does not have this fault", kind)
		}
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			m := startMockProgram(t, noRaceDir+"/mockapi", "--events", "3000", "--rate-limit", "0", "--fault", string(kind)+":1")
			f := newFixture(t, m.environment)
			p := start(t, f.env, noRaceDir+"/pawl", "run", "--page-size", "1000", "--tries", "3", "--request-timeout", "1s", "--max-wait", "20s")
			f.expectExit(p, want.code)
			lines := strings.Split(strings.TrimSpace(p.stderr.String()), "\n")
			if last := lines[len(lines)-1]; want.code != exitDone && !strings.Contains(last, want.text) {
				t.Errorf("got error %q, want one with %q", last, want.text)
			}
			checkPrintable(t, p)
			if s := m.summary(); s.Followed > 0 {
				t.Errorf("redirects that pawl followed: got %d, want 0", s.Followed)
			}
			f.db.checkLedger()
			if want.code == exitDone {
				f.db.checkAgainstMock(m)
			}
		})
	}
}
