package mockapi_test

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pawldata/pawl/mockapi"
)

func TestResetFaults(t *testing.T) {
	for _, tc := range []struct {
		kind        string
		status      int
		atLeast, no int // the body has at least atLeast bytes and fewer than no
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
				t.Errorf("next request: got %d, %v", status, err)
			}
			// The client can have the response before the journal has the entry.
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
				t.Errorf("got entry %+v", e)
			}
			if s := srv.Journal().Summary(); s.Pages != 1 || s.Requests != 2 || s.InFlight != 0 {
				t.Errorf("got summary %+v", s)
			}
		})
	}
}

func TestResetFaultWithoutConnection(t *testing.T) {
	wantError(t, get(t, newFaultyServer(t, "reset@1"), eventsPath(1, "")), http.StatusInternalServerError, "MOCK_CANNOT_RESET")
}

// fetchOnce sends a request on a new connection, because Go's client repeats a GET when a connection that was used before
// breaks.
func fetchOnce(t *testing.T, web *httptest.Server, path string) (int, []byte, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, web.URL+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-API-Key", testKey)
	req.Close = true
	resp, err := web.Client().Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, body, err
}

func TestHangFaults(t *testing.T) {
	for kind, half := range map[string]bool{"hang": false, "hang-body": true} {
		synctest.Test(t, func(t *testing.T) {
			srv := newFaultyServer(t, kind+"@1-2")
			for _, timeout := range []time.Duration{7 * time.Second, time.Hour} {
				start := time.Now()
				rec := callAborted(t, timeout, srv, eventsPath(10, ""))
				// A hang ends after ten minutes.
				if took, want := time.Since(start), min(timeout, 10*time.Minute); took != want {
					t.Errorf("%s: ended after %v, want %v", kind, took, want)
				}
				if got := rec.Body.Len(); (got > 0) != half {
					t.Errorf("%s: %d bytes", kind, got)
				}
			}
			if e := srv.Journal().After(0)[0]; e.Delivered || e.Returned != 0 || string(e.Fault) != kind || (e.Status == 200) != half {
				t.Errorf("got entry %+v", e)
			}
		})
	}
}

// callAborted sends a request that the client cancels after timeout. The handler must abort the response.
func callAborted(t *testing.T, timeout time.Duration, srv http.Handler, path string) (rec *httptest.ResponseRecorder) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	req := httptest.NewRequestWithContext(ctx, http.MethodGet, path, http.NoBody)
	req.Header.Set("X-API-Key", testKey)
	rec = httptest.NewRecorder()
	defer func() {
		if reason, _ := recover().(error); !errors.Is(reason, http.ErrAbortHandler) {
			t.Errorf("handler panicked with %v, want http.ErrAbortHandler", reason)
		}
	}()
	srv.ServeHTTP(rec, req)
	return rec
}

func TestTrickleFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newFaultyServer(t, "trickle@1")
		start := time.Now()
		page := decode[wirePage](t, get(t, srv, eventsPath(1, "")))
		e := srv.Journal().After(0)[0]
		if took := time.Since(start); took != time.Duration(e.Bytes)*100*time.Millisecond || len(page.Data) != 1 || !e.Delivered || !e.Sound {
			t.Errorf("%d bytes in %v, %+v", e.Bytes, took, e)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		if rec := callAborted(t, 2*time.Second, newFaultyServer(t, "trickle@1"), eventsPath(1000, "")); rec.Body.Len() > 21 {
			t.Errorf("%d bytes after 2 s", rec.Body.Len())
		}
	})
}

// Go's client accepts 10 MiB of headers; the fault sends more.
func TestEndlessHeadersFault(t *testing.T) {
	srv := newFaultyServer(t, "endless-headers@1")
	got, err := roundTrip(t, srv, eventsPath(1, ""), "")
	if err == nil || !strings.Contains(err.Error(), "header") {
		t.Errorf("got %+v, %v", got, err)
	}
	if e := waitForEntry(t, srv); e.Fault != "endless-headers" || e.Delivered {
		t.Errorf("got %+v", e)
	}
}

func TestHugeBodyFault(t *testing.T) {
	srv := newFaultyServer(t, "huge-body@1")
	got, err := roundTrip(t, srv, eventsPath(1, ""), "")
	if err != nil || got.length != -1 || got.header.Get("Content-Type") != "application/json; charset=utf-8" {
		t.Fatalf("got %+v, %v", got, err)
	}
	const enough = 70 << 20 // more than a careful client reads
	if n, err := io.Copy(io.Discard, io.LimitReader(got.body, enough)); n != enough || err != nil {
		t.Errorf("got %d bytes, %v", n, err)
	}
	_ = got.body.Close()
	if e := waitForEntry(t, srv); e.Sound || e.Delivered {
		t.Errorf("got %+v", e)
	}
}

