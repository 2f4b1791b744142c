package mockapi

import "net/http"

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
