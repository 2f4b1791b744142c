package mockapi_test

import (
	"reflect"
	"runtime"
	"strings"
	"testing"
)

// A contractLine is one statement about the live service or its clients, and the test that checks it.
type contractLine struct {
	statement string
	test      func(*testing.T)
}

// contract lists the facts about the live service that the mock imitates. [R] means that the fact was recorded. [C] means
// that several people claim it. [?] means that it is unknown. Facts without a mark are in the service's documentation, or
// were observed.
var contract = []contractLine{
	// The documentation, and the differences between the documentation and the service
	{"the documented page is flat: {data, hasMore, nextCursor}", TestFlatEnvelope},
	{
		"the actual page is {data, pagination: {limit, hasMore, nextCursor, cursorExpiresIn}, meta: {total, returned, requestId}} [R]",
		TestNestedEnvelope,
	},
	{"the configured base URL ends in /api/v1, and /events follows it", TestPathsAndKeys},
	{"the default limit is 100; a limit over 5000 is silently reduced to 5000, and the page shows 5000 [R]", TestPageSize},
	{"10 requests are allowed per window of 60 s; the first request of a window opens it [R]", TestRateLimitWindow},
	{"a request counts when it arrives, not when it is answered [R]", TestRateLimitCountsArrivals},
	{"a cursor expires 120 s after it was minted [R]", TestCursorExpiry},

	// GET {base}/events
	{"an event always has all eight keys, and no value was null in 5,000 events [R]", TestEventKeys},
	{"id, sessionId and userId are UUIDs; 36 % of the types are page_view; a name is event_ and 6 base-36 digits", TestEventValues},
	{"session is {id, deviceType, browser}, and its id equals sessionId", TestPagesMatchExpectedRows},
	{"an event has 332 to 355 bytes, 345 on average; a page of 5,000 events has 1.73 MB", TestEventSizes},
	{"the timestamp is an integer in ms if the index in the page is divisible by 3, else it is ISO 8601 [R]", TestPagesMatchExpectedRows},
	{"the timestamp of one event changes its form with the event's index in the page", TestTimestampFormatByIndex},
	{"timestamps also occur in s, µs or ns, as numeric strings, or with control or zero-width characters [C]", TestDriftVariants},
	{"events are sorted by timestamp descending, then by id descending", TestEventOrder},
	{"a page begins directly after the page before it", TestPagesMatchExpectedRows},
	{"the set of events does not change", TestEventStability},
	{"nextCursor is unpadded base64 of {id, ts, v: 2, exp}; cursorExpiresIn is in whole seconds, 116 to 120", TestCursorContent},
	{"clients must treat a cursor as opaque", TestCursorForged},
	{"the use of a cursor mints a new cursor, and does not prolong the old one", TestCursorExpiry},
	{"the last page has hasMore: false, nextCursor: null and cursorExpiresIn: null [R for an empty collection]", TestEmptyCollection},
	{"a page long before meta.total can lack pagination or have a wrong hasMore: false [C]", TestBrokenPages},
	{"the parameters since, until, sort, fields, offset and page are ignored", TestIgnoredParameters},
	{"the parameters type and sessionId filter the events [C]", TestFilters},
	{"GET {base} lists the endpoints [R]", TestEndpointList},
	{"sessions (40 requests per window) and metrics (30, always empty) have the same envelope and their own limits [R]", TestRateLimitBuckets},
	{"GET {base}/events/{id} counts against the limit of /events, and so do HEAD and a 404 for an unknown id [R]", TestLookup},

	// Headers
	{"X-RateLimit-Reset is in whole seconds until the window ends, 60 on a window's first response", TestRateLimitWindow},
	{"the rate limit headers are on each response whose request counts, even on errors", TestRateLimitHeadersOnErrors},
	{"clients confuse seconds with a Unix time in X-RateLimit-Reset, so the mock can send both", TestRateLimitHeaderForms},
	{"on a 429, Retry-After is in seconds and equals X-RateLimit-Reset [R]", TestRetryAfterForms},
	{
		"X-Request-ID equals meta.requestId; the other headers are X-Cache, X-Cache-TTL: 30, a weak ETag that changes, " +
			"Content-Length and Content-Type", TestPageHeaders,
	},
	{"connections stay open for further requests", TestKeepAlive},
	{"it is unknown whether the service sends gzip [?]", TestGzipFault},
	{"a page takes about 0.5 to 5 s", TestLatency},

	// Errors
	{"an expired cursor gets 400 {error, message, code}: CURSOR_EXPIRED, Cursor expired N minute(s) ago", TestCursorExpiry},
	{"an invalid cursor gets 400 CURSOR_INVALID_FORMAT [C]", TestCursorForged},
	{"a missing or wrong key gets 401 or 403; the bodies are unknown [?]", TestPathsAndKeys},
	{"an unknown event gets 404 EVENT_NOT_FOUND [R]", TestLookup},
	{"an unknown endpoint gets 404 ENDPOINT_NOT_FOUND [R]", TestPathsAndKeys},
	{"the body of a 429 is {error, code: RATE_LIMIT_EXCEEDED, rateLimit: {limit: 10, remaining: 0, reset: 28}} [C]", TestRateLimitWindow},
	{"a 500 has a JSON body; the load balancer sends 502, 503 and 504 with HTML and Server: awselb/2.0 [C]", TestFaultStatuses},
	{"an unknown path outside the API gets 200 with HTML, so clients must check Content-Type", TestPathsAndKeys},
	{"a broken page can be null or truncated JSON, with status 200 [C]", TestFaultBodies},
	{
		"a broken page can have data that is null or missing, or lack pagination or hasMore; then it has the header " +
			"X-Chaos-Applied: missingFields [C]", TestBrokenPages,
	},
	{"a client can compare the number of records with meta.returned", TestBrokenPages},

	// Mistakes of other clients, and the tests that show how the mock makes them visible
	{"parallel workers retry at the same time, and all of them get a 429", TestJournalShowsEarlyRetries},
	{"clients drop records with a bad timestamp, or replace the timestamp by 1970 or by the current time", TestDriftMatchesExpectedRows},
	{"clients insert rows without a unique key, and so store or lose duplicates", TestDuplicateAndConflictDrifts},
	{"clients fetch a page with a bad event again and again, although its bytes stay the same", TestDriftMatchesExpectedRows},
	{"clients follow a cursor that does not advance without end", TestFaultCursorsThatDoNotAdvance},
}

// TestContractNamesTests checks that each line names a top-level test, because go test runs only those. It also checks that
// no statement occurs twice.
func TestContractNamesTests(t *testing.T) {
	seen := map[string]bool{}
	for _, line := range contract {
		function := runtime.FuncForPC(reflect.ValueOf(line.test).Pointer()).Name()
		_, name, _ := strings.Cut(function, "mockapi_test.")
		isTopLevel := !strings.Contains(name, ".") // a function within another one is called TestOuter.func1
		if !isTopLevel || !strings.HasPrefix(name, "Test") {
			t.Errorf("%q: got the function %s, want a top-level test", line.statement, function)
		}
		if seen[line.statement] {
			t.Errorf("the statement %q occurs twice", line.statement)
		}
		seen[line.statement] = true
	}
}
