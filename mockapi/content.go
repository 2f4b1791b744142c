package mockapi

import "strconv"

// A content computes all fields of an event except its id and its time.
type content struct {
	typeAndName   randomSequence // by ordinal
	propertyBits  randomSequence // by ordinal
	sessionChoice randomSequence // by ordinal
	sessionTraits randomSequence // by session number, like the next two
	sessionIDs    permutation
	sessionIDTail randomSequence
	userIDs       randomSequence // by user number
	userIDTail    randomSequence // by user number
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
	return eventTypeFor(upper * 100 >> 32)
}

// eventTypeFor returns the event type for a number from 0 to 99. The types have the recorded frequencies [R].
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

func eventName(x uint64) [12]byte {
	name := [12]byte{'e', 'v', 'e', 'n', 't', '_'}
	x &= 1<<32 - 1
	for i := 6; i < len(name); i++ {
		name[i] = base36[x%36]
		x /= 36
	}
	return name
}

// A session is one session of one user.
type session struct {
	id, userID      uuid
	device, browser string
}

// Each span of 64 ordinals has 12 sessions of its own, so a session has about 5 events.
const (
	sessionSpan     = 64
	sessionsPerSpan = 12
	userCount       = 50_000
)

// sessionNumber returns the number of the session that an event belongs to.
func (c *content) sessionNumber(ordinal uint64) uint64 {
	return ordinal/sessionSpan*sessionsPerSpan + c.sessionChoice.number(ordinal)%sessionsPerSpan
}

func (c *content) session(number uint64) session {
	traits := c.sessionTraits.number(number)
	user := (traits >> 8) % userCount
	return session{
		id:      c.sessionID(number),
		userID:  newUUID(c.userIDs.number(user)&mask60, c.userIDTail.number(user)),
		device:  [...]string{"mobile", "tablet", "desktop"}[(traits&0xff)%3],
		browser: [...]string{"Chrome", "Safari", "Firefox", "Edge"}[traits>>62],
	}
}

func (c *content) sessionID(number uint64) uuid {
	return newUUID(c.sessionIDs.apply(number), c.sessionIDTail.number(number))
}

// findSession returns the number of the session with this id, and false if there is none.
func (c *content) findSession(id uuid) (uint64, bool) {
	number := c.sessionIDs.invert(id.hi60())
	return number, c.sessionID(number) == id
}

// appendProperties appends a JSON object that x selects. It has 16 bytes, so that events have their recorded sizes [R].
// But one object in 256 is longer.
func appendProperties(dst []byte, x uint64) []byte {
	shape, v := x&0xff, x>>8 // v selects the values in an object of this shape
	if shape == 0xff {
		return appendLongProperties(dst, v)
	}
	switch shape % 12 {
	case 0:
		dst = append(append(dst, `{"page":"/`...), pick(v, "home", "docs", "blog", "cart", "help", "shop")...)
		return append(dst, `"}`...)
	case 1:
		return append(strconv.AppendUint(append(dst, `{"clicks":`...), 10_000+v%90_000, 10), '}')
	case 2:
		return append(appendDigits(append(dst, `{"depth":0.`...), v, 4), '}')
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
		dst = appendDigits(append(dst, `{"delta":-1`...), v, 1)
		return append(appendDigits(append(dst, '.'), v>>32, 2), '}')
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

// appendDigits appends the last digits of v, as many as width, in reverse order.
func appendDigits(dst []byte, v uint64, width int) []byte {
	for range width {
		dst = append(dst, '0'+byte(v%10))
		v /= 10
	}
	return dst
}

// pick returns the choice that v selects.
func pick(v uint64, choices ...string) string { return choices[v%uint64(len(choices))] }