func TestGzipFault(t *testing.T) {
	for accepts, valid := range map[string]bool{"gzip": true, "": false, "identity": false} {
		srv := newServer(t, func(c *mockapi.Config) {
			c.Events, c.Faults = 10, []mockapi.Fault{{Kind: "gzip", At: []int{1}}}
		})
		got, err := roundTrip(t, srv, eventsPath(10, ""), accepts)
		if err != nil || got.header.Get("Content-Encoding") != "gzip" {
			t.Fatalf("got %+v, %v", got, err)
		}
		unpacked, err := gzip.NewReader(got.body)
		if err != nil {
			t.Fatal(err)
		}
		rec := httptest.NewRecorder()
		if _, err := io.Copy(rec, unpacked); err != nil || len(decode[wirePage](t, rec).Data) != 10 {
			t.Errorf("%v: %s", err, rec.Body)
		}
		if e := waitForEntry(t, srv); e.Sound != valid || e.Last != valid || e.Returned != 10 || e.Hash != bodyHash(rec) {
			t.Errorf("accepts %q: %+v", accepts, e)
		}
	}
}

func TestGzipBombFault(t *testing.T) {
	srv := newFaultyServer(t, "gzip-bomb@1")
	got, err := roundTrip(t, srv, eventsPath(1, ""), "gzip")
	if err != nil || got.header.Get("Content-Encoding") != "gzip" {
		t.Fatalf("got %+v, %v", got, err)
	}
	packed := &countingReader{from: got.body}
	unpacked, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	const enough = 100 << 20
	if n, err := io.Copy(io.Discard, io.LimitReader(unpacked, enough)); n != enough || err != nil || packed.n > 1<<20 {
		t.Errorf("%d bytes from %d, %v", n, packed.n, err)
	}
}

type countingReader struct {
	from io.Reader
	n    int
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	c.n += n
	return n, err
}

// "redirects to another host": the journal counts the clients that follow, and those that send the key.
func TestRedirectFault(t *testing.T) {
	for name, tc := range map[string]struct {
		follows, leaks bool
	}{"stays": {}, "follows": {follows: true}, "takes the key along": {follows: true, leaks: true}} {
		t.Run(name, func(t *testing.T) {
			srv := newFaultyServer(t, "redirect@1")
			got, err := roundTrip(t, srv, eventsPath(1, ""), "")
			if err != nil || got.code != http.StatusFound {
				t.Fatalf("got %+v, %v", got, err)
			}
			to, err := url.Parse(got.header.Get("Location"))
			if err != nil || to.Hostname() == got.from.Hostname() || to.Port() != got.from.Port() {
				t.Fatalf("got Location %v, %v", to, err)
			}
			if tc.follows {
				key := ""
				if tc.leaks {
					key = testKey
				}
				if rec := call(t, srv, http.MethodGet, to.Path, key); rec.Code != 200 {
					t.Errorf("got %d from the target", rec.Code)
				}
			}
			waitForEntry(t, srv) // the client can have the response before the journal has the entry
			if s := srv.Journal().Summary(); (s.Followed == 1) != tc.follows || (s.KeyLeaked == 1) != tc.leaks || s.Requests != 1 {
				t.Errorf("got %+v", s)
			}
		})
	}
}

// The redirect goes to another host name than that of the request.
func TestRedirectFaultTarget(t *testing.T) {
	for host, want := range map[string]string{
		"127.0.0.1:8080": "localhost:8080", "localhost:8080": "127.0.0.1:8080", "[::1]:8080": "localhost:8080", "mock": "localhost:80",
	} {
		req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, eventsPath(1, ""), http.NoBody)
		req.Host = host
		req.Header.Set("X-API-Key", testKey)
		rec := httptest.NewRecorder()
		newFaultyServer(t, "redirect@1").ServeHTTP(rec, req)
		if got := rec.Header().Get("Location"); got != "http://"+want+mockapi.AdminPath+"/elsewhere" {
			t.Errorf("%s: got Location %s", host, got)
		}
	}
}

// Faults that change the body do not apply to HEAD, because its response has no body.
func TestFaultsExemptHead(t *testing.T) {
	for _, kind := range []string{"reset-body", "hang-body", "trickle", "huge-body", "gzip", "gzip-bomb"} {
		srv := newFaultyServer(t, kind+"@1")
		rec := call(t, srv, http.MethodHead, eventsPath(10, ""), testKey)
		if e := srv.Journal().After(0)[0]; rec.Code != 200 || rec.Body.Len() != 0 || e.Fault != "" || rec.Header().Get("Content-Encoding") != "" {
			t.Errorf("%s: got %d, %+v", kind, rec.Code, e)
		}
	}
}

// A wireResponse is a response whose body has not been read. The body is closed when the test ends.
type wireResponse struct {
	code   int
	header http.Header
	length int64 // Content-Length, -1 if missing
	body   io.ReadCloser
	from   *url.URL
}

// roundTrip sends a request to a real server, without automatic gzip and without following redirects.
func roundTrip(t *testing.T, srv http.Handler, path, encoding string) (wireResponse, error) {
	t.Helper()
	web := httptest.NewServer(srv)
	t.Cleanup(web.Close)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, web.URL+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-API-Key", testKey)
	if encoding != "" {
		req.Header.Set("Accept-Encoding", encoding)
	}
	transport := &http.Transport{DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return wireResponse{}, err
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return wireResponse{resp.StatusCode, resp.Header, resp.ContentLength, resp.Body, req.URL}, nil
}

func waitForEntry(t *testing.T, srv *mockapi.Server) mockapi.Entry {
	t.Helper()
	entries, err := srv.Journal().Wait(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	return entries[0]
}
