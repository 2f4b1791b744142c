package mockapi

import "strconv"

// A content computes all fields of an event except its id and its time. The ordinal of an event is its distance from the
// oldest event (see [dataset]).
type content struct {
	typeAndName   randomSequence // by ordinal
	propertyBits  randomSequence // by ordinal
	sessionChoice randomSequence // by ordinal
	sessionTraits randomSequence // by session number
	sessionIDs    permutation    // gives 60 bits of a session's id, by session number
	sessionIDTail randomSequence // gives the other bits, by session number
	userIDs       randomSequence // gives 60 bits of a user's id, by user number
	userIDTail    randomSequence // gives the other bits, by user number
}

// newContent returns the content for a seed. The names of the sequences decide every value, so they must never change.
func newContent(seed uint64) content {
	return content{
		typeAndName:   newRandomSequence(seed, "type and name"),
		propertyBits:  newRandomSequence(seed, "properties"),
		sessionChoice: newRandomSequence(seed, "visit"),
		sessionTraits: newRandomSequence(seed, "visitor"),
		sessionIDs:    newPermutation(uint64(newRandomSequence(seed, "session id"))),
		sessionIDTail: newRandomSequence(seed, "session id tail"),
		userIDs:       newRandomSequence(seed, "user id"),
		userIDTail:    newRandomSequence(seed, "user id tail"),
	}
}

// read computes the content of the event with this ordinal and stores it in e. It reuses e's buffers.
func (c *content) read(ordinal uint64, e *event) {
	e.eventType = c.eventType(ordinal)
	e.name = eventName(c.typeAndName.number(ordinal))
	e.properties = appendProperties(e.properties[:0], c.propertyBits.number(ordinal))

	s := c.session(c.sessionNumber(ordinal))
	e.sessionID, e.userID, e.device, e.browser = s.id, s.userID, s.device, s.browser
}

// eventType returns the type of the event with this ordinal. It uses the upper 32 bits of a random number, and eventName
// uses the lower 32 bits.
func (c *content) eventType(ordinal uint64) string {
	upper := c.typeAndName.number(ordinal) >> 32
	percent := upper * 100 >> 32 // from 0 to 99
	return eventTypeFor(percent)
}

// eventTypeFor returns the event type for a number from 0 to 99. The types have their recorded frequencies ([R] in doc.go):
// 36, 24, 10 and 10 %, and 5 % for each of the other four.
func eventTypeFor(percent uint64) string {
	switch {
	case percent < 36:
		return "page_view"
	case percent < 60:
		return "click"
	case percent < 70:
		return "form_submit"
	case percent < 80:
		return "api_call"
	default:
		return [...]string{"purchase", "error", "video_play", "scroll"}[(percent-80)/5]
	}
}

const base36 = "0123456789abcdefghijklmnopqrstuvwxyz"

// eventName returns "event_" and six digits in base 36. It uses the lower 32 bits of a random number.
func eventName(random uint64) [12]byte {
	const prefix = "event_"
	var name [12]byte
	copy(name[:], prefix)
	rest := random & (1<<32 - 1)
	for i := len(prefix); i < len(name); i++ {
		name[i] = base36[rest%36]
		rest /= 36
	}
	return name
}

// A session is one session of one user.
type session struct {
	id, userID      uuid
	device, browser string
}

// Each span of 64 consecutive ordinals has 12 sessions of its own, so a session has about 5 events. Sessions are numbered
// from 0, the oldest one.
const (
	sessionSpan     = 64 // in ordinals
	sessionsPerSpan = 12
	userCount       = 50_000
)

// sessionNumber returns the number of the session that an event belongs to.
func (c *content) sessionNumber(ordinal uint64) uint64 {
	return ordinal/sessionSpan*sessionsPerSpan + c.sessionChoice.number(ordinal)%sessionsPerSpan
}

