package mockapi_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pawldata/pawl/mockapi"
)

func newFaultyServer(t *testing.T, specs ...string) *mockapi.Server {
	t.Helper()
	return newServer(t, func(c *mockapi.Config) {
		for _, spec := range specs {
			fault, err := mockapi.ParseFault(spec)
			if err != nil {
				t.Fatal(err)
			}
			c.Faults = append(c.Faults, fault)
		}
	})
}

// statuses asks n times for the first page.
func getStatuses(t *testing.T, srv *mockapi.Server, n int) []int {
	t.Helper()
	got := make([]int, 0, n)
	for range n {
		got = append(got, get(t, srv, eventsPath(1, "")).Code)
	}
	return got
}

func TestFaultNumbers(t *testing.T) {
	srv := newFaultyServer(t, "503@2", "429@3,5", "500@7-8")
	wantError(t, call(t, srv, "GET", eventsPath(1, ""), "wrong"), http.StatusForbidden, "FORBIDDEN") // has no number
	if got, want := getStatuses(t, srv, 9), []int{200, 503, 429, 200, 429, 200, 500, 500, 200}; !slices.Equal(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	entries := srv.Journal().After(0)
	kinds := make([]string, 0, len(entries))
	for _, e := range entries {
		kinds = append(kinds, string(e.Fault))
	}
	if got := strings.Join(kinds, " "); got != " 503 429  429  500 500 " {
		t.Errorf("journal: %q", got)
	}
	if f := srv.Journal().Summary().Faults; f["503"] != 1 || f["429"] != 2 || f["500"] != 2 || len(f) != 3 {
		t.Errorf("summary: %v", f)
	}
}

// "Requests are those to any endpoint": each has a number.
func TestFaultNumbersAllEndpoints(t *testing.T) {
	srv := newFaultyServer(t, "500@2,4,6")
	for n, path := range []string{"/events", "/sessions", "/metrics", "/events/x", "/events", "/events"} {
		rec := get(t, srv, mockapi.BasePath+path)
		if struck := rec.Code == http.StatusInternalServerError; struck != (n%2 == 1) {
			t.Errorf("request %d: %d", n+1, rec.Code)
		}
	}
}

func TestFaultProbability(t *testing.T) {
	const n = 4000
	first := getStatuses(t, newFaultyServer(t, "500:0.2", "503:0.1", "429@1-3"), n)
	if !slices.Equal(first, getStatuses(t, newFaultyServer(t, "500:0.2", "503:0.1", "429@1-3"), n)) {
		t.Error("the same seed gave other faults")
	}
	count := map[int]int{}
	for _, status := range first {
		count[status]++
	}
	if !slices.Equal(first[:3], []int{429, 429, 429}) || count[429] != 3 {
		t.Errorf("what is scheduled comes first: %v, %d", first[:3], count[429])
	}
	if count[500] < n*17/100 || count[500] > n*23/100 || count[503] < n*8/100 || count[503] > n*12/100 {
		t.Errorf("got %v of %d, want a fifth and a tenth", count, n)
	}
}

// "500 JSON. 502/503/504 come from the load balancer: HTML body, `Server: awselb/2.0`"
func TestFaultServerErrors(t *testing.T) {
	srv := newFaultyServer(t, "500@1", "503@2")
	rec := get(t, srv, eventsPath(1, ""))
	wantError(t, rec, http.StatusInternalServerError, "INTERNAL_ERROR")
	rec = get(t, srv, eventsPath(1, ""))
	h := rec.Header()
	if rec.Code != 503 || h.Get("Server") != "awselb/2.0" || !strings.HasPrefix(h.Get("Content-Type"), "text/html") ||
		!strings.Contains(rec.Body.String(), "<html>") || h.Get("Retry-After") != "" || h.Get("X-Request-ID") != "" {
		t.Errorf("%d %v %s", rec.Code, h, rec.Body)
	}
}

// An injected 429 is told apart from the window's own, counts as a request all the same, and asks for one second.
func TestFault429(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newServer(t, func(c *mockapi.Config) {
			withRateLimit(c)
			c.RateLimit = 2
			c.Faults = []mockapi.Fault{{Kind: "429", At: []int{1, 4}}}
		})
		rec := get(t, srv, eventsPath(1, ""))
		wantRateHeaders(t, rec.Header(), "2", "0", "1")
		if rec.Code != 429 || rec.Header().Get("Retry-After") != "1" || !strings.Contains(rec.Body.String(), `"RATE_LIMIT_EXCEEDED"`) {
			t.Errorf("%d %s", rec.Code, rec.Body)
		}
		time.Sleep(time.Second)
		wantRateHeaders(t, get(t, srv, eventsPath(1, "")).Header(), "2", "0", "59")
		get(t, srv, eventsPath(1, "")) // the window's own
		get(t, srv, eventsPath(1, "")) // scheduled, inside a closed window
		time.Sleep(2 * time.Second)
		get(t, srv, eventsPath(1, "")) // has waited for the 429 that was scheduled, and not for the one before
		type mark struct {
			status                 int
			fault                  mockapi.FaultKind
			limited, closed, early bool
		}
		want := []mark{{429, "429", false, false, false}, {200, "", false, false, false}, {429, "", true, true, false}, {429, "429", false, true, true}, {429, "", true, true, true}}
		for i, e := range srv.Journal().After(0) {
			if got := (mark{e.Status, e.Fault, e.RateLimited, e.WindowClosed, e.TooEarly}); got != want[i] {
				t.Errorf("request %d: %+v, want %+v", e.N, got, want[i])
			}
		}
	})
}

