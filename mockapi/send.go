package mockapi

import (
	"net/http"
	"strconv"
	"time"
)

const (
	typeJSON = "application/json; charset=utf-8" // [R]
	typeHTML = "text/html; charset=utf-8"
	// sendTimeout bounds how long a client may take to read one answer.
	sendTimeout = time.Minute
)

// send writes a whole answer and says whether all of it was handed to the network.
func send(w http.ResponseWriter, r *http.Request, status int, contentType string, body []byte) bool {
	out := http.NewResponseController(w)
	// A writer without deadlines, such as a recorder, cannot hang either.
	_ = out.SetWriteDeadline(time.Now().Add(sendTimeout))
	startAnswer(w, status, contentType, len(body))
	if r.Method != http.MethodHead {
		if _, err := w.Write(body); err != nil { //nolint:gosec // JSON, or HTML that echoes nothing
			return false
		}
	}
	return out.Flush() == nil
}

func startAnswer(w http.ResponseWriter, status int, contentType string, length int) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(length))
	w.WriteHeader(status)
}

func refuse(w http.ResponseWriter, r *http.Request, why refusal) {
	send(w, r, why.status, typeJSON, why.body())
}
