package mockapi

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"
)

// hostileFaults are responses that a careless client prints, stores or follows, or for which it waits too long.
var hostileFaults = []fault{
	{
		kind: "reuse-reset", description: "a valid page; TCP reset when the client uses the connection again",
		exempt: isNotGet, deliver: resetWhenReused, valid: true,
	},
	{kind: "short-body", description: "half of the body; then the connection is closed without a reset", exempt: isNotGet, deliver: closeHalfway},
	{kind: "trickle-headers", description: "one byte of the headers every 100 ms", replace: trickleHeaders},
	{kind: "bad-headers", description: "a line in the headers that is no header, with control characters", replace: sendBadHeaders},
	{kind: "gzip-broken", description: "a page in gzip with a wrong checksum", exempt: isNotGet, deliver: sendBrokenGzip},
	envelopeFault("not-utf8", "200 with bytes in nextCursor and requestId that are not UTF-8", func(_ *exchange, _ *page, e *envelope) bool {
		e.hasMore, e.next, e.requestID = "true", "\"\xff\xfe\"", "\xff\xfe"
		return true
	}),
	{
		kind: "control-chars", description: "500 with control characters in its code, its message and X-Request-ID",
		replace: func(x *exchange) { x.sendErrorWith(controlText, headerControlText) },
	},
	{
		kind: "echo-key", description: "500 that repeats the client's key in its code, its message and X-Request-ID",
		replace: func(x *exchange) { key := x.r.Header.Get("X-API-Key"); x.sendErrorWith(key, key) },
	},
	{
		kind: "redirect-here", description: "302 to another path of this host; the mock counts as for redirect",
		replace: func(x *exchange) {
			x.entry.Status = http.StatusFound
			x.w.Header().Set("Location", redirectPath)
			x.entry.Delivered = send(x.w, x.r, x.entry.Status, typeHTML, nil)
		},
	},
}

// controlText clears a terminal, sets its title, deletes a line, and reverses the text that follows. headerControlText is the part
// without ASCII control characters, which clients refuse in headers.
const (
	controlText       = "\x1b[2J\x1b]0;owned\a" + headerControlText
	headerControlText = "\u009b2K\u202edrawkcab\u2066"
)

// sendErrorWith sends a 500 with a text in its code and its message, and with another one in X-Request-ID.
func (x *exchange) sendErrorWith(text, requestID string) {
	x.setHeaders()
	x.w.Header().Set("X-Request-ID", requestID)
	apiErr := &apiError{status: http.StatusInternalServerError, code: "E_" + text, message: "Failed for " + text}
	x.entry.Status = apiErr.status
	body := apiErr.body()
	x.entry.setBody(body)
	x.entry.Delivered = send(x.w, x.r, apiErr.status, typeJSON, body)
}

// resetWhenReused sends the whole response. The journal gets its entry then. Later, when the client sends something on the connection,
// resetWhenReused closes it with a TCP RST. It closes the connection without a request after hangLimit.
func resetWhenReused(x *exchange, body []byte) {
	conn, reader, err := http.NewResponseController(x.w).Hijack()
	if err != nil {
		x.sendNoConnectionError()
		return
	}
	h := x.w.Header()
	h.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	h.Set("Content-Type", typeJSON)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	_ = conn.SetDeadline(time.Now().Add(sendTimeout))
	_, err = fmt.Fprintf(conn, "HTTP/1.1 %d %s\r\n", x.entry.Status, http.StatusText(x.entry.Status))
	if err == nil {
		err = h.Write(conn)
	}
	if err == nil {
		_, err = conn.Write(append([]byte("\r\n"), body...))
	}
	x.entry.Delivered = err == nil
	x.afterEntry = func() {
		defer resetConn(conn)
		stop := context.AfterFunc(x.r.Context(), func() { _ = conn.Close() }) // the mock stops
		defer stop()
		_ = conn.SetDeadline(time.Now().Add(hangLimit))
		_, _ = reader.ReadByte() // of the next request
	}
}

// closeHalfway sends the headers and half of the body, and closes the connection in the normal way.
func closeHalfway(x *exchange, body []byte) {
	x.sendHalf(body)
	panic(http.ErrAbortHandler) // makes net/http close the connection
}

// trickleHeaders sends headers byte by byte and never ends them. It stops when the client disconnects or hangLimit is over.
func trickleHeaders(x *exchange) {
	conn := x.takeConn()
	if conn == nil {
		return
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetWriteDeadline(time.Now().Add(hangLimit))
	_, err := conn.Write([]byte("HTTP/1.1 200 OK\r\nX-Filler: "))
	for err == nil && sleep(x.r.Context(), trickleInterval) {
		_, err = conn.Write([]byte("a"))
	}
}

// sendBadHeaders sends headers with a line that has no colon, and closes the connection.
func sendBadHeaders(x *exchange) {
	conn := x.takeConn()
	if conn == nil {
		return
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetWriteDeadline(time.Now().Add(sendTimeout))
	_, _ = conn.Write([]byte("HTTP/1.1 200 OK\r\n" + controlText + "\r\n\r\n{}"))
}

// takeConn takes the connection from the HTTP server. If the writer has no connection, it responds with a 500 and returns nil.
func (x *exchange) takeConn() net.Conn {
	conn, _, err := http.NewResponseController(x.w).Hijack()
	if err != nil {
		x.sendNoConnectionError()
		return nil
	}
	x.entry.Status = http.StatusOK
	return conn
}

// sendBrokenGzip sends the body in gzip with a wrong checksum.
func sendBrokenGzip(x *exchange, body []byte) {
	const trailer = 8 // bytes: the checksum and the length (RFC 1952, section 2.3.1)
	packed := gzipBytes(body)
	packed[len(packed)-trailer] ^= 0xff
	x.entry.clearRecords()
	x.w.Header().Set("Content-Encoding", "gzip")
	x.entry.Delivered = send(x.w, x.r, x.entry.Status, typeJSON, packed)
}
