package mockapi

import (
	"bytes"
	"compress/gzip"
	"net"
	"net/http"
	"strings"
	"time"
)

// deliveryFaults are responses that are not delivered in the normal way.
var deliveryFaults = []fault{
	{kind: "reset", description: "TCP reset before any byte of the response", replace: resetConnection},
	{kind: "reset-body", description: "TCP reset after the headers and half of the body", exempt: isNotGet, deliver: resetHalfway},
	{kind: "hang", description: "no response; the connection stays open", replace: hang},
	{kind: "hang-body", description: "half of the body; the connection stays open", exempt: isNotGet, deliver: hangHalfway},
	{kind: "trickle", description: "one byte of the body every 100 ms", exempt: isNotGet, deliver: trickle, valid: true},
	{kind: "endless-headers", description: "64 MiB of headers", replace: endlessHeaders},
	{kind: "huge-body", description: "200 with 1 GiB of JSON", exempt: isNotGet, replace: hugeBody},
	{
		kind: "gzip", description: "a valid page in gzip, even if the client did not ask for gzip",
		exempt: isNotGet, deliver: sendGzip, valid: true,
	},
	{kind: "gzip-bomb", description: "200 with 1 MiB of gzip that unpacks to 1 GiB", exempt: isNotGet, replace: gzipBomb},
	{kind: "redirect", description: "302 to another host; the mock counts requests that follow it, and those with a key", replace: redirect},
}

const (
	// hangLimit is the time after which the mock aborts a response that hangs or trickles.
	hangLimit          = 10 * time.Minute
	trickleInterval    = 100 * time.Millisecond
	endlessHeadersSize = 64 << 20
	hugeBodySize       = 1 << 30
	chunkSize          = 1 << 20
)

// resetConnection ends the connection with a TCP RST before any byte of the response. A Go client silently repeats a GET if
// this happens on a connection that served an earlier request. The journal then contains both requests. If the writer has no
// connection, for example a test's recorder, the response is a 500 that says so.
func resetConnection(x *exchange) {
	if !closeWithReset(x.w) {
		x.sendNoConnectionError()
	}
}

// resetHalfway sends the headers and half of the body, and then a TCP RST.
func resetHalfway(x *exchange, body []byte) {
	x.sendHalf(body)
	closeWithReset(x.w)
}

// closeWithReset takes the connection from the HTTP server and closes it with linger time 0, so that the kernel sends a TCP
// RST. It returns false if the writer has no connection.
func closeWithReset(w http.ResponseWriter) bool {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return false
	}
	resetConn(conn)
	return true
}

