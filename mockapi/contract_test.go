package mockapi_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pawldata/pawl/mockapi"
)

// A line is one statement of the contract, quoted, and the test that proves it of the mock. That test runs by itself.
type contractLine struct {
	statement string
	test      func(*testing.T)
}

// contract is what was recorded [R] and claimed [C] of the live service, in the order in which it was written down.
var contract = []contractLine{
	// What the documentation says, against what there is.
	{"documented: flat {data, hasMore, nextCursor}", TestFlatEnvelope},
	{"actual: {data, pagination:{limit, hasMore, nextCursor, cursorExpiresIn}, meta:{total, returned, requestId}} [R]", TestNestedEnvelope},
	{"/events relative to the configured base URL, which already ends in /api/v1", TestPathsAndKeys},
	{"default 100; over 5000 silently capped to 5000 and echoed as such [R]", TestPageSize},
	{"10 requests per fixed 60 s window opened by its first request [R]", TestRateLimitWindow},
	{"counted on arrival [R]", TestRateLimitCountsArrivals},
	{"cursors expire 120 s after they are minted [R]", TestCursorExpiry},

	// GET {base}/events
	{"all eight keys always there, none null in 5,000 [R]", TestEventKeys},
	{"id, sessionId, userId (UUID), type (page_view 36 %, …), name (\"event_\" + 6 base-36)", TestEventValues},
	{"session {id = sessionId, deviceType, browser}", TestPagesMatchTruth},
	{"332 to 355 bytes, mean 345; a page of 5,000 is 1.73 MB", TestEventSizes},
	{"an integer of milliseconds where index-in-page % 3 == 0, else ISO 8601 [R]", TestPagesMatchTruth},
	{"the same event changes its format with its place in the page", TestTimestampFormatByIndex},
	{"also reported: seconds, µs, ns, numeric strings, control or zero-width characters inside the string [C]", TestDriftVariants},
	{"timestamp descending, then id descending", TestEventOrder},
	{"pages are contiguous, no overlap", TestPagesMatchTruth},
	{"the set is static", TestEventStability},
	{"nextCursor: unpadded base64 of {id, ts, v:2, exp}; cursorExpiresIn: whole seconds left, 116 to 120", TestCursorContent},
	{"to be treated as opaque", TestCursorForged},
	{"using a cursor mints a fresh next one; nothing prolongs an old one", TestCursorExpiry},
	{"end: hasMore:false, nextCursor:null, cursorExpiresIn:null [R on an empty collection]", TestEmptyCollection},
	{"false ends: a missing pagination or a stray hasMore:false long before meta.total [C]", TestBrokenPages},
	{"since, until, sort, fields, offset, page are ignored", TestIgnoredParameters},
	{"type= and sessionId= filter [C]", TestFilters},
	{"GET {base} lists the endpoints [R]", TestEndpointList},
	{"sessions (40 per window) and metrics (30, always empty) have the same envelope and their own buckets [R]", TestRateLimitBuckets},
	{"GET {base}/events/{id} is a look-up in the same bucket; HEAD and a 404 for an unknown id cost a token [R]", TestLookup},

	// Headers
	{"-Reset: whole seconds left in the window, 60 on a window's first answer; not an epoch", TestRateLimitWindow},
	{"on every counted answer", TestRateLimitHeadersOnErrors},
	{"Reset read as an epoch (and the reverse)", TestRateLimitHeaderForms},
	{"on 429 Retry-After in seconds, equal to Reset [R]", TestRetryAfterForms},
	{"X-Request-ID = meta.requestId; X-Cache, X-Cache-TTL: 30, a weak ETag that changes; Content-Length, Content-Type", TestPageHeaders},
	{"keep-alive", TestKeepAlive},
	{"Gzip: [?]", TestGzipFault},
	{"about 0.5 to 5 s per page", TestLatencyClientDisconnects},

	// Errors
	{"400 {error, message, code}: CURSOR_EXPIRED (\"Cursor expired N minute(s) ago\")", TestCursorExpiry},
	{"400 CURSOR_INVALID_FORMAT [C]", TestCursorForged},
	{"401/403: body unknown", TestPathsAndKeys},
	{"404 EVENT_NOT_FOUND [R]", TestLookup},
	{"404 ENDPOINT_NOT_FOUND [R]", TestPathsAndKeys},
	{"429 {error, code: RATE_LIMIT_EXCEEDED, rateLimit: {limit: 10, remaining: 0, reset: 28}} [C]", TestRateLimitWindow},
	{"500 JSON; 502/503/504 come from the load balancer: HTML body, Server: awselb/2.0 [C]", TestFaultStatuses},
	{"an unknown path outside the API answers 200 with an HTML page: check Content-Type", TestPathsAndKeys},
	{"broken 200s: body null, truncated JSON [C]", TestFaultBodies},
	{"broken 200s: data null or missing, pagination or hasMore missing, header X-Chaos-Applied: missingFields [C]", TestBrokenPages},
	{"meta.returned is the count to hold the records against", TestBrokenPages},

	// What others got wrong
	{"429 storms when parallel workers wake together", TestJournalTooEarly},
	{"bad timestamps dropped, or set to 1970 or now", TestDriftTruthMatchesBytes},
	{"COPY without a unique key (22 % lost under duplicates)", TestNeighbourDrifts},
	{"one bad event refetched for ever", TestDriftTruthMatchesBytes},
	{"a cursor that does not advance refetched for ever", TestFaultCursorsThatDoNotAdvance},
}

