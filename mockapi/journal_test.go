package mockapi_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pawldata/pawl/mockapi"
)

// TestJournalEntries checks all fields of the entries for a pass of two pages, the first with 10 events and the second with 5.
func TestJournalEntries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newServer(t, withEvents(10+5))
		start := time.Now().Round(0).UTC() // Round(0) removes the monotonic clock
		first := get(t, srv, eventsPath(10, noCursor))
		next := *decode[wirePage](t, first).Pagination.NextCursor
		second := get(t, srv, eventsPath(10, next))
		want := []mockapi.Entry{
			{
				Seq: 1, N: 1, At: start, RequestID: first.Header().Get("X-Request-ID"), Method: "GET", Endpoint: "events",
				From: 0, Returned: 10, Size: 15, Status: 200, Sound: true, Delivered: true,
				Bytes: first.Body.Len(), Hash: bodyHash(first),
			},
			{
				Seq: 2, N: 2, At: start, RequestID: second.Header().Get("X-Request-ID"), Method: "GET", Endpoint: "events",
				Cursor: next, From: 10, Returned: 5, Size: 15, Status: 200, Sound: true, Last: true, Delivered: true,
				Bytes: second.Body.Len(), Hash: bodyHash(second),
			},
		}
		got := allEntries(srv)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got entries %+v\nwant        %+v", got, want)
		}
		if rest := srv.Journal().After(1); !reflect.DeepEqual(rest, want[1:]) {
			t.Errorf("got entries after 1 %+v, want only the second", rest)
		}
		wantSummary(t, srv, mockapi.Summary{Requests: 2, Complete: true, Pages: 2, Events: 15, LastSeq: 2, LastN: 2})
	})
}

// wantSummary checks all totals of the journal except Faults.
func wantSummary(t *testing.T, srv *mockapi.Server, want mockapi.Summary) {
	t.Helper()
	got := srv.Journal().Summary()
	got.Faults = nil
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got summary %+v\nwant        %+v", got, want)
	}
}

// TestJournalWait checks that Wait returns as soon as a page was served, and that Wait returns an error when its context ends.
// The test also checks that the summary counts a request that is in flight.
func TestJournalWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const latency = 3 * time.Second
		srv := newServer(t, withLatency(latency))
		served := make(chan struct{})
		go func() {
			defer close(served)
			get(t, srv, firstEventPath)
		}()
		synctest.Wait() // until the request waits for its response
		wantSummary(t, srv, mockapi.Summary{InFlight: 1})
		start := time.Now()
		entries, err := srv.Journal().Wait(t.Context(), 0) // for the first entry
		if err != nil || len(entries) != 1 {
			t.Errorf("got %d entries, %v, want 1 entry", len(entries), err)
		}
		wantEqual(t, "time of waiting", time.Since(start), latency)
		<-served
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		entries, err = srv.Journal().Wait(ctx, 1) // for a second entry, which never comes
		if !errors.Is(err, context.DeadlineExceeded) || len(entries) != 0 {
			t.Errorf("got entries %v, %v, want none and context.DeadlineExceeded", entries, err)
		}
	})
}

// TestJournalOrder checks that N is the order of arrivals and Seq is the order of responses.
func TestJournalOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newServer(t, withLatency(3*time.Second))
		slowServed := make(chan struct{})
		go func() {
			defer close(slowServed)
			get(t, srv, firstEventPath)
		}()
		synctest.Wait() // until the slow request waits for its response
		sendScenario(t, srv, http.MethodPost, `{"latency": "0s"}`)
		get(t, srv, firstEventPath) // the fast request
		<-slowServed
		entries := allEntries(srv)
		if len(entries) != 2 {
			t.Fatalf("got %d entries, want 2", len(entries))
		}
		fast, slow := entries[0], entries[1]
		if fast.N != 2 || fast.Seq != 1 {
			t.Errorf("fast request: got N %d, Seq %d, want 2, 1", fast.N, fast.Seq)
		}
		if slow.N != 1 || slow.Seq != 2 {
			t.Errorf("slow request: got N %d, Seq %d, want 1, 2", slow.N, slow.Seq)
		}
	})
}

// TestJournalShowsEarlyRetries checks that the journal shows requests above the rate limit, and among them the requests that
// came before the time for which a 429 asked to wait.
func TestJournalShowsEarlyRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newServer(t, withRateLimit(1, 30*time.Second))
		get(t, srv, firstEventPath) // request 1 is within the limit
		get(t, srv, firstEventPath) // request 2 is above the limit, but not too early, because no 429 was sent before
		time.Sleep(29 * time.Second)
		get(t, srv, firstEventPath) // request 3 is too early, because the 429 asked to wait 30 s
		time.Sleep(time.Second)
		get(t, srv, firstEventPath) // request 4 is within the limit of the next window
		type marks struct{ rateLimited, windowClosed, tooEarly bool }
		want := []marks{ // by request
			{},
			{rateLimited: true, windowClosed: true},
			{rateLimited: true, windowClosed: true, tooEarly: true},
			{},
		}
		for i, e := range allEntries(srv) {
			got := marks{rateLimited: e.RateLimited, windowClosed: e.WindowClosed, tooEarly: e.TooEarly}
			if got != want[i] {
				t.Errorf("request %d: got %+v, want %+v", e.N, got, want[i])
			}
		}
		wantSummary(t, srv, mockapi.Summary{
			Requests: 4, RateLimited: 2, WindowClosed: 2, TooEarly: 1, Pages: 2, Events: 2, LastSeq: 4, LastN: 4,
		})
	})
}

