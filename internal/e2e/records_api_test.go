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

	mu      sync.Mutex
	records []string
	script  answerScript  // may be nil
	blocks  map[int]block // by the page size of the requests that they stop
	blocked map[int]int   // by page size, how many requests its block has stopped
}

// An answerScript returns the answer to a request. If it returns the status 0, the recordsAPI answers with the usual page.
type answerScript func(pageRequest) (status int, body string)

// A pageRequest is one request for a page.
type pageRequest struct {
	offset   int // the offset in the cursor; 0 without a cursor
	pageSize int
}

// A block stops requests for pages at minOffset or later. If isRefusal is true, the API answers such a request with 429 and
// Retry-After: 1. Otherwise it does not answer before the block is removed.
type block struct {
	minOffset int
	isRefusal bool
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

// ServeHTTP implements http.Handler. It answers a blocked request as the comment of block says.
func (a *recordsAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	request := a.receive(r)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		b, isBlocked := a.findBlock(request)
		if !isBlocked {
			break
		}
		if b.isRefusal {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		select { // wait, and look again whether the block was removed
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

// receive returns the parameters of a request, and counts the request if a block stops it.
func (a *recordsAPI) receive(r *http.Request) pageRequest {
	a.mu.Lock()
	defer a.mu.Unlock()
	query := r.URL.Query()
	var request pageRequest
	request.pageSize, _ = strconv.Atoi(query.Get("limit"))                               // pawl always sends a limit
	request.offset, _ = strconv.Atoi(strings.TrimPrefix(query.Get("cursor"), cursorTag)) // without a cursor the offset is 0
	if b, ok := a.blocks[request.pageSize]; ok && request.offset >= b.minOffset {
		a.blocked[request.pageSize]++
	}
	return request
}

// findBlock returns the block that stops the request. found is false if there is none.
func (a *recordsAPI) findBlock(request pageRequest) (b block, found bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	b, found = a.blocks[request.pageSize]
	return b, found && request.offset >= b.minOffset
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

// cursorTag is the beginning of each cursor. The offset follows it.
const cursorTag = "c"

// cursorAt returns the cursor of the page that starts at offset, for example "c4".
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

// blockRequests applies a block to the requests with this page size. It replaces an earlier block and its count of requests.
func (a *recordsAPI) blockRequests(pageSize int, b block) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.blocks[pageSize], a.blocked[pageSize] = b, 0
}

// hasBlocked reports whether the last block for this page size has stopped a request.
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
		events[i] = validEvent(i + 1)
	}
	return events
}

// validEvent returns an event as the API sends it. Its id ends with the number n. All other fields are the same in all events.
func validEvent(n int) string {
	return fmt.Sprintf(`{"id":"00000000-0000-4000-8000-%012d","sessionId":"10000000-0000-4000-8000-000000000001",`+
		validUserID+`,"type":"click",`+validName+`,"properties":`+validProperties+`,"timestamp":`+validTimestamp+
		`,"session":{"id":"10000000-0000-4000-8000-000000000001","deviceType":"mobile","browser":"Safari"}}`, n)
}

// Parts of validEvent that tests replace.
const (
	validUserID     = `"userId":"20000000-0000-4000-8000-000000000001"`
	validName       = `"name":"event_abc123"`
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