// resetConn closes a connection with a TCP RST.
func resetConn(conn net.Conn) {
	if tcp, ok := conn.(interface{ SetLinger(seconds int) error }); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// sendNoConnectionError responds with a 500 if the writer has no connection, so that the fault cannot be applied.
func (x *exchange) sendNoConnectionError() {
	apiErr := &apiError{
		status: http.StatusInternalServerError, code: "MOCK_CANNOT_RESET", message: "There is no TCP connection to reset",
	}
	sendError(x.w, x.r, apiErr)
	x.entry.Status = apiErr.status
}

// hang sends nothing more. It waits until the client disconnects or hangLimit is over, and then aborts the response.
func hang(x *exchange) {
	sleep(x.r.Context(), hangLimit)
	panic(http.ErrAbortHandler) // after a return, net/http would send an empty 200, or the rest of the response
}

// hangHalfway sends the headers and half of the body, and then hangs.
func hangHalfway(x *exchange, body []byte) {
	x.sendHalf(body)
	hang(x)
}

// sendHalf sends the headers and half of the body.
func (x *exchange) sendHalf(body []byte) {
	x.entry.clearRecords()
	controller := http.NewResponseController(x.w)
	_ = controller.SetWriteDeadline(time.Now().Add(sendTimeout))
	writeHeader(x.w, x.entry.Status, typeJSON, len(body)) // the Content-Length is that of the whole body
	if _, err := x.w.Write(body[:len(body)/2]); err == nil {
		_ = controller.Flush()
	}
}

// trickle sends the body byte by byte. It aborts the response when the client disconnects or hangLimit is over.
func trickle(x *exchange, body []byte) {
	controller := http.NewResponseController(x.w)
	writeHeader(x.w, x.entry.Status, typeJSON, len(body))
	start := time.Now()
	for i := range body {
		_ = controller.SetWriteDeadline(time.Now().Add(sendTimeout))
		_, err := x.w.Write(body[i : i+1])
		if err == nil {
			err = controller.Flush()
		}
		isTooLong := time.Since(start) > hangLimit
		if err != nil || isTooLong || !sleep(x.r.Context(), trickleInterval) {
			panic(http.ErrAbortHandler)
		}
	}
	x.entry.Delivered = true
}

// endlessHeaders writes a response whose headers do not end, directly to the connection, and closes the connection.
func endlessHeaders(x *exchange) {
	conn := x.takeConn()
	if conn == nil {
		return
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetWriteDeadline(time.Now().Add(sendTimeout))
	if _, err := conn.Write([]byte("HTTP/1.1 200 OK\r\nContent-Type: " + typeJSON + "\r\n")); err != nil {
		return
	}
	line := []byte("X-Filler: " + strings.Repeat("a", 4000) + "\r\n")
	for sent := 0; sent < endlessHeadersSize; sent += len(line) {
		if _, err := conn.Write(line); err != nil {
			return
		}
	}
}

// hugeBody sends an empty page that is filled with spaces. The page is valid JSON, but it is too large for the memory.
func hugeBody(x *exchange) {
	x.stream(largeBody{
		head: []byte(emptyPageHead), part: []byte(strings.Repeat(" ", chunkSize)), repeats: hugeBodySize / chunkSize,
		tail: []byte(emptyPageTail),
	})
}

// A largeBody is a body that consists of a head, a part that is repeated, and a tail.
type largeBody struct {
	encoding         string // the Content-Encoding, if not empty
	head, part, tail []byte
	repeats          int // how many times part occurs
}

// stream sends a 200 with a large body and no Content-Length.
func (x *exchange) stream(b largeBody) {
	controller := http.NewResponseController(x.w)
	x.entry.Status = http.StatusOK
	x.w.Header().Set("Content-Type", typeJSON)
	if b.encoding != "" {
		x.w.Header().Set("Content-Encoding", b.encoding)
	}
	write := func(piece []byte) error {
		_ = controller.SetWriteDeadline(time.Now().Add(sendTimeout))
		_, err := x.w.Write(piece)
		return err
	}
	err := write(b.head)
	for i := 0; i < b.repeats && err == nil; i++ {
		err = write(b.part)
	}
	if err == nil {
		err = write(b.tail)
	}
	x.entry.Delivered = err == nil && controller.Flush() == nil
}

// sendGzip sends the body in gzip. It is unknown whether the service ever does this.
func sendGzip(x *exchange, body []byte) {
	x.w.Header().Set("Content-Encoding", "gzip")
	acceptsGzip := strings.Contains(x.r.Header.Get("Accept-Encoding"), "gzip")
	if !acceptsGzip {
		x.entry.Sound, x.entry.Last = false, false // the client may refuse the page
	}
	x.entry.Delivered = send(x.w, x.r, x.entry.Status, typeJSON, gzipBytes(body))
}

// A gzip bomb has 64 members of 16 MiB, which is 1 GiB.
const (
	bombMembers    = 64
	bombMemberSize = 16 << 20
)

// gzipBomb sends an empty list that is filled with spaces, as many gzip members that have equal bytes. Several gzip members
// form one gzip stream (RFC 1952, section 2.2).
func gzipBomb(x *exchange) {
	x.stream(largeBody{
		encoding: "gzip", head: gzipBytes([]byte(`{"data":[`)), part: gzipBytes([]byte(strings.Repeat(" ", bombMemberSize))),
		repeats: bombMembers, tail: gzipBytes([]byte("]}")),
	})
}

func gzipBytes(text []byte) []byte {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write(text); err != nil {
		panic(http.ErrAbortHandler) // not reached: a buffer accepts all writes
	}
	if err := w.Close(); err != nil {
		panic(http.ErrAbortHandler) // not reached, for the same reason
	}
	return packed.Bytes()
}

// redirect redirects to the same mock under another host name. The mock counts the requests that follow the redirect.
func redirect(x *exchange) {
	host, port, err := net.SplitHostPort(x.r.Host)
	if err != nil {
		host, port = x.r.Host, "80"
	}
	other := "localhost"
	if host == other {
		other = "127.0.0.1"
	}
	x.entry.Status = http.StatusFound
	x.w.Header().Set("Location", "http://"+net.JoinHostPort(other, port)+redirectPath)
	x.entry.Delivered = send(x.w, x.r, x.entry.Status, typeHTML, nil)
}
