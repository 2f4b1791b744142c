package mockapi_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pawldata/pawl/mockapi"
)

func TestJournalEntries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newServer(t, func(c *mockapi.Config) { c.Events = 15 })
		began := time.Now().Round(0).UTC()
		first := get(t, srv, eventsPath(10, ""))
		next := *decode[wirePage](t, first).Pagination.NextCursor
		second := get(t, srv, eventsPath(10, next))
		want := []mockapi.Entry{
			{
				Seq: 1, N: 1, At: began, RequestID: first.Header().Get("X-Request-ID"), Method: "GET", Endpoint: "events",
				From: 0, Returned: 10, Size: 15, Status: 200, Sound: true, Delivered: true,
				Bytes: first.Body.Len(), Hash: bodyHash(first),
			},
			{
				Seq: 2, N: 2, At: began, RequestID: second.Header().Get("X-Request-ID"), Method: "GET", Endpoint: "events",
				Cursor: next, From: 10, Returned: 5, Size: 15, Status: 200, Sound: true, Last: true, Delivered: true,
				Bytes: second.Body.Len(), Hash: bodyHash(second),
			},
		}
		got := srv.Journal().After(0)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
		if rest := srv.Journal().After(1); !reflect.DeepEqual(rest, want[1:]) {
			t.Errorf("after 1: %+v", rest)
		}
		if s := srv.Journal().Summary(); !s.Complete || s.Pages != 2 || s.Events != 15 || s.LastSeq != 2 || s.LastN != 2 {
			t.Errorf("got summary %+v", s)
		}
	})
}

// Wait returns when a page was served, and the summary counts the request that is in flight before.
func TestJournalWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newServer(t, func(c *mockapi.Config) { c.Latency = 3 * time.Second })
		served := make(chan struct{})
		go func() {
			defer close(served)
			get(t, srv, eventsPath(1, ""))
		}()
		synctest.Wait()
		if s := srv.Journal().Summary(); s.InFlight != 1 || s.Requests != 0 {
			t.Errorf("while in flight: got %+v", s)
		}
		start := time.Now()
		entries, err := srv.Journal().Wait(t.Context(), 0)
		if err != nil || len(entries) != 1 || time.Since(start) != 3*time.Second {
			t.Errorf("%d entries after %v, %v", len(entries), time.Since(start), err)
		}
		<-served
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if entries, err := srv.Journal().Wait(ctx, 1); !errors.Is(err, context.DeadlineExceeded) || len(entries) != 0 {
			t.Errorf("%v, %v", entries, err)
		}
	})
}

// N is the order of arrival, Seq the order of the responses.
func TestJournalOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newServer(t, func(c *mockapi.Config) { c.Latency = 3 * time.Second })
		slow := make(chan struct{})
		go func() {
			defer close(slow)
			get(t, srv, eventsPath(1, ""))
		}()
		synctest.Wait()
		sendScenario(t, srv, http.MethodPost, `{"latency": "0s"}`)
		get(t, srv, eventsPath(1, ""))
		<-slow
		e := srv.Journal().After(0)
		if len(e) != 2 || e[0].N != 2 || e[0].Seq != 1 || e[1].N != 1 || e[1].Seq != 2 {
			t.Errorf("got %+v", e)
		}
	})
}

// "429 storms when parallel workers wake together", "clamped Retry-After retries too early": the journal shows both.
func TestJournalTooEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newServer(t, func(c *mockapi.Config) { c.RateLimit, c.RateWindow = 1, 30*time.Second })
		path := eventsPath(1, "")
		get(t, srv, path) // within the limit
		get(t, srv, path) // above the limit, but no response has said so before
		time.Sleep(29 * time.Second)
		get(t, srv, path) // too early: the 429 asked to wait longer
		time.Sleep(time.Second)
		get(t, srv, path) // after the wait
		type mark struct{ limited, closed, early bool }
		want := []mark{{}, {true, true, false}, {true, true, true}, {}}
		for i, e := range srv.Journal().After(0) {
			if got := (mark{e.RateLimited, e.WindowClosed, e.TooEarly}); got != want[i] {
				t.Errorf("request %d: %+v, want %+v", e.N, got, want[i])
			}
		}
		if s := srv.Journal().Summary(); s.RateLimited != 2 || s.WindowClosed != 2 || s.TooEarly != 1 || s.Pages != 2 {
			t.Errorf("got summary %+v", s)
		}
	})
}