func TestFaultExpired(t *testing.T) {
	srv := newFaultyServer(t, "expired@1-2")
	next := *getPage(t, srv, 1, "").Pagination.NextCursor // without a cursor nothing can expire
	wantError(t, get(t, srv, eventsPath(1, next)), http.StatusBadRequest, "CURSOR_EXPIRED")
	getPage(t, srv, 1, next)
	if f := srv.Journal().Summary().Faults; f["expired"] != 1 {
		t.Errorf("faults %v", f)
	}
}

func TestResetFaults(t *testing.T) {
	for _, tc := range []struct {
		kind        string
		status      int
		atLeast, no int // bytes of the body
	}{{"reset", 0, 0, 1}, {"reset-body", 200, 1, 500_000}} {
		t.Run(tc.kind, func(t *testing.T) {
			srv := newFaultyServer(t, tc.kind+"@1")
			web := httptest.NewServer(srv)
			defer web.Close()
			status, body, err := fetchOnce(t, web, eventsPath(1000, ""))
			if !errors.Is(err, syscall.ECONNRESET) || status != tc.status || len(body) < tc.atLeast || len(body) >= tc.no {
				t.Errorf("status %d, %d bytes, %v", status, len(body), err)
			}
			if status, _, err := fetchOnce(t, web, eventsPath(1000, "")); status != 200 || err != nil {
				t.Errorf("then: %d, %v", status, err)
			}
			// The client may know of the answer before the journal does.
			byN := map[int]mockapi.Entry{}
			for len(byN) < 2 {
				entries, err := srv.Journal().Wait(t.Context(), len(byN))
				if err != nil {
					t.Fatal(err)
				}
				for _, e := range entries {
					byN[e.N] = e
				}
			}
			if e := byN[1]; e.Status != tc.status || e.Delivered || string(e.Fault) != tc.kind || e.Returned != 0 {
				t.Errorf("entry %+v", e)
			}
			if s := srv.Journal().Summary(); s.Pages != 1 || s.Requests != 2 || s.InFlight != 0 {
				t.Errorf("summary %+v", s)
			}
		})
	}
}

func TestResetFaultWithoutConnection(t *testing.T) {
	wantError(t, get(t, newFaultyServer(t, "reset@1"), eventsPath(1, "")), http.StatusInternalServerError, "MOCK_CANNOT_RESET")
}

// fetch makes one attempt on a connection of its own, because Go's client sends a GET again when a used one breaks.
func fetchOnce(t *testing.T, web *httptest.Server, path string) (int, []byte, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, web.URL+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-API-Key", "demo-key")
	req.Close = true
	resp, err := web.Client().Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, body, err
}

func TestParseFault(t *testing.T) {
	for _, spec := range []string{"503@7", "429@3,12", "500:0.05", "reset-body@1", "expired:1"} {
		fault, err := mockapi.ParseFault(spec)
		if err != nil || fault.String() != spec {
			t.Errorf("%s: %s, %v", spec, fault, err)
		}
	}
	if fault, err := mockapi.ParseFault("500@7-9,11"); err != nil || fault.String() != "500@7,8,9,11" {
		t.Errorf("a range: %s, %v", fault, err)
	}
	for _, spec := range []string{
		"", "503", "503@", "503@0", "503@-1", "503@x", "503@9-7", "503@1-99999999", "503:", "503:0", "503:1.1", "503:NaN", "418@1", "@1",
	} {
		if fault, err := mockapi.ParseFault(spec); err == nil || !strings.HasPrefix(err.Error(), "fault: ") {
			t.Errorf("%q: %+v, %v", spec, fault, err)
		}
	}
}
