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

// TestResetFaults checks that the client gets a TCP RST before the response or within the body, and that the next request is
// served.
func TestResetFaults(t *testing.T) {
	for _, tc := range []struct {
		kind             mockapi.FaultKind
		status           int // 0 if the client gets no status
		minBody, maxBody int // bounds of the number of bytes that the client gets; half a body has about 172,500 bytes
	}{
		{kind: "reset", status: 0, minBody: 0, maxBody: 0},
		{kind: "reset-body", status: 200, minBody: 1, maxBody: 300_000},
	} {
		t.Run(string(tc.kind), func(t *testing.T) {
			srv := newFaultyServer(t, string(tc.kind)+"@1")
			web := httptest.NewServer(srv)
			defer web.Close()
			path := eventsPath(1000, noCursor)
			status, body, err := fetchOnce(t, web, path)
			if !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("got error %v, want %v", err, syscall.ECONNRESET)
			}
			wantEqual(t, "status", status, tc.status)
			if len(body) < tc.minBody || len(body) > tc.maxBody {
				t.Errorf("got a body of %d bytes, want %d to %d", len(body), tc.minBody, tc.maxBody)
			}
			if status, _, err := fetchOnce(t, web, path); status != http.StatusOK || err != nil {
				t.Errorf("next request: got status %d, %v, want 200", status, err)
			}
			entries := waitForEntries(t, srv, 2)
			first := entries[1]
			wantEqual(t, "Fault", first.Fault, tc.kind)
			wantEqual(t, "Status", first.Status, tc.status)
			wantEqual(t, "Delivered", first.Delivered, false)
			wantEqual(t, "Returned", first.Returned, 0)
			summary := srv.Journal().Summary()
			wantEqual(t, "Requests", summary.Requests, 2)
			wantEqual(t, "Pages", summary.Pages, 1) // of the second request
			wantEqual(t, "InFlight", summary.InFlight, 0)
		})
	}
}

// fetchOnce sends a request on a new connection and returns the status and the body. On an older connection, Go's client
// could repeat the GET if the connection breaks.
func fetchOnce(t *testing.T, web *httptest.Server, path string) (status int, body []byte, err error) {
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
	body, err = io.ReadAll(resp.Body)
	return resp.StatusCode, body, err
}

// waitForFirstEntry waits until the journal has one entry and returns it.
func waitForFirstEntry(t *testing.T, srv *mockapi.Server) mockapi.Entry {
	t.Helper()
	return waitForEntries(t, srv, 1)[1]
}

// waitForEntries waits until the journal has count entries and returns the entries by their N, which begins with 1. This is
// necessary with a real server, because a client can have a response before the journal has its entry.
func waitForEntries(t *testing.T, srv *mockapi.Server, count int) map[int]mockapi.Entry {
	t.Helper()
	byN := map[int]mockapi.Entry{}
	for len(byN) < count {
		entries, err := srv.Journal().Wait(t.Context(), len(byN))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			byN[e.N] = e
		}
	}
	return byN
}

// TestResetFaultWithoutConnection checks that the fault reset responds with a 500 if the writer has no connection.
func TestResetFaultWithoutConnection(t *testing.T) {
	wantError(t, get(t, newFaultyServer(t, "reset@1"), firstEventPath), http.StatusInternalServerError, "MOCK_CANNOT_RESET")
}

// TestHangFaults checks that a response hangs until the client disconnects, but not longer than ten minutes.
func TestHangFaults(t *testing.T) {
	for _, tc := range []struct {
		kind    mockapi.FaultKind
		status  int  // 0 if no status is sent
		hasBody bool // whether a part of the body is sent
	}{
		{kind: "hang", status: 0, hasBody: false},
		{kind: "hang-body", status: 200, hasBody: true},
	} {
		synctest.Test(t, func(t *testing.T) {
			srv := newFaultyServer(t, string(tc.kind)+"@1-2")
			for _, timeout := range []struct{ client, want time.Duration }{
				{client: 7 * time.Second, want: 7 * time.Second},
				{client: time.Hour, want: 10 * time.Minute}, // the limit of the mock
			} {
				start := time.Now()
				rec := callAborted(t, timeout.client, srv, eventsPath(10, noCursor))
				wantEqual(t, "time until the handler ends", time.Since(start), timeout.want)
				wantEqual(t, "whether a part of the body is sent", rec.Body.Len() > 0, tc.hasBody)
			}
			e := entryOf(t, srv, 1)
			wantEqual(t, "Fault", e.Fault, tc.kind)
			wantEqual(t, "Status", e.Status, tc.status)
			wantEqual(t, "Delivered", e.Delivered, false)
			wantEqual(t, "Returned", e.Returned, 0)
		})
	}
}

