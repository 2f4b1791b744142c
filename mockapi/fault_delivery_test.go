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
		minBody, maxBody int // bounds of the number of bytes that the client gets; a whole body has about 345,000 bytes
	}{
		{kind: "reset", status: 0, minBody: 0, maxBody: 0},
		{kind: "reset-body", status: 200, minBody: 1, maxBody: 300_000},
	} {
		t.Run(string(tc.kind), func(t *testing.T) {
			srv := newFaultyServer(t, string(tc.kind)+"@1")
			web := httptest.NewServer(srv)
			defer web.Close()
			status, body, err := fetchOnce(t, web, eventsPath(1000, ""))
			if !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("got error %v, want %v", err, syscall.ECONNRESET)
			}
			wantEqual(t, "status", status, tc.status)
			if len(body) < tc.minBody || len(body) > tc.maxBody {
				t.Errorf("got a body of %d bytes, want %d to %d", len(body), tc.minBody, tc.maxBody)
			}
			if status, _, err := fetchOnce(t, web, eventsPath(1000, "")); status != http.StatusOK || err != nil {
				t.Errorf("next request: got status %d, %v, want 200", status, err)
			}
			e := waitForEntries(t, srv, 2)[1]
			wantEqual(t, "Fault", e.Fault, tc.kind)
			wantEqual(t, "Status", e.Status, tc.status)
			wantEqual(t, "Delivered", e.Delivered, false)
			wantEqual(t, "Returned", e.Returned, 0)
			s := srv.Journal().Summary()
			wantEqual(t, "Requests", s.Requests, 2)
			wantEqual(t, "Pages", s.Pages, 1)
			wantEqual(t, "InFlight", s.InFlight, 0)
		})
	}
}

// waitForEntries waits until the journal has n entries and returns the entries by their N. It must wait, because a client can
// have a response before the journal has its entry.
func waitForEntries(t *testing.T, srv *mockapi.Server, n int) map[int]mockapi.Entry {
	t.Helper()
	byN := map[int]mockapi.Entry{}
	for len(byN) < n {
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
	wantError(t, get(t, newFaultyServer(t, "reset@1"), eventsPath(1, "")), http.StatusInternalServerError, "MOCK_CANNOT_RESET")
}

// fetchOnce sends a request on a new connection and returns the status and the body. If a connection that served an earlier
// request breaks, Go's client repeats a GET.
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

// TestHangFaults checks that a response hangs until the client disconnects, but not longer than ten minutes.
func TestHangFaults(t *testing.T) {
	for _, tc := range []struct {
		kind    mockapi.FaultKind
		status  int  // 0 if no status is sent
		hasBody bool // whether a part of the body is sent
	}{{kind: "hang"}, {kind: "hang-body", status: 200, hasBody: true}} {
		synctest.Test(t, func(t *testing.T) {
			srv := newFaultyServer(t, string(tc.kind)+"@1-2")
			for clientTimeout, want := range map[time.Duration]time.Duration{
				7 * time.Second: 7 * time.Second,
				time.Hour:       10 * time.Minute,
			} {
				start := time.Now()
				rec := callAborted(t, clientTimeout, srv, eventsPath(10, ""))
				wantEqual(t, "time until the handler ends", time.Since(start), want)
				wantEqual(t, "whether a part of the body is sent", rec.Body.Len() > 0, tc.hasBody)
			}
			e := srv.Journal().After(0)[0]
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
		page := decode[wirePage](t, get(t, srv, eventsPath(1, "")))
		e := srv.Journal().After(0)[0]
		wantEqual(t, "time of the response", time.Since(start), time.Duration(e.Bytes)*100*time.Millisecond)
		wantEqual(t, "number of events", len(page.Data), 1)
		wantEqual(t, "Delivered", e.Delivered, true)
		wantEqual(t, "Sound", e.Sound, true)
	})
	synctest.Test(t, func(t *testing.T) {
		rec := callAborted(t, 2*time.Second, newFaultyServer(t, "trickle@1"), eventsPath(1000, ""))
		if got := rec.Body.Len(); got > 21 {
			t.Errorf("got %d bytes in 2 s, want 21 at most", got)
		}
	})
}

// TestEndlessHeadersFault checks that Go's client refuses the response, because it accepts only 10 MiB of headers.
func TestEndlessHeadersFault(t *testing.T) {
	srv := newFaultyServer(t, "endless-headers@1")
	got, err := roundTrip(t, srv, eventsPath(1, ""), "")
	if err == nil || !strings.Contains(err.Error(), "header") {
		t.Errorf("got response %+v, error %v, want an error about the headers", got, err)
	}
	e := waitForEntries(t, srv, 1)[1]
	wantEqual(t, "Fault", e.Fault, "endless-headers")
	wantEqual(t, "Delivered", e.Delivered, false)
}

// TestHugeBodyFault checks that the mock sends more JSON than a careful client reads, without a Content-Length.
func TestHugeBodyFault(t *testing.T) {
	srv := newFaultyServer(t, "huge-body@1")
	got, err := roundTrip(t, srv, eventsPath(1, ""), "")
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "Content-Length", got.length, -1)
	wantEqual(t, "Content-Type", got.header.Get("Content-Type"), jsonType)
	const enough = 70 << 20 // more than a careful client reads
	n, err := io.Copy(io.Discard, io.LimitReader(got.body, enough))
	if n != enough || err != nil {
		t.Errorf("got %d bytes of the body, %v, want %d", n, err, enough)
	}
	_ = got.body.Close()
	e := waitForEntries(t, srv, 1)[1]
	wantEqual(t, "Sound", e.Sound, false)
	wantEqual(t, "Delivered", e.Delivered, false)
}

// TestGzipFault checks that the page is sent in gzip, and that it is valid only for a client that accepts gzip.
func TestGzipFault(t *testing.T) {
	for acceptEncoding, valid := range map[string]bool{"gzip": true, "": false, "identity": false} {
		t.Run("Accept-Encoding "+acceptEncoding, func(t *testing.T) {
			srv := newServer(t, func(c *mockapi.Config) {
				c.Events, c.Faults = 10, []mockapi.Fault{{Kind: "gzip", At: []int{1}}}
			})
			got, err := roundTrip(t, srv, eventsPath(10, ""), acceptEncoding)
			if err != nil {
				t.Fatal(err)
			}
			wantEqual(t, "Content-Encoding", got.header.Get("Content-Encoding"), "gzip")
			unpacked, err := gzip.NewReader(got.body)
			if err != nil {
				t.Fatal(err)
			}
			rec := httptest.NewRecorder()
			if _, err := io.Copy(rec, unpacked); err != nil {
				t.Fatal(err)
			}
			wantEqual(t, "number of events", len(decode[wirePage](t, rec).Data), 10)
			e := waitForEntries(t, srv, 1)[1]
			wantEqual(t, "Sound", e.Sound, valid)
			wantEqual(t, "Last", e.Last, valid)
			wantEqual(t, "Returned", e.Returned, 10)
			wantEqual(t, "Hash", e.Hash, bodyHash(rec))
		})
	}
}

// TestGzipBombFault checks that less than 1 MiB of the body unpacks to more than 100 MiB.
func TestGzipBombFault(t *testing.T) {
	srv := newFaultyServer(t, "gzip-bomb@1")
	got, err := roundTrip(t, srv, eventsPath(1, ""), "gzip")
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "Content-Encoding", got.header.Get("Content-Encoding"), "gzip")
	packed := &countingReader{from: got.body}
	unpacked, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	const enough = 100 << 20
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
		follow              func(t *testing.T, srv http.Handler, path string)
		followed, keyLeaked int
	}{
		"the client does not follow": {follow: func(*testing.T, http.Handler, string) {}},
		"the client follows without a key": {followed: 1, follow: func(t *testing.T, srv http.Handler, path string) {
			t.Helper()
			wantEqual(t, "status of the target", call(t, srv, http.MethodGet, path, "").Code, http.StatusOK)
		}},
		"the client follows with its key": {followed: 1, keyLeaked: 1, follow: func(t *testing.T, srv http.Handler, path string) {
			t.Helper()
			wantEqual(t, "status of the target", get(t, srv, path).Code, http.StatusOK)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			srv := newFaultyServer(t, "redirect@1")
			got, err := roundTrip(t, srv, eventsPath(1, ""), "")
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
			tc.follow(t, srv, target.Path)
			waitForEntries(t, srv, 1)
			s := srv.Journal().Summary()
			wantEqual(t, "Requests", s.Requests, 1)
			wantEqual(t, "Followed", s.Followed, tc.followed)
			wantEqual(t, "KeyLeaked", s.KeyLeaked, tc.keyLeaked)
		})
	}
}

