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
	{kind: "huge-body", description: "200 with 512 MiB of JSON", exempt: isNotGet, replace: hugeBody},
	{kind: "gzip", description: "a valid page in gzip, also if not asked for", exempt: isNotGet, deliver: sendGzip, valid: true},
	{kind: "gzip-bomb", description: "200 with 1 MiB of gzip that unpacks to 1 GiB", exempt: isNotGet, replace: gzipBomb},
	{kind: "redirect", description: "302 to another host; the mock counts who follows and who sends the key", replace: redirect},
}

const (
	// hangLimit is the maximum time of a hang.
	hangLimit          = 10 * time.Minute
	trickleEvery       = 100 * time.Millisecond
	endlessHeadersSize = 64 << 20
	hugeBodySize       = 512 << 20
	chunkSize          = 1 << 20
)

// resetConnection ends the connection with a TCP RST before any byte of the response. A Go client silently repeats a GET if
// that happens on a connection that it had used before; the journal then contains the second request too. If the writer
// has no connection, for example a recorder, the response is a 500 that says so.
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

// closeWithReset closes the connection so that the kernel sends a TCP RST: it takes the connection from the HTTP server
// and closes it without lingering. It returns false if the writer has no connection.
func closeWithReset(w http.ResponseWriter) bool {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return false
	}
	if tcp, ok := conn.(interface{ SetLinger(seconds int) error }); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
	return true
}

func (x *exchange) sendNoConnectionError() {
	apiErr := apiError{http.StatusInternalServerError, "MOCK_CANNOT_RESET", "There is no TCP connection to reset"}
	sendError(x.w, x.r, apiErr)
	x.entry.Status = apiErr.status
}

// hang waits until the client disconnects, and sends nothing more.
func hang(x *exchange) {
	sleep(x.r.Context(), hangLimit)
	panic(http.ErrAbortHandler) // after a return net/http would send an empty 200, or the rest of the response
}

func hangHalfway(x *exchange, body []byte) {
	x.sendHalf(body)
	hang(x)
}

// sendHalf sends the headers and half of the body.
func (x *exchange) sendHalf(body []byte) {
	x.entry.clearRecords()
	out := http.NewResponseController(x.w)
	_ = out.SetWriteDeadline(time.Now().Add(sendTimeout))
	writeHeader(x.w, x.entry.Status, typeJSON, len(body))
	if _, err := x.w.Write(body[:len(body)/2]); err == nil {
		_ = out.Flush()
	}
}

func trickle(x *exchange, body []byte) {
	out := http.NewResponseController(x.w)
	writeHeader(x.w, x.entry.Status, typeJSON, len(body))
	for begun := time.Now(); len(body) > 0; body = body[1:] {
		_ = out.SetWriteDeadline(time.Now().Add(sendTimeout))
		if _, err := x.w.Write(body[:1]); err != nil || out.Flush() != nil || time.Since(begun) > hangLimit {
			panic(http.ErrAbortHandler)
		}
		if !sleep(x.r.Context(), trickleEvery) {
			panic(http.ErrAbortHandler)
		}
	}
	x.entry.Delivered = true
}

func endlessHeaders(x *exchange) {
	conn, _, err := http.NewResponseController(x.w).Hijack()
	if err != nil {
		x.sendNoConnectionError()
		return
	}
	defer func() { _ = conn.Close() }()
	x.entry.Status = http.StatusOK
	_ = conn.SetWriteDeadline(time.Now().Add(sendTimeout))
	line := "X-Filler: " + strings.Repeat("a", 4000) + "\r\n"
	text := "HTTP/1.1 200 OK\r\nContent-Type: " + typeJSON + "\r\n"
	for sent := 0; sent < endlessHeadersSize; sent += len(text) {
		if _, err := conn.Write([]byte(text)); err != nil {
			return
		}
		text = line
	}
}

// hugeBody sends an empty page that is filled with spaces. It is valid JSON, but too large to store in memory.
func hugeBody(x *exchange) {
	x.stream("", []byte(`{"data":[`), []byte(strings.Repeat(" ", chunkSize)), hugeBodySize/chunkSize,
		[]byte(`],"pagination":{"limit":1,"hasMore":false,"nextCursor":null,"cursorExpiresIn":null},"meta":{"total":0,"returned":0}}`))
}

// stream sends a 200 with a head, a part that is repeated, and a tail, without a Content-Length.
func (x *exchange) stream(encoding string, head, part []byte, repeats int, tail []byte) {
	out := http.NewResponseController(x.w)
	x.entry.Status = http.StatusOK
	x.w.Header().Set("Content-Type", typeJSON)
	if encoding != "" {
		x.w.Header().Set("Content-Encoding", encoding)
	}
	for i := range repeats + 2 {
		piece := part
		switch i {
		case 0:
			piece = head
		case repeats + 1:
			piece = tail
		}
		_ = out.SetWriteDeadline(time.Now().Add(sendTimeout))
		if _, err := x.w.Write(piece); err != nil {
			return
		}
	}
	x.entry.Delivered = out.Flush() == nil
}

// bombMembers is the number of gzip members of 16 MiB each: together 1 GiB.
const bombMembers = 64

// sendGzip sends the body in gzip. Whether the service ever does so is unknown [?].
func sendGzip(x *exchange, body []byte) {
	compressed := gzipBytes(body)
	x.w.Header().Set("Content-Encoding", "gzip")
	if !strings.Contains(x.r.Header.Get("Accept-Encoding"), "gzip") {
		x.entry.Sound, x.entry.Last = false, false // a client that did not ask for gzip need not accept the page
	}
	x.entry.Delivered = send(x.w, x.r, x.entry.Status, typeJSON, compressed)
}

// gzipBomb sends the same gzip member again and again. Together they are one gzip stream (RFC 1952, section 2.2).
func gzipBomb(x *exchange) {
	spaces := gzipBytes([]byte(strings.Repeat(" ", 16*chunkSize)))
	x.stream("gzip", gzipBytes([]byte(`{"data":[`)), spaces, bombMembers, gzipBytes([]byte("]}")))
}

func gzipBytes(text []byte) []byte {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write(text); err != nil {
		panic(http.ErrAbortHandler) // not reached: a buffer accepts all writes
	}
	if err := w.Close(); err != nil {
		panic(http.ErrAbortHandler)
	}
	return packed.Bytes()
}

// redirect redirects to the same mock under another host name, where a client that follows is counted.
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