// TestJournalDriftedRecords checks that the journal has the digest of each drifted record. Other tests compare these digests
// with the bytes of dead letters.
func TestJournalDriftedRecords(t *testing.T) {
	srv := newDriftingServer(t, "nul@2,5", "timestamp-s@150")
	const pageSize = 100 // so that records 2 and 5 are on the first page, and record 150 on the second
	readRawRecords(t, srv, pageSize)
	entries := allEntries(srv)
	var got []mockapi.DriftedRecord
	for _, e := range entries {
		got = append(got, e.Drifted...)
	}
	want := make([]mockapi.DriftedRecord, 0, 3)
	for _, i := range []int{2, 5, 150} {
		row := truthRow(t, srv, i)
		want = append(want, mockapi.DriftedRecord{Index: i, Kind: row.Drift, SHA256: sha256.Sum256(row.Payload)})
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got drifted records %v, want %v", got, want)
	}
	wantEqual(t, "number of drifted records in the first page", len(entries[0].Drifted), 2)
}

// TestJournalUndeliveredRecords checks that an entry mentions no records and is not the last page if the response did not
// contain the records, because of a fault or because the method was HEAD.
func TestJournalUndeliveredRecords(t *testing.T) {
	for _, tc := range []struct {
		method string
		faults []string
		lookup bool // requests one event by its id instead of the list
	}{
		{method: http.MethodGet, faults: []string{"null@1"}},
		{method: http.MethodGet, faults: []string{"truncated@1"}},
		{method: http.MethodGet, faults: []string{"html@1"}},
		{method: http.MethodGet, faults: []string{"data-null@1"}},
		{method: http.MethodGet, faults: []string{"data-missing@1"}},
		{method: http.MethodGet, faults: []string{"reset-body@1"}},
		{method: http.MethodGet, faults: []string{"null@1"}, lookup: true},
		{method: http.MethodHead},
		{method: http.MethodHead, lookup: true},
	} {
		t.Run(fmt.Sprintf("%s %s lookup %t", tc.method, tc.faults, tc.lookup), func(t *testing.T) {
			// Without the fault or the HEAD, the response would contain a drifted record.
			srv := newServer(t, withEvents(2), withDrifts(t, "new-field@0"), withFaults(t, tc.faults...))
			path := mockapi.BasePath + "/events"
			if tc.lookup {
				path += "/" + truthRow(t, srv, 0).ID
			}
			call(t, srv, tc.method, path, testKey)
			e := entryOf(t, srv, 1)
			wantEqual(t, "Status", e.Status, http.StatusOK)
			wantEqual(t, "Returned", e.Returned, 0)
			wantEqual(t, "number of drifted records", len(e.Drifted), 0)
			wantEqual(t, "Sound", e.Sound, false)
			wantEqual(t, "Last", e.Last, false)
			wantSummary(t, srv, mockapi.Summary{Requests: 1, LastSeq: 1, LastN: 1}) // no page, and not complete
		})
	}
}

// TestJournalLimit checks that the journal drops the entries above its limit, and that it shortens a long cursor.
func TestJournalLimit(t *testing.T) {
	const limit, requests = 2, 5
	srv := newServer(t, withJournalLimit(limit))
	for range requests {
		get(t, srv, eventsPath(1, strings.Repeat("x", 2000))) // an invalid cursor, so the response is an error
	}
	entries := allEntries(srv)
	wantEqual(t, "number of entries", len(entries), limit)
	const maxCursor = 512 // in bytes
	wantEqual(t, "length of the cursor", len(entries[0].Cursor), maxCursor)
	wantSummary(t, srv, mockapi.Summary{Requests: requests, Dropped: requests - limit, LastSeq: requests, LastN: requests})
}

// withJournalLimit returns a change of the maximum number of entries in the journal.
func withJournalLimit(limit int) func(*mockapi.Config) {
	return func(c *mockapi.Config) { c.JournalLimit = limit }
}

// TestJournalDriftedLimit checks that a journal for 3 entries stores only 30 drifted records, and drops the others.
func TestJournalDriftedLimit(t *testing.T) {
	srv := newServer(t, withJournalLimit(3), withDrifts(t, "nul:1")) // all records drift
	for _, pageSize := range []int{20, 15, 4, 1} {
		get(t, srv, eventsPath(pageSize, noCursor))
	}
	entries := allEntries(srv)
	for i, want := range []int{20, 10, 0} { // the second entry reaches 30 drifted records
		wantEqual(t, fmt.Sprintf("number of drifted records of request %d", i+1), len(entries[i].Drifted), want)
	}
	wantSummary(t, srv, mockapi.Summary{
		Requests: 4, Pages: 4, Events: 20 + 15 + 4 + 1, Dropped: 1, DriftedDropped: 5 + 4 + 1, LastSeq: 4, LastN: 4,
	})
}
