package mockapi

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"strings"
)

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