// callAborted serves a request that the client cancels after timeout. It checks that the handler aborts the response, and
// returns the part that was sent before.
func callAborted(t *testing.T, timeout time.Duration, srv http.Handler, path string) (rec *httptest.ResponseRecorder) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	req := httptest.NewRequestWithContext(ctx, http.MethodGet, path, http.NoBody)
	req.Header.Set("X-API-Key", testKey)
	rec = httptest.NewRecorder()
	defer func() {
		if reason, _ := recover().(error); !errors.Is(reason, http.ErrAbortHandler) {
			t.Errorf("got a panic of the handler with %v, want http.ErrAbortHandler", reason)
		}
	}()
	srv.ServeHTTP(rec, req)
	return rec
}

// TestTrickleFault checks that the body is sent with one byte per 100 ms, and that the mock stops when the client disconnects.
func TestTrickleFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newFaultyServer(t, "trickle@1")
		start := time.Now()
		page := decode[wirePage](t, get(t, srv, firstEventPath))
		e := entryOf(t, srv, 1)
		const perByte = 100 * time.Millisecond
		wantEqual(t, "time of the response", time.Since(start), time.Duration(e.Bytes)*perByte)
		wantEqual(t, "number of events", len(page.Data), 1)
		wantEqual(t, "Delivered", e.Delivered, true)
		wantEqual(t, "Sound", e.Sound, true)
	})
	synctest.Test(t, func(t *testing.T) {
		const clientTimeout = 2 * time.Second
		rec := callAborted(t, clientTimeout, newFaultyServer(t, "trickle@1"), eventsPath(1000, noCursor))
		// 20 intervals of 100 ms, with a byte before and after each of them
		if got := rec.Body.Len(); got > 21 {
			t.Errorf("got %d bytes in %v, want 21 at most", got, clientTimeout)
		}
	})
}

// TestEndlessHeadersFault checks that Go's client refuses the response, because it accepts only 10 MiB of headers.
func TestEndlessHeadersFault(t *testing.T) {
	srv := newFaultyServer(t, "endless-headers@1")
	got, err := roundTrip(t, srv, firstEventPath, noEncoding)
	if err == nil || !strings.Contains(err.Error(), "header") {
		t.Errorf("got response %+v, error %v, want an error about the headers", got, err)
	}
	e := waitForFirstEntry(t, srv)
	wantEqual(t, "Fault", e.Fault, "endless-headers")
	wantEqual(t, "Delivered", e.Delivered, false)
}

// TestHugeBodyFault checks that the mock sends more JSON than a careful client reads, without a Content-Length.
func TestHugeBodyFault(t *testing.T) {
	srv := newFaultyServer(t, "huge-body@1")
	got, err := roundTrip(t, srv, firstEventPath, noEncoding)
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "Content-Length", got.length, -1)
	wantEqual(t, "Content-Type", got.header.Get("Content-Type"), jsonType)
	const enough = 70 << 20 // in bytes; more than a careful client reads
	n, err := io.Copy(io.Discard, io.LimitReader(got.body, enough))
	if n != enough || err != nil {
		t.Errorf("got %d bytes of the body, %v, want %d", n, err, enough)
	}
	_ = got.body.Close() // ends the response
	e := waitForFirstEntry(t, srv)
	wantEqual(t, "Sound", e.Sound, false)
	wantEqual(t, "Delivered", e.Delivered, false)
}

// TestGzipFault checks that the page is sent in gzip, and that it is valid only for a client that accepts gzip.
func TestGzipFault(t *testing.T) {
	const events = 10
	for acceptEncoding, valid := range map[string]bool{"gzip": true, noEncoding: false, "identity": false} {
		t.Run("Accept-Encoding "+acceptEncoding, func(t *testing.T) {
			srv := newServer(t, withEvents(events), withFaults(t, "gzip@1"))
			got, err := roundTrip(t, srv, eventsPath(events, noCursor), acceptEncoding)
			if err != nil {
				t.Fatal(err)
			}
			wantEqual(t, "Content-Encoding", got.header.Get("Content-Encoding"), "gzip")
			unpacked, err := gzip.NewReader(got.body)
			if err != nil {
				t.Fatal(err)
			}
			rec := httptest.NewRecorder() // contains the unpacked body
			if _, err := io.Copy(rec, unpacked); err != nil {
				t.Fatal(err)
			}
			wantEqual(t, "number of events", len(decode[wirePage](t, rec).Data), events)
			e := waitForFirstEntry(t, srv)
			wantEqual(t, "Sound", e.Sound, valid)
			wantEqual(t, "Last", e.Last, valid)
			wantEqual(t, "Returned", e.Returned, events)
			wantEqual(t, "Hash", e.Hash, bodyHash(rec))
		})
	}
}

// TestGzipBombFault checks that less than 1 MiB of the body unpacks to more than 100 MiB.
func TestGzipBombFault(t *testing.T) {
	srv := newFaultyServer(t, "gzip-bomb@1")
	got, err := roundTrip(t, srv, firstEventPath, "gzip")
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "Content-Encoding", got.header.Get("Content-Encoding"), "gzip")
	packed := &countingReader{from: got.body}
	unpacked, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	const enough = 100 << 20 // in bytes
	n, err := io.Copy(io.Discard, io.LimitReader(unpacked, enough))
	if n != enough || err != nil {
		t.Errorf("got %d unpacked bytes, %v, want %d", n, err, enough)
	}
	if packed.n > 1<<20 {
		t.Errorf("got %d packed bytes, want 1 MiB at most", packed.n)
	}
}

