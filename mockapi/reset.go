package mockapi

import (
	"net/http"
	"time"
)

// reset ends the connection with a TCP RST before any byte of an answer, and gives the status that was sent: 0.
// A writer that has no connection to reset, such as a recorder, gets a 500 that says so.
func reset(w http.ResponseWriter, r *http.Request) int {
	if cut(w) {
		return 0
	}
	why := refusal{http.StatusInternalServerError, "MOCK_CANNOT_RESET", "There is no TCP connection to reset"}
	refuse(w, r, why)
	return why.status
}

// resetHalfway sends the headers and half of the body, and then an RST.
func resetHalfway(w http.ResponseWriter, status int, body []byte) {
	out := http.NewResponseController(w)
	_ = out.SetWriteDeadline(time.Now().Add(sendTimeout))
	startAnswer(w, status, typeJSON, len(body))
	if _, err := w.Write(body[:len(body)/2]); err == nil {
		_ = out.Flush()
	}
	cut(w)
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
