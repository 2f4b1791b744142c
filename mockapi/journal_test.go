package mockapi_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc64"
	"net/http"
	"net/http/httptest"
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
			t.Errorf("summary %+v", s)
		}
	})
}

// A harness waits for the signal that a page was served, and sees the one in flight before.
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
			t.Errorf("in flight: %+v", s)
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

// N is the order of arrival, Seq that of the answers.
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
			t.Errorf("%+v", e)
		}
	})
}

func TestJournalLimit(t *testing.T) {
	srv := newServer(t, func(c *mockapi.Config) { c.JournalLimit = 2 })
	for range 5 {
		get(t, srv, eventsPath(1, strings.Repeat("x", 2000)))
	}
	entries := srv.Journal().After(0)
	if s := srv.Journal().Summary(); len(entries) != 2 || s.Requests != 5 || s.Dropped != 3 {
		t.Errorf("%d entries, %+v", len(entries), s)
	}
	if got := len(entries[0].Cursor); got != 512 {
		t.Errorf("%d bytes of the cursor were kept", got)
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
		t.Errorf("%+v", s)
	}
}

func TestJournalOverHTTP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newServer(t, withRateLimit)
		admin := func(path string) *httptest.ResponseRecorder { return call(t, srv, "GET", mockapi.AdminPath+path, "") }
		for range 3 {
			get(t, srv, eventsPath(1, ""))
		}
		entries := decodeLines[mockapi.Entry](t, admin("/journal?after=1"))
		if !reflect.DeepEqual(entries, srv.Journal().After(1)) || len(entries) != 2 {
			t.Errorf("entries %+v", entries)
		}

		start := time.Now()
		if rec := admin("/journal?after=3&wait=5s"); rec.Code != 200 || rec.Body.Len() != 0 || time.Since(start) != 5*time.Second {
			t.Errorf("%d %q after %v", rec.Code, rec.Body, time.Since(start))
		}
		start = time.Now()
		if admin("/journal?after=3&wait=12h"); time.Since(start) != time.Minute {
			t.Errorf("a wait of 12 h took %v", time.Since(start))
		}
		go func() {
			time.Sleep(time.Second)
			get(t, srv, eventsPath(1, ""))
		}()
		start = time.Now()
		if got := decodeLines[mockapi.Entry](t, admin("/journal?after=3&wait=5s")); len(got) != 1 || got[0].N != 4 || time.Since(start) != time.Second {
			t.Errorf("%+v after %v", got, time.Since(start))
		}

		if s := decode[mockapi.Summary](t, admin("/journal/summary")); s.Requests != 4 || s.Pages != 4 || s.RateLimited != 0 {
			t.Errorf("what the harness asks is not counted: %+v", s)
		}
		for _, path := range []string{"/journal?after=x", "/journal?after=-1", "/journal?wait=soon", "/truth?from=x", "/truth?limit=-2"} {
			wantError(t, admin(path), http.StatusBadRequest, "INVALID_QUERY")
		}
		wantError(t, admin("/nothing"), http.StatusNotFound, "ENDPOINT_NOT_FOUND")
		wantError(t, call(t, srv, "POST", mockapi.AdminPath+"/config", ""), http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED")
	})
}

func TestConfigOverHTTP(t *testing.T) {
	rec := call(t, newFaultyServer(t, "503@7", "500:0.5"), "GET", mockapi.AdminPath+"/config", "")
	const want = `{"events":1000,"grow":0,"rate_limit":0,"rate_window":"1m0s","rate_headers":"seconds","retry_after":"seconds",` +
		`"cursor_ttl":"2m0s","latency":"0s","envelope":"nested","faults":["503@7","500:0.5"],"drifts":[],` +
		`"seed":1,"default_limit":100,"max_limit":5000,"journal_limit":100000}`
	if rec.Body.String() != want {
		t.Errorf("got  %s\nwant %s", rec.Body, want)
	}
}

// hashOf is what anyone can compute of a body: CRC-64 with the ECMA polynomial.
func bodyHash(rec *httptest.ResponseRecorder) string {
	return fmt.Sprintf("%016x", crc64.Checksum(rec.Body.Bytes(), crc64.MakeTable(crc64.ECMA)))
}

func decodeLines[T any](t *testing.T, rec *httptest.ResponseRecorder) []T {
	t.Helper()
	var all []T
	for scan := bufio.NewScanner(rec.Body); scan.Scan(); {
		var v T
		if err := json.Unmarshal(scan.Bytes(), &v); err != nil {
			t.Fatalf("%v in %s", err, scan.Bytes())
		}
		all = append(all, v)
	}
	return all
}
