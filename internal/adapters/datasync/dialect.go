package datasync

import (
	"sync"
	"time"
)

// A dialect reads the rate limit in the headers of answers. It learns from answer to answer in which unit the API counts the time
// left. It is safe for concurrent use.
type dialect struct {
	mu   sync.Mutex
	unit resetUnit
}

// read returns the rate limit in the headers of an answer.
func (d *dialect) read(names HeaderNames, a answer) rateHeaders {
	d.mu.Lock()
	defer d.mu.Unlock()
	latency := a.receivedAt.Sub(a.sentAt)
	headers := names.parse(a.header, a.receivedAt, latency, d.unit.millis)
	if d.unit.learn(headers.limit.resetText, a.receivedAt) {
		headers = names.parse(a.header, a.receivedAt, latency, d.unit.millis)
		headers.otherUnit = true
	}
	return headers
}

// A resetUnit finds out whether the API counts the time left in a window in seconds, as nearly all APIs do, or in
// milliseconds. It compares how much the number shrinks from answer to answer with the time that passes. If the number
// shrinks as fast as milliseconds, the answer is a match. Two matches (minMatches) prove milliseconds. If the number shrinks
// in another way, the count of matches begins again. An answer in a new window does not change the count.
type resetUnit struct {
	millis bool // whether it is proved that the API counts milliseconds

	lastLeft   float64   // the time left in the latest answer; 0 if unknown
	receivedAt time.Time // when the latest answer arrived
	matches    int       // how many matches there were since the count began
}

const minMatches = 2

// learn compares the time left, which text says, with the one in the answer before. It reports whether this answer has proved
// milliseconds. It ignores a text that is not a number, or is a time since 1970.
func (u *resetUnit) learn(text string, receivedAt time.Time) bool {
	left, isNumber := parseDecimal(text)
	isTimeLeft := isNumber && left <= minEpochSeconds
	if u.millis || !isTimeLeft {
		return false
	}
	shrunk, passed := u.lastLeft-left, receivedAt.Sub(u.receivedAt)
	u.lastLeft, u.receivedAt = left, receivedAt
	if shrunk <= 0 { // the answer is in a new window
		return false
	}
	mayBeSeconds := shrunk <= passed.Seconds()+maxRounding
	if mayBeSeconds || !isNear(shrunk, float64(passed.Milliseconds())) {
		u.matches = 0
		return false
	}
	u.matches++
	u.millis = u.matches == minMatches
	return u.millis
}

// maxRounding is how much more than the passed seconds a number may shrink, and still be taken for seconds.
const maxRounding = 5

// isNear reports whether a and b differ by a factor of at most two.
func isNear(a, b float64) bool { return a >= b/2 && a <= b*2 }
