package mockapi_test

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"

	"github.com/pawldata/pawl/mockapi"
)

// TestReuseResetFault checks that the client gets the whole page and the journal its entry, and that the next request on the same
// connection gets a TCP RST.
func TestReuseResetFault(t *testing.T) {
	srv := newFaultyServer(t, "reuse-reset@1")
	conn, reader := dial(t, srv)
	request := fmt.Sprintf("GET %s HTTP/1.1\r\nHost: mock\r\nX-API-Key: %s\r\n\r\n", eventsPath(10, noCursor), testKey)
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || resp.Close {
		t.Fatalf("got status %d, error %v, a closing connection: %t, want a 200 on a connection that stays open", resp.StatusCode, err, resp.Close)
	}
	e := waitForFirstEntry(t, srv)
	wantEqual(t, "Fault", e.Fault, "reuse-reset")
	wantEqual(t, "Bytes", e.Bytes, len(body))
	wantEqual(t, "Sound", e.Sound, true)
	wantEqual(t, "Delivered", e.Delivered, true)
	wantEqual(t, "X-Request-ID", resp.Header.Get("X-Request-ID"), e.RequestID)
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	if _, err := reader.ReadByte(); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("second request: got error %v, want %v", err, syscall.ECONNRESET)
	}
	wantEqual(t, "Requests", srv.Journal().Summary().Requests, 1)
}

// dial serves srv and opens a connection to it. Both end when the test ends.
func dial(t *testing.T, srv http.Handler) (net.Conn, *bufio.Reader) {
	t.Helper()
	web := httptest.NewServer(srv)
	t.Cleanup(web.Close)
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", web.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn, bufio.NewReader(conn)
}

// TestShortBodyFault checks that the connection is closed within the body, without a TCP RST.
func TestShortBodyFault(t *testing.T) {
	srv := newFaultyServer(t, "short-body@1")
	web := httptest.NewServer(srv)
	defer web.Close()
	status, body, err := fetchOnce(t, web, eventsPath(10, noCursor))
	if status != http.StatusOK || len(body) == 0 || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got status %d, %d bytes, error %v, want a 200, some bytes, %v", status, len(body), err, io.ErrUnexpectedEOF)
	}
	wantEqual(t, "Delivered", waitForFirstEntry(t, srv).Delivered, false)
}

// TestTrickleHeadersFault checks that headers begin, and that the mock stops when the client disconnects.
func TestTrickleHeadersFault(t *testing.T) {
	srv := newFaultyServer(t, "trickle-headers@1")
	conn, reader := dial(t, srv)
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: mock\r\nX-API-Key: %s\r\n\r\n", firstEventPath, testKey); err != nil {
		t.Fatal(err)
	}
	const beginning = "HTTP/1.1 200 OK\r\nX-Filler: aa"
	got := make([]byte, len(beginning))
	if _, err := io.ReadFull(reader, got); err != nil || string(got) != beginning {
		t.Errorf("got %q, error %v, want %q", got, err, beginning)
	}
	_ = conn.Close()
	e := waitForFirstEntry(t, srv)
	wantEqual(t, "Fault", e.Fault, "trickle-headers")
	wantEqual(t, "Delivered", e.Delivered, false)
}

// TestBadHeadersFault checks that Go's client refuses the response.
func TestBadHeadersFault(t *testing.T) {
	srv := newFaultyServer(t, "bad-headers@1")
	got, err := roundTrip(t, srv, firstEventPath, noEncoding)
	if err == nil || !strings.Contains(err.Error(), "malformed") {
		t.Errorf("got response %+v, error %v, want an error about a malformed header", got, err)
	}
	wantEqual(t, "Fault", waitForFirstEntry(t, srv).Fault, "bad-headers")
}

// TestGzipBrokenFault checks that the body unpacks up to a wrong checksum.
func TestGzipBrokenFault(t *testing.T) {
	srv := newFaultyServer(t, "gzip-broken@1")
	got, err := roundTrip(t, srv, firstEventPath, "gzip")
	if err != nil {
		t.Fatal(err)
	}
	unpacked, err := gzip.NewReader(got.body)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(unpacked); !errors.Is(err, gzip.ErrChecksum) {
		t.Errorf("got error %v, want %v", err, gzip.ErrChecksum)
	}
	e := waitForFirstEntry(t, srv)
	wantEqual(t, "Sound", e.Sound, false)
	wantEqual(t, "Returned", e.Returned, 0)
}

// TestNotUTF8Fault checks that the cursor and the request id are not UTF-8, in each form of pages, also on the last page.
func TestNotUTF8Fault(t *testing.T) {
	for _, form := range []mockapi.Envelope{mockapi.EnvelopeNested, mockapi.EnvelopeFlat} {
		for _, limit := range []int{1, serverEvents} {
			rec := get(t, newServer(t, withEnvelope(form), withFaults(t, "not-utf8@1")), eventsPath(limit, noCursor))
			_, envelope, _ := strings.Cut(rec.Body.String(), "]")
			if utf8.ValidString(envelope) || !strings.Contains(envelope, "\"nextCursor\":\"\xff\xfe\"") {
				t.Errorf("%s, limit %d: got envelope %q, want one with a cursor that is not UTF-8", form, limit, envelope)
			}
		}
	}
}

// TestHostileTextFaults checks the texts of errors that have control characters or the client's key.
func TestHostileTextFaults(t *testing.T) {
	for kind, want := range map[string]struct{ text, requestID string }{
		"control-chars": {text: "\x1b[2J", requestID: "\u202e"},
		"echo-key":      {text: testKey, requestID: testKey},
	} {
		rec := get(t, newFaultyServer(t, kind+"@1"), firstEventPath)
		body := decode[wireError](t, rec)
		wantEqual(t, kind+": status", rec.Code, http.StatusInternalServerError)
		for text, part := range map[string]string{body.Code: want.text, body.Message: want.text, rec.Header().Get("X-Request-ID"): want.requestID} {
			if !strings.Contains(text, part) {
				t.Errorf("%s: got text %q, want one with %q", kind, text, part)
			}
		}
	}
}

// TestRedirectHereFault checks that the redirect goes to the same server, which counts the request that follows.
func TestRedirectHereFault(t *testing.T) {
	srv := newFaultyServer(t, "redirect-here@1")
	rec := get(t, srv, firstEventPath)
	wantEqual(t, "status", rec.Code, http.StatusFound)
	wantEqual(t, "Location", rec.Header().Get("Location"), mockapi.AdminPath+"/elsewhere")
	call(t, srv, http.MethodGet, rec.Header().Get("Location"), testKey)
	wantEqual(t, "KeyLeaked", srv.Journal().Summary().KeyLeaked, 1)
}

// TestConnectionFaultsWithoutConnection checks that faults that need the connection respond with a 500 if the writer has none.
func TestConnectionFaultsWithoutConnection(t *testing.T) {
	for _, kind := range []string{"reuse-reset", "trickle-headers", "bad-headers"} {
		wantError(t, get(t, newFaultyServer(t, kind+"@1"), firstEventPath), http.StatusInternalServerError, "MOCK_CANNOT_RESET")
	}
}