// A line that no test of its own name proves would be a mere claim.
func TestContractNamesTests(t *testing.T) {
	quotes := map[string]bool{}
	for _, l := range contract {
		name := runtime.FuncForPC(reflect.ValueOf(l.test).Pointer()).Name()
		if _, test, _ := strings.Cut(name, "mockapi_test."); !strings.HasPrefix(test, "Test") || strings.Contains(test, ".") || quotes[l.statement] {
			t.Errorf("%q is proved by %s", l.statement, name)
		}
		quotes[l.statement] = true
	}
}

func TestEventKeys(t *testing.T) {
	srv := newServer(t, func(c *mockapi.Config) { c.Events = 5000 })
	page := decode[struct{ Data []map[string]json.RawMessage }](t, get(t, srv, eventsPath(5000, "")))
	keys := []string{"id", "sessionId", "userId", "type", "name", "properties", "timestamp", "session"}
	for i, event := range page.Data {
		for _, key := range keys {
			if value := string(event[key]); value == "" || value == "null" {
				t.Fatalf("event %d: %s is %q", i, key, value)
			}
		}
		if len(event) != len(keys) || len(page.Data) != 5000 {
			t.Fatalf("event %d of %d: %d keys", i, len(page.Data), len(event))
		}
	}
}

func TestTimestampFormatByIndex(t *testing.T) {
	srv := newServer(t, nil)
	first := getPage(t, srv, 10, "")
	second := getPage(t, srv, 10, *getPage(t, srv, 1, "").Pagination.NextCursor)
	for i, event := range second.Data[:9] {
		same := first.Data[i+1]
		isNumber, wasNumber := event.Timestamp[0] != '"', same.Timestamp[0] != '"'
		if event.ID != same.ID || isNumber != (i%3 == 0) || wasNumber != ((i+1)%3 == 0) {
			t.Errorf("event %d: %s, then %s", i, same.Timestamp, event.Timestamp)
		}
	}
}

func TestEndpointList(t *testing.T) {
	rec := call(t, newServer(t, nil), http.MethodGet, mockapi.BasePath, "")
	got := decode[struct{ Endpoints []string }](t, rec).Endpoints
	want := []string{"GET /api/v1/events", "GET /api/v1/events/{id}", "GET /api/v1/sessions", "GET /api/v1/metrics"}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestRateLimitHeadersOnErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newServer(t, func(c *mockapi.Config) {
			withRateLimit(c)
			c.Faults = []mockapi.Fault{{Kind: "500", At: []int{1}}, {Kind: "null", At: []int{2}}, {Kind: "401", At: []int{3}}}
		})
		for _, remaining := range []string{"9", "8", "7", "6"} {
			wantRateHeaders(t, get(t, srv, eventsPath(1, "nonsense")).Header(), "10", remaining, "60")
		}
		time.Sleep(time.Minute)
		wantRateHeaders(t, call(t, srv, http.MethodHead, eventsPath(1, ""), "demo-key").Header(), "10", "9", "60")
	})
}

func TestKeepAlive(t *testing.T) {
	web := httptest.NewServer(newServer(t, nil))
	defer web.Close()
	var ports []string
	web.Config.Handler = recordRemoteAddrs(&ports, web.Config.Handler)
	for range 3 {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, web.URL+eventsPath(1, ""), http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-API-Key", "demo-key")
		resp, err := web.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		var page strings.Builder
		if err := resp.Write(&page); err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
	}
	if len(ports) != 3 || ports[0] != ports[1] || ports[1] != ports[2] {
		t.Errorf("three requests from %v", ports)
	}
}

// remember notes from where each request comes.
func recordRemoteAddrs(from *[]string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*from = append(*from, r.RemoteAddr)
		next.ServeHTTP(w, r)
	})
}
