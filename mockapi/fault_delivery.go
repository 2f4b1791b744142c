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
var deliveries = []fault{
	{kind: "reset", what: "TCP reset before any byte of the answer", instead: func(x *exchange) { x.entry.Status = reset(x.w, x.r) }},
	{kind: "reset-body", what: "TCP reset after the headers and half of the body", spares: notAGet, deliver: resetHalfway},
	{kind: "hang", what: "no byte of an answer, ever", instead: func(x *exchange) { x.hang() }},
	{kind: "hang-body", what: "half of the body, and then nothing", spares: notAGet, deliver: hangHalfway},
	{kind: "trickle", what: "one byte of the body after the other, 100 ms apart", spares: notAGet, deliver: trickle, harmless: true},
	{kind: "endless-headers", what: "header after header, 64 MiB of them", instead: endlessHeaders},
	{kind: "huge-body", what: "200 with 512 MiB of JSON", spares: notAGet, instead: hugeBody},
	{kind: "gzip", what: "a good page in gzip, asked for or not", spares: notAGet, deliver: compressed, harmless: true},
	{kind: "gzip-bomb", what: "200 with 1 MiB of gzip that unpacks to 1 GiB", spares: notAGet, instead: gzipBomb},
	{kind: "redirect", what: "302 to another host, where the mock tells who follows with a key", instead: redirect},
}

const (
	// hangLimit ends a hang that the client has the patience for.
	hangLimit    = 10 * time.Minute
	trickleEvery = 100 * time.Millisecond
	headersSize  = 64 << 20
	hugeSize     = 512 << 20
	chunk        = 1 << 20
)

// hang waits for the client to go away, and sends nothing more.
func (x *exchange) hang() {
	pause(x.r.Context(), hangLimit)
	panic(http.ErrAbortHandler) // to return would send an empty 200, or what is left of the answer
}

// resetHalfway sends the headers and half of the body, and then an RST.
func resetHalfway(x *exchange, body []byte) {
	x.half(body)
	cut(x.w)
}

func hangHalfway(x *exchange, body []byte) {
	x.half(body)
	x.hang()
}

func (x *exchange) half(body []byte) {
	x.entry.withoutRecords()
	out := http.NewResponseController(x.w)
	_ = out.SetWriteDeadline(time.Now().Add(sendTimeout))
	startAnswer(x.w, x.entry.Status, typeJSON, len(body))
	if _, err := x.w.Write(body[:len(body)/2]); err == nil {
		_ = out.Flush()
	}
}

func trickle(x *exchange, body []byte) {
	out := http.NewResponseController(x.w)
	startAnswer(x.w, x.entry.Status, typeJSON, len(body))
	for begun := time.Now(); len(body) > 0; body = body[1:] {
		_ = out.SetWriteDeadline(time.Now().Add(sendTimeout))
		if _, err := x.w.Write(body[:1]); err != nil || out.Flush() != nil || time.Since(begun) > hangLimit {
			panic(http.ErrAbortHandler)
		}
		if !pause(x.r.Context(), trickleEvery) {
			panic(http.ErrAbortHandler)
		}
	}
	x.entry.Delivered = true
}

func endlessHeaders(x *exchange) {
	conn, _, err := http.NewResponseController(x.w).Hijack()
	if err != nil {
		x.entry.Status = refuseWithoutConnection(x.w, x.r)
		return
	}
	defer func() { _ = conn.Close() }()
	x.entry.Status = http.StatusOK
	_ = conn.SetWriteDeadline(time.Now().Add(sendTimeout))
	line := "X-Filler: " + strings.Repeat("a", 4000) + "\r\n"
	text := "HTTP/1.1 200 OK\r\nContent-Type: " + typeJSON + "\r\n"
	for sent := 0; sent < headersSize; sent += len(text) {
		if _, err := conn.Write([]byte(text)); err != nil {
			return
		}
		text = line
	}
}

// hugeBody sends a page that would be sound if anybody had the memory for it: the blanks are part of the JSON.
func hugeBody(x *exchange) {
	x.stream("", []byte(`{"data":[`), []byte(strings.Repeat(" ", chunk)), hugeSize/chunk,
		[]byte(`],"pagination":{"limit":1,"hasMore":false,"nextCursor":null,"cursorExpiresIn":null},"meta":{"total":0,"returned":0}}`))
}

// stream sends a 200 of one part often, between a head and a tail, without a Content-Length.
func (x *exchange) stream(encoding string, head, part []byte, times int, tail []byte) {
	out := http.NewResponseController(x.w)
	x.entry.Status = http.StatusOK
	x.w.Header().Set("Content-Type", typeJSON)
	if encoding != "" {
		x.w.Header().Set("Content-Encoding", encoding)
	}
	for i := range times + 2 {
		piece := part
		switch i {
		case 0:
			piece = head
		case times + 1:
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
	x.w.Header().Set("Location", "http://"+net.JoinHostPort(other, port)+elsewherePath)
	x.entry.Delivered = send(x.w, x.r, x.entry.Status, typeHTML, nil)
}

// bombTimes members of 16 MiB each: 1 GiB.
const bombTimes = 64

// compressed sends the body in gzip. Whether the service ever does so is unknown [?].
func compressed(x *exchange, body []byte) {
	packed := pack(body)
	x.w.Header().Set("Content-Encoding", "gzip")
	if !strings.Contains(x.r.Header.Get("Accept-Encoding"), "gzip") {
		x.entry.Sound, x.entry.Last = false, false // a client that has not said that it can unpack need not take the page
	}
	x.entry.Delivered = send(x.w, x.r, x.entry.Status, typeJSON, packed)
}

// gzipBomb sends one packed member again and again: together they are one gzip stream (RFC 1952, section 2.2).
func gzipBomb(x *exchange) {
	x.stream("gzip", pack([]byte(`{"data":[`)), pack([]byte(strings.Repeat(" ", 16*chunk))), bombTimes, pack([]byte("]}")))
}

func pack(text []byte) []byte {
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
func reset(w http.ResponseWriter, r *http.Request) int {
	if cut(w) {
		return 0
	}
	return refuseWithoutConnection(w, r)
}

func refuseWithoutConnection(w http.ResponseWriter, r *http.Request) int {
	why := refusal{http.StatusInternalServerError, "MOCK_CANNOT_RESET", "There is no TCP connection to reset"}
	refuse(w, r, why)
	return why.status
}

// cut takes the connection from the server and closes it without lingering, which is what makes the kernel send an RST.
func cut(w http.ResponseWriter) bool {
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
