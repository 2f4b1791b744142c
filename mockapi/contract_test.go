package mockapi_test

import (
	"reflect"
	"runtime"
	"strings"
	"testing"
)

// A contractLine is one statement of the contract, quoted, and the test that checks it.
type contractLine struct {
	statement string
	test      func(*testing.T)
}

// contract lists what was recorded [R] and claimed [C] of the live service.
var contract = []contractLine{
	// The documentation, and how the service differs from it
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

	// Mistakes of other clients
	{"429 storms when parallel workers wake together", TestJournalTooEarly},
	{"bad timestamps dropped, or set to 1970 or now", TestDriftTruthMatchesBytes},
	{"COPY without a unique key (22 % lost under duplicates)", TestNeighbourDrifts},
	{"one bad event refetched for ever", TestDriftTruthMatchesBytes},
	{"a cursor that does not advance refetched for ever", TestFaultCursorsThatDoNotAdvance},
}

// Each line must name a top-level test, because go test runs those, and each statement must occur once.
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
