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

// A recordsAPI serves a list of records in pages. A cursor contains an offset in the list. So an answer depends only on the
// request, not on earlier requests. A test can replace answers by a script, and block requests.
type recordsAPI struct {
	baseURL string

	mu       sync.Mutex
	records  []string
	script   answerScript  // may be nil
	requests int           // the number of requests so far
	blocks   map[int]block // by page size
	blocked  map[int]int   // how many requests were stopped since blockRequests, by page size
}

// An answerScript returns the answer to a request. If it returns the status 0, the recordsAPI answers with the usual page.
type answerScript func(pageRequest) (status int, body string)

// A pageRequest is one request for a page.
type pageRequest struct {
	number    int // counts the API's requests from 1
	offset    int // the offset in the cursor; 0 without a cursor
	pageSize  int
	hasCursor bool
}

// A block stops requests for pages at minOffset or later.
type block struct {
	minOffset int
	refuse    bool // true: the API answers 429 with Retry-After: 1; false: it does not answer before the block is removed
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

// ServeHTTP implements http.Handler. While a block without refuse applies, it waits.
func (a *recordsAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	request := a.receive(r)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for blocked := true; blocked; {
		var refuse bool
		if blocked, refuse = a.isBlocked(request); refuse {
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
	status, body := a.answer(request)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprint(w, body)
}

// receive counts a request and returns its parameters.
func (a *recordsAPI) receive(r *http.Request) pageRequest {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.requests++
	query := r.URL.Query()
	cursor := query.Get("cursor")
	request := pageRequest{number: a.requests, hasCursor: cursor != ""}
	request.pageSize, _ = strconv.Atoi(query.Get("limit"))                  // pawl always sends a limit
	request.offset, _ = strconv.Atoi(strings.TrimPrefix(cursor, cursorTag)) // without a cursor the offset is 0
	if b, ok := a.blocks[request.pageSize]; ok && request.offset >= b.minOffset {
		a.blocked[request.pageSize]++
	}
	return request
}

// isBlocked reports whether a block applies to the request, and whether this block refuses requests.
func (a *recordsAPI) isBlocked(request pageRequest) (blocked, refuse bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	b, ok := a.blocks[request.pageSize]
	if !ok || request.offset < b.minOffset {
		return false, false
	}
	return true, b.refuse
}

func (a *recordsAPI) answer(request pageRequest) (status int, body string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.script != nil {
		if status, body = a.script(request); status != 0 {
			return status, body
		}
	}
	return http.StatusOK, a.page(request, len(a.records))
}

// page returns the body of the page that a request asks for. The page announces total as the number of records.
func (a *recordsAPI) page(request pageRequest, total int) string {
	start := min(request.offset, len(a.records))
	end := min(start+request.pageSize, len(a.records))
	next := ""
	if end < len(a.records) {
		next = cursorAt(end)
	}
	return pageOf(total, next, a.records[start:end]...)
}

const cursorTag = "c"

// cursorAt returns the cursor of the page that starts at offset.
func cursorAt(offset int) string { return cursorTag + strconv.Itoa(offset) }

// setRecords replaces the list of records. Later answers use the new list.
func (a *recordsAPI) setRecords(records []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.records = records
}

// removeScript removes the script. Later answers are the usual pages.
func (a *recordsAPI) removeScript() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.script = nil
}

// blockRequests applies a block to the requests with this page size. It replaces an earlier block.
func (a *recordsAPI) blockRequests(pageSize int, b block) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.blocks[pageSize], a.blocked[pageSize] = b, 0
}

// hasBlocked reports whether a request with this page size was stopped since blockRequests.
func (a *recordsAPI) hasBlocked(pageSize int) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.blocked[pageSize] > 0
}

// unblock removes all blocks.
func (a *recordsAPI) unblock() {
	a.mu.Lock()
	defer a.mu.Unlock()
	clear(a.blocks)
}

// environment returns the environment variables that make pawl read from this API into the database.
func (a *recordsAPI) environment(databaseURL string) []string {
	return []string{"API_BASE_URL=" + a.baseURL, "API_KEY=k", "DATABASE_URL=" + databaseURL}
}

// validEvents returns n events that pawl can store. Their ids end with the numbers 1 to n.
func validEvents(n int) []string {
	events := make([]string, n)
	for i := range events {
		events[i] = fmt.Sprintf(validEvent, i+1)
	}
	return events
}

// validEvent is the format of an event as the API sends it. Its only argument is the number at the end of the event's id.
const validEvent = `{"id":"00000000-0000-4000-8000-%012d","sessionId":"10000000-0000-4000-8000-000000000001",` +
	`"userId":"20000000-0000-4000-8000-000000000001","type":"click","name":"event_abc123","properties":` + validProperties + `,` +
	`"timestamp":` + validTimestamp + `,"session":{"id":"10000000-0000-4000-8000-000000000001","deviceType":"mobile","browser":"Safari"}}`

// Parts of validEvent that tests replace.
const (
	validProperties = `{"n":1}`
	validTimestamp  = `1769541553629`
)

// pageOf returns the body of a page with these events. The page announces total as the number of all events. next is the cursor
// of the next page; with "" the page is the last one.
func pageOf(total int, next string, events ...string) string {
	hasMore, nextCursor := "false", "null"
	if next != "" {
		hasMore, nextCursor = "true", `"`+next+`"`
	}
	return fmt.Sprintf(`{"data":[%s],"pagination":{"limit":2,"hasMore":%s,"nextCursor":%s,"cursorExpiresIn":null},`+
		`"meta":{"total":%d,"returned":%d,"requestId":"req-1"}}`, strings.Join(events, ","), hasMore, nextCursor, total, len(events))
}

// lastPage returns the body of a page with these events and without a next cursor. The page announces total as the number of all
// events.
func lastPage(total int, events ...string) string { return pageOf(total, "", events...) }

// serveBodies starts an API that answers each request with the next of the bodies. After the last body, it repeats the last
// body. environment returns the environment variables that make pawl read from this API into a database. requests counts the
// requests.
func serveBodies(
	t *testing.T, contentType string, bodies ...string,
) (environment func(databaseURL string) []string, requests *atomic.Int64) {
	t.Helper()
	requests = &atomic.Int64{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		number := int(requests.Add(1))
		w.Header().Set("Content-Type", contentType)
		fmt.Fprint(w, bodies[min(number, len(bodies))-1])
	}))
	t.Cleanup(server.Close)
	return func(databaseURL string) []string {
		return []string{"API_BASE_URL=" + server.URL, "API_KEY=k", "DATABASE_URL=" + databaseURL}
	}, requests
}
