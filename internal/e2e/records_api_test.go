//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A recordsAPI serves a list of records in pages. A cursor names an offset in the list, so an answer depends only on the
// request's cursor. A test can script single answers and block requests.
type recordsAPI struct {
	baseURL string

	mu       sync.Mutex
	records  []string
	script   func(pageRequest) (status int, body string) // may be nil; if its status is not 0, it is the answer
	requests int
	blocks   map[int]block // by page size
	blocked  map[int]int   // requests that a block has refused or kept waiting, by page size
}

// A pageRequest is one request for a page.
type pageRequest struct {
	number    int // of the request, from 1
	from      int // the offset that the cursor names
	limit     int
	hasCursor bool
}

// A block stops requests for pages at one offset or later.
type block struct {
	from   int
	refuse bool // answer 429 with Retry-After: 1; otherwise no answer is sent while the block lasts
}

// serveRecords starts a recordsAPI. It serves until the test ends.
func serveRecords(t *testing.T, records []string) *recordsAPI {
	t.Helper()
	a := &recordsAPI{records: records, blocks: map[int]block{}, blocked: map[int]int{}}
	server := httptest.NewServer(a)
	t.Cleanup(server.Close)
	a.baseURL = server.URL
	return a
}

func (a *recordsAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := a.receive(r)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for blocked := true; blocked; {
		var refuse bool
		if blocked, refuse = a.isBlocked(q); refuse {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		}
	}
	status, body := a.answer(q)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprint(w, body)
}

// receive counts a request and returns what it asks for.
func (a *recordsAPI) receive(r *http.Request) pageRequest {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.requests++
	q := pageRequest{number: a.requests}
	q.limit, _ = strconv.Atoi(r.URL.Query().Get("limit")) // pawl always sends one
	cursor := r.URL.Query().Get("cursor")
	q.hasCursor = cursor != ""
	q.from, _ = strconv.Atoi(strings.TrimPrefix(cursor, "c")) // without a cursor the offset is 0
	if h, ok := a.blocks[q.limit]; ok && q.from >= h.from {
		a.blocked[q.limit]++
	}
	return q
}

func (a *recordsAPI) isBlocked(q pageRequest) (blocked, refuse bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	h, ok := a.blocks[q.limit]
	blocked = ok && q.from >= h.from
	return blocked, blocked && h.refuse
}

func (a *recordsAPI) answer(q pageRequest) (status int, body string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.script != nil {
		if status, body = a.script(q); status != 0 {
			return status, body
		}
	}
	return http.StatusOK, a.page(q, len(a.records))
}

// page returns the page that a request asks for. It announces total.
func (a *recordsAPI) page(q pageRequest, total int) string {
	from := min(q.from, len(a.records))
	to := min(from+q.limit, len(a.records))
	next := ""
	if to < len(a.records) {
		next = cursorAt(to)
	}
	return pageOf(total, next, a.records[from:to]...)
}

func cursorAt(offset int) string { return "c" + strconv.Itoa(offset) }

// setRecords replaces the list, from the next answer on.
func (a *recordsAPI) setRecords(records []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.records = records
}

// blockRequests applies a block, from now on, to the requests with the page size limit.
func (a *recordsAPI) blockRequests(limit int, h block) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.blocks[limit], a.blocked[limit] = h, 0
}

// hasBlocked reports whether a request with the page size limit was stopped since blockRequests.
func (a *recordsAPI) hasBlocked(limit int) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.blocked[limit] > 0
}

// unblock removes all blocks.
func (a *recordsAPI) unblock() {
	a.mu.Lock()
	defer a.mu.Unlock()
	clear(a.blocks)
}

// environment returns the variables that pawl needs to read from the API into a database.
func (a *recordsAPI) environment(databaseURL string) []string {
	return []string{"API_BASE_URL=" + a.baseURL, "API_KEY=k", "DATABASE_URL=" + databaseURL}
}

// validEvents returns n events that can be stored, with the ids 1 to n.
func validEvents(n int) []string {
	events := make([]string, n)
	for i := range events {
		events[i] = fmt.Sprintf(validEvent, i+1)
	}
	return events
}

// removeScript lets the API answer all requests itself again.
func (a *recordsAPI) removeScript() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.script = nil
}

// validEvent is the format of an event as the API sends it. Its argument is the last part of the id.
const validEvent = `{"id":"00000000-0000-4000-8000-%012d","sessionId":"10000000-0000-4000-8000-000000000001",` +
	`"userId":"20000000-0000-4000-8000-000000000001","type":"click","name":"event_abc123","properties":{"n":1},` +
	`"timestamp":1769541553629,"session":{"id":"10000000-0000-4000-8000-000000000001","deviceType":"mobile","browser":"Safari"}}`

// pageOf returns the body of a page with these events. next is the cursor of the next page, "" on the last page.
func pageOf(total int, next string, events ...string) string {
	more, cursor := "false", "null"
	if next != "" {
		more, cursor = "true", `"`+next+`"`
	}
	return fmt.Sprintf(`{"data":[%s],"pagination":{"limit":2,"hasMore":%s,"nextCursor":%s,"cursorExpiresIn":null},`+
		`"meta":{"total":%d,"returned":%d,"requestId":"req-1"}}`, strings.Join(events, ","), more, cursor, total, len(events))
}

// serveBodies answers the first request with the first body, and so on, and every further request with the last body.
// environment returns the variables that pawl needs to read from this API into a database.
func serveBodies(
	t *testing.T, contentType string, bodies ...string,
) (environment func(databaseURL string) []string, requests *atomic.Int64) {
	t.Helper()
	requests = &atomic.Int64{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n := min(int(requests.Add(1)), len(bodies))
		w.Header().Set("Content-Type", contentType)
		fmt.Fprint(w, bodies[n-1])
	}))
	t.Cleanup(server.Close)
	return func(databaseURL string) []string {
		return []string{"API_BASE_URL=" + server.URL, "API_KEY=k", "DATABASE_URL=" + databaseURL}
	}, requests
}