// A countingReader counts the bytes that are read from another reader.
type countingReader struct {
	from io.Reader
	n    int
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	c.n += n
	return n, err
}

// TestRedirectFault checks that the journal counts the requests that follow a redirect, and those that send the key.
func TestRedirectFault(t *testing.T) {
	for name, tc := range map[string]struct {
		follows             bool   // whether the client follows the redirect
		key                 string // the key in the request that follows
		followed, keyLeaked int    // the totals of the journal
	}{
		"the client does not follow":       {follows: false, followed: 0, keyLeaked: 0},
		"the client follows without a key": {follows: true, key: noKey, followed: 1, keyLeaked: 0},
		"the client follows with its key":  {follows: true, key: testKey, followed: 1, keyLeaked: 1},
	} {
		t.Run(name, func(t *testing.T) {
			srv := newFaultyServer(t, "redirect@1")
			got, err := roundTrip(t, srv, firstEventPath, noEncoding)
			if err != nil {
				t.Fatal(err)
			}
			wantEqual(t, "status", got.code, http.StatusFound)
			target, err := url.Parse(got.header.Get("Location"))
			if err != nil {
				t.Fatal(err)
			}
			if target.Hostname() == got.requestURL.Hostname() || target.Port() != got.requestURL.Port() {
				t.Fatalf("got Location %v for a request to %v, want another host name and the same port", target, got.requestURL)
			}
			if tc.follows {
				rec := call(t, srv, http.MethodGet, target.Path, tc.key)
				wantEqual(t, "status of the target", rec.Code, http.StatusOK)
			}
			waitForFirstEntry(t, srv) // of the redirected request; the request that follows has no entry
			summary := srv.Journal().Summary()
			wantEqual(t, "Requests", summary.Requests, 1)
			wantEqual(t, "Followed", summary.Followed, tc.followed)
			wantEqual(t, "KeyLeaked", summary.KeyLeaked, tc.keyLeaked)
		})
	}
}

// TestRedirectFaultTarget checks that the redirect goes to another host name than the request.
func TestRedirectFaultTarget(t *testing.T) {
	for host, want := range map[string]string{
		"127.0.0.1:8080": "localhost:8080",
		"localhost:8080": "127.0.0.1:8080",
		"[::1]:8080":     "localhost:8080",
		"mock":           "localhost:80", // the default port of HTTP
	} {
		req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, firstEventPath, http.NoBody)
		req.Host = host
		req.Header.Set("X-API-Key", testKey)
		rec := httptest.NewRecorder()
		newFaultyServer(t, "redirect@1").ServeHTTP(rec, req)
		wantEqual(t, "Location for host "+host, rec.Header().Get("Location"), "http://"+want+mockapi.AdminPath+"/elsewhere")
	}
}

// TestFaultsExemptHead checks that faults that need a body do not apply to a HEAD, because its response has no body.
func TestFaultsExemptHead(t *testing.T) {
	for _, kind := range []string{"reset-body", "hang-body", "trickle", "huge-body", "gzip", "gzip-bomb", "reuse-reset", "short-body", "gzip-broken"} {
		t.Run(kind, func(t *testing.T) {
			srv := newFaultyServer(t, kind+"@1")
			rec := call(t, srv, http.MethodHead, eventsPath(10, noCursor), testKey)
			wantEqual(t, "status", rec.Code, http.StatusOK)
			wantEqual(t, "length of the body", rec.Body.Len(), 0)
			wantEqual(t, "Content-Encoding", rec.Header().Get("Content-Encoding"), "")
			wantEqual(t, "Fault", entryOf(t, srv, 1).Fault, "")
		})
	}
}

// A wireResponse is a response whose body has not been read. The body is closed when the test ends.
type wireResponse struct {
	code       int
	header     http.Header
	length     int64 // the Content-Length, or -1 if it is missing
	body       io.ReadCloser
	requestURL *url.URL
}

// noEncoding means that a request has no Accept-Encoding.
const noEncoding = ""

// roundTrip sends a request to a real server. The client neither unpacks gzip nor follows redirects.
func roundTrip(t *testing.T, srv http.Handler, path, acceptEncoding string) (wireResponse, error) {
	t.Helper()
	web := httptest.NewServer(srv)
	t.Cleanup(web.Close)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, web.URL+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-API-Key", testKey)
	if acceptEncoding != noEncoding {
		req.Header.Set("Accept-Encoding", acceptEncoding)
	}
	transport := &http.Transport{DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return wireResponse{}, err
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return wireResponse{
		code: resp.StatusCode, header: resp.Header, length: resp.ContentLength, body: resp.Body, requestURL: req.URL,
	}, nil
}