// The journal has the digest of each drifted record, so that dead letters can be compared byte by byte.
func TestJournalDriftedRecords(t *testing.T) {
	srv := newDriftingServer(t, "nul@2,5", "timestamp-s@150")
	readRawRecords(t, srv, 100)
	entries := srv.Journal().After(0)
	var got []mockapi.DriftedRecord
	for _, e := range entries {
		got = append(got, e.Drifted...)
	}
	want := make([]mockapi.DriftedRecord, 0, 3)
	for _, i := range []int{2, 5, 150} {
		row, _ := srv.Truth().Row(i)
		want = append(want, mockapi.DriftedRecord{Index: i, Kind: row.Drift, SHA256: sha256.Sum256(row.Payload)})
	}
	if !reflect.DeepEqual(got, want) || len(entries[0].Drifted) != 2 {
		t.Errorf("got %v, want %v", got, want)
	}
}

// The journal contains no records and no last page if the response did not contain them.
func TestJournalUndeliveredRecords(t *testing.T) {
	for _, tc := range []struct{ method, path, fault string }{
		{http.MethodGet, "/events", "null:1"},
		{http.MethodGet, "/events", "truncated:1"},
		{http.MethodGet, "/events", "html:1"},
		{http.MethodGet, "/events", "data-null:1"},
		{http.MethodGet, "/events", "data-missing:1"},
		{http.MethodGet, "/events", "reset-body:1"},
		{http.MethodGet, "/events/", "null:1"},
		{http.MethodHead, "/events", "500@2"},
		{http.MethodHead, "/events/", "500@2"},
	} {
		srv := newServer(t, func(c *mockapi.Config) {
			fault, err := mockapi.ParseFault(tc.fault)
			if err != nil {
				t.Fatal(err)
			}
			c.Events, c.Drifts, c.Faults = 2, []mockapi.Drift{{Kind: "new-field", At: []int{0}}}, []mockapi.Fault{fault}
		})
		path := mockapi.BasePath + tc.path
		if row, _ := srv.Truth().Row(0); strings.HasSuffix(path, "/") {
			path += row.ID
		}
		call(t, srv, tc.method, path, "demo-key")
		e, s := srv.Journal().After(0)[0], srv.Journal().Summary()
		if e.Status != http.StatusOK || e.Returned != 0 || len(e.Drifted) != 0 || e.Sound || e.Last || s.Pages != 0 || s.Complete {
			t.Errorf("%s %s with %s: %+v, %+v", tc.method, tc.path, tc.fault, e, s)
		}
	}
}

func TestJournalLimit(t *testing.T) {
	srv := newServer(t, func(c *mockapi.Config) { c.JournalLimit = 2 })
	for range 5 {
		get(t, srv, eventsPath(1, strings.Repeat("x", 2000)))
	}
	entries := srv.Journal().After(0)
	if s := srv.Journal().Summary(); len(entries) != 2 || s.Requests != 5 || s.Dropped != 3 {
		t.Errorf("got %d entries, %+v", len(entries), s)
	}
	if got := len(entries[0].Cursor); got != 512 {
		t.Errorf("got %d bytes of the cursor, want 512", got)
	}
}

func TestJournalDriftedLimit(t *testing.T) {
	srv := newServer(t, func(c *mockapi.Config) {
		c.JournalLimit, c.Drifts = 3, []mockapi.Drift{{Kind: "nul", Probability: 1}}
	})
	for _, limit := range []int{20, 15, 4, 1} {
		get(t, srv, eventsPath(limit, ""))
	}
	entries := srv.Journal().After(0)
	if len(entries[0].Drifted) != 20 || len(entries[1].Drifted) != 10 || len(entries[2].Drifted) != 0 {
		t.Errorf("%d, %d and %d drifted records", len(entries[0].Drifted), len(entries[1].Drifted), len(entries[2].Drifted))
	}
	if s := srv.Journal().Summary(); s.DriftedDropped != 10 || s.Dropped != 1 {
		t.Errorf("got %+v", s)
	}
}
