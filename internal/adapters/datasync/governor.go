package datasync

import (
	"fmt"
	"sync"
	"time"
)

// longestWindow bounds what a successful answer may announce: more than that is no window of a rate limit, and a
// refusal, should one come, says itself how long it lasts.
const longestWindow = 24 * time.Hour

// A governor knows when the next request may be sent: not sooner after the last than gap, and not before the moment the
// API named when it had used up its quota or refused. It only answers; waiting is the caller's.
type governor struct {
	gap time.Duration

	mu    sync.Mutex
	sent  time.Time // last, zero if never
	until time.Time // the quota is used up until then; it may have passed
}

// A hold is why a request was not sent. It is the error's cause.
type hold struct {
	until time.Time
	why   string
}

func (h *hold) Error() string {
	return fmt.Sprintf("not sent before %s: %s", h.until.Format(time.TimeOnly), h.why)
}

// admit counts a request as sent now, or says why it must not be.
func (g *governor) admit(now time.Time) *hold {
	g.mu.Lock()
	defer g.mu.Unlock()
	if now.Before(g.until) {
		return &hold{until: g.until, why: "the API's rate limit is used up"}
	}
	if next := g.sent.Add(g.gap); !g.sent.IsZero() && now.Before(next) {
		return &hold{until: next, why: fmt.Sprintf("requests are kept %s apart", g.gap)}
	}
	g.sent = now
	return nil
}

// heed takes in what an answer told. It never shortens a hold: whoever was answered out of turn knows less.
func (g *governor) heed(told told, a answer) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case isRefusal(a.status, told):
		g.holdUntil(told.tryAgain(a.at))
	case told.hasRemaining && told.remaining <= 0 && told.reset.Sub(a.at) <= longestWindow:
		g.holdUntil(told.reset)
	}
}

// holdUntil takes the zero time, nobody having said, for no hold at all.
func (g *governor) holdUntil(t time.Time) {
	if t.After(g.until) {
		g.until = t
	}
}