// TestRedirectFaultTarget checks that the redirect goes to another host name than the request.
func TestRedirectFaultTarget(t *testing.T) {
	for host, want := range map[string]string{
		"127.0.0.1:8080": "localhost:8080", "localhost:8080": "127.0.0.1:8080", "[::1]:8080": "localhost:8080", "mock": "localhost:80",
	} {
		req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, eventsPath(1, ""), http.NoBody)
		req.Host = host
		req.Header.Set("X-API-Key", testKey)
		rec := httptest.NewRecorder()
		newFaultyServer(t, "redirect@1").ServeHTTP(rec, req)
		wantEqual(t, "Location for host "+host, rec.Header().Get("Location"), "http://"+want+mockapi.AdminPath+"/elsewhere")
	}
}

// TestFaultsExemptHead checks that faults that need a body do not apply to a HEAD, because its response has no body.
func TestFaultsExemptHead(t *testing.T) {
	for _, kind := range []string{"reset-body", "hang-body", "trickle", "huge-body", "gzip", "gzip-bomb"} {
		t.Run(kind, func(t *testing.T) {
			srv := newFaultyServer(t, kind+"@1")
			rec := call(t, srv, http.MethodHead, eventsPath(10, ""), testKey)
			wantEqual(t, "status", rec.Code, http.StatusOK)
			wantEqual(t, "length of the body", rec.Body.Len(), 0)
			wantEqual(t, "Content-Encoding", rec.Header().Get("Content-Encoding"), "")
			wantEqual(t, "Fault", srv.Journal().After(0)[0].Fault, "")
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

// roundTrip sends a request to a real server. The client neither unpacks gzip nor follows redirects. If acceptEncoding is
// empty, the request has no Accept-Encoding.
func roundTrip(t *testing.T, srv http.Handler, path, acceptEncoding string) (wireResponse, error) {
	t.Helper()
	web := httptest.NewServer(srv)
	t.Cleanup(web.Close)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, web.URL+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-API-Key", testKey)
	if acceptEncoding != "" {
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