// session computes the session with this number.
func (c *content) session(number uint64) session {
	// The lowest 8 bits select the device, the highest 2 bits the browser, and the bits between them the user.
	traits := c.sessionTraits.number(number)
	user := (traits >> 8) % userCount
	return session{
		id:      c.sessionID(number),
		userID:  newUUID(c.userIDs.number(user)&mask60, c.userIDTail.number(user)),
		device:  [...]string{"mobile", "tablet", "desktop"}[(traits&0xff)%3],
		browser: [...]string{"Chrome", "Safari", "Firefox", "Edge"}[traits>>62],
	}
}

// sessionID computes the id of the session with this number. findSession does the reverse.
func (c *content) sessionID(number uint64) uuid {
	return newUUID(c.sessionIDs.apply(number), c.sessionIDTail.number(number))
}

// findSession returns the number of the session with this id. found is false if no session can have this id.
func (c *content) findSession(id uuid) (number uint64, found bool) {
	number = c.sessionIDs.invert(id.hi60())
	return number, c.sessionID(number) == id
}

// appendProperties appends the JSON object that a random number selects. One object in 256 is long. Each other object has
// 16 bytes, so that events have their recorded sizes ([R] in doc.go).
func appendProperties(dst []byte, random uint64) []byte {
	shape, v := random&0xff, random>>8 // v selects the values in an object of this shape
	if shape == 0xff {
		return appendLongProperties(dst, v)
	}
	switch shape % 12 {
	case 0:
		dst = append(dst, `{"page":"/`...)
		dst = append(dst, pick(v, "home", "docs", "blog", "cart", "help", "shop")...)
		return append(dst, `"}`...)
	case 1:
		dst = append(dst, `{"clicks":`...)
		dst = strconv.AppendUint(dst, 10_000+v%90_000, 10) // five digits
		return append(dst, '}')
	case 2:
		dst = append(dst, `{"depth":0.`...)
		dst = appendDigits(dst, v, 4)
		return append(dst, '}')
	case 3:
		return append(dst, pick(v, `{"retried":true}`, `{"cached":false}`)...)
	case 4:
		return append(dst, pick(v, `{"a":{"b":null}}`, `{"ab":{"v":"B"}}`, `{"utm":{"id":7}}`)...)
	case 5:
		return append(dst, pick(v, `{"in":"Zürich"}`, `{"in":"Málaga"}`, `{"in":"Gdańsk"}`)...)
	case 6:
		return append(dst, pick(v, `{"mood":"🎉!"}`, `{"mood":"👋?"}`)...)
	case 7:
		return append(dst, pick(v, `{"tag":"a\"b\""}`, `{"path":"C:\\x"}`, `{"tab":"a\tb\n"}`)...)
	case 8:
		return append(dst, `{"variant":null}`...)
	case 9:
		return append(dst, pick(v, `{"tags":["a",1]}`, `{"tags":[[],{}]}`)...)
	case 10:
		dst = append(dst, `{"delta":-1`...)
		dst = appendDigits(dst, v, 1)
		dst = append(dst, '.')
		dst = appendDigits(dst, v>>32, 2)
		return append(dst, '}')
	default:
		return append(dst, pick(v, `{"u":"Ca\u00e9"}`, `{"u":"<b>&</b>"}`)...)
	}
}

// appendLongProperties appends an object with values that a careless client handles wrongly. They are an integer that
// float64 cannot hold, nested values, escapes and a surrogate pair.
func appendLongProperties(dst []byte, v uint64) []byte {
	order := 1<<53 + 1 + 2*(v%1_000_000) // float64 holds no odd number above 2^53
	dst = strconv.AppendUint(append(dst, `{"order":`...), order, 10)
	dst = append(dst, `,"items":[{"sku":"Ä-1","qty":2,"price":19.90,"tags":["new",null]}]`...)
	return append(dst, `,"gift":false,"note":"line\nbreak \"quoted\" \ud83d\ude00"}`...)
}

// appendDigits appends the last count decimal digits of v, in reverse order.
func appendDigits(dst []byte, v uint64, count int) []byte {
	for range count {
		dst = append(dst, '0'+byte(v%10))
		v /= 10
	}
	return dst
}

// pick returns the choice that v selects.
func pick(v uint64, choices ...string) string { return choices[v%uint64(len(choices))] }
