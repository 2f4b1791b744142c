//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// What pawl writes to its log, as the harness reads it.
const (
	saysStored  = "page stored"
	saysRetry   = "trying again"
	saysRefused = "waiting for the API"
	saysNewPass = "the API no longer takes the cursor"
)

// A run is one process of pawl's in a lap.
type run struct {
	*process
	after    int      // the last request of the journal before the run's first
	inHand   *int     // how many pages it may have been handed and not stored, by what was done to it
	locked   bool     // it holds the stream's early lock
	over     bool     // it has ended in a way that was asked for
	suffered []string // the attacks on it
}

// said is how often the log has a message that begins so.
func (r *run) said(message string) int { return r.stderr.count(`"msg":"` + message) }

// stored reports whether the run knows that a page was committed.
func (r *run) stored(seq int) bool {
	return r.stderr.count(fmt.Sprintf(`"msg":%q,"seq":%d,`, saysStored, seq)) > 0
}

// claimed reports whether the stream was given to the run.
func (r *run) claimed() bool {
	return r.said("starting at the head")+r.said("resuming")+r.said("the stream is complete already") > 0
}

// waits is how long the run still waits, by its own word, and whether it does so with a page in hand: for the database
// then, and not for the API.
func (r *run) waits() (left time.Duration, withPage bool) {
	for _, line := range slices.Backward(strings.Split(r.stderr.String(), "\n")) {
		var said struct {
			Time    time.Time `json:"time"`
			Message string    `json:"msg"`
			Seconds float64   `json:"seconds"`
			Why     string    `json:"why"`
		}
		if json.Unmarshal([]byte(line), &said) != nil { // half written
			continue
		}
		refused := strings.HasPrefix(said.Message, saysRefused)
		if !refused && !strings.HasPrefix(said.Message, saysRetry) {
			continue
		}
		left = time.Until(said.Time) + time.Duration(said.Seconds*float64(time.Second))
		return left, !refused && !strings.HasPrefix(said.Why, "fetch page")
	}
	return 0, false
}

// tail is the end of the log, for a failing test.
func (r *run) tail() string {
	const most = 3000
	text := r.stderr.String()
	return text[max(0, len(text)-most):]
}
