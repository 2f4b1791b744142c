package mockapi

import (
	"bytes"
	"compress/gzip"
	"net"
	"net/http"
	"strings"
	"time"
)

// deliveries are answers that do not reach the client as they should.
var deliveryFaults = []fault{
	{kind: "reset", description: "TCP reset before any byte of the answer", replace: func(x *exchange) { x.entry.Status = resetConnection(x.w, x.r) }},
	{kind: "reset-body", description: "TCP reset after the headers and half of the body", exempt: isNotGet, deliver: resetHalfway},
	{kind: "hang", description: "no byte of an answer, ever", replace: func(x *exchange) { x.hang() }},
	{kind: "hang-body", description: "half of the body, and then nothing", exempt: isNotGet, deliver: hangHalfway},
	{kind: "trickle", description: "one byte of the body after the other, 100 ms apart", exempt: isNotGet, deliver: trickle, valid: true},
	{kind: "endless-headers", description: "header after header, 64 MiB of them", replace: endlessHeaders},
	{kind: "huge-body", description: "200 with 512 MiB of JSON", exempt: isNotGet, replace: hugeBody},
	{kind: "gzip", description: "a good page in gzip, asked for or not", exempt: isNotGet, deliver: sendGzip, valid: true},
	{kind: "gzip-bomb", description: "200 with 1 MiB of gzip that unpacks to 1 GiB", exempt: isNotGet, replace: gzipBomb},
	{kind: "redirect", description: "302 to another host, where the mock tells who follows with a key", replace: redirect},
}

const (
	// hangLimit ends a hang that the client has the patience for.
	hangLimit          = 10 * time.Minute
	trickleEvery       = 100 * time.Millisecond
	endlessHeadersSize = 64 << 20
	hugeBodySize       = 512 << 20
	chunkSize          = 1 << 20
)

// hang waits for the client to go away, and sends nothing more.
func (x *exchange) hang() {
	sleep(x.r.Context(), hangLimit)
	panic(http.ErrAbortHandler) // to return would send an empty 200, or what is left of the answer
}

// resetHalfway sends the headers and half of the body, and then an RST.
func resetHalfway(x *exchange, body []byte) {
	x.sendHalf(body)
	closeWithReset(x.w)
}

func hangHalfway(x *exchange, body []byte) {
	x.sendHalf(body)
	x.hang()
}

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
		x.entry.Status = sendNoConnectionError(x.w, x.r)
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

// hugeBody sends a page that would be sound if anybody had the memory for it: the blanks are part of the JSON.
func hugeBody(x *exchange) {
	x.stream("", []byte(`{"data":[`), []byte(strings.Repeat(" ", chunkSize)), hugeBodySize/chunkSize,
		[]byte(`],"pagination":{"limit":1,"hasMore":false,"nextCursor":null,"cursorExpiresIn":null},"meta":{"total":0,"returned":0}}`))
}

// stream sends a 200 of one part often, between a head and a tail, without a Content-Length.
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

// redirect points at this same mock under another name: whoever follows reaches it, and is counted.
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

// bombTimes members of 16 MiB each: 1 GiB.
const bombMembers = 64

// compressed sends the body in gzip. Whether the service ever does so is unknown [?].
func sendGzip(x *exchange, body []byte) {
	packed := gzipBytes(body)
	x.w.Header().Set("Content-Encoding", "gzip")
	if !strings.Contains(x.r.Header.Get("Accept-Encoding"), "gzip") {
		x.entry.Sound, x.entry.Last = false, false // a client that has not said that it can unpack need not take the page
	}
	x.entry.Delivered = send(x.w, x.r, x.entry.Status, typeJSON, packed)
}

// gzipBomb sends one packed member again and again: together they are one gzip stream (RFC 1952, section 2.2).
func gzipBomb(x *exchange) {
	x.stream("gzip", gzipBytes([]byte(`{"data":[`)), gzipBytes([]byte(strings.Repeat(" ", 16*chunkSize))), bombMembers, gzipBytes([]byte("]}")))
}

func gzipBytes(text []byte) []byte {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write(text); err != nil {
		panic(http.ErrAbortHandler) // a buffer takes everything
	}
	if err := w.Close(); err != nil {
		panic(http.ErrAbortHandler)
	}
	return packed.Bytes()
}

// reset ends the connection with a TCP RST before any byte of an answer, and gives the status that was sent: 0. Go's own
// client silently sends a GET again when that happens to a connection it had used before; the journal shows the second
// request. A writer that has no connection to reset, such as a recorder, gets a 500 that says so.
func resetConnection(w http.ResponseWriter, r *http.Request) int {
	if closeWithReset(w) {
		return 0
	}
	return sendNoConnectionError(w, r)
}

func sendNoConnectionError(w http.ResponseWriter, r *http.Request) int {
	apiErr := apiError{http.StatusInternalServerError, "MOCK_CANNOT_RESET", "There is no TCP connection to reset"}
	sendError(w, r, apiErr)
	return apiErr.status
}

// cut takes the connection from the server and closes it without lingering, which is what makes the kernel send an RST.
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
