package mockapi

import "strconv"

// A content says what an event is about: all of it but its id and its time.
type content struct {
	what, props, visit, visitor, sessionTail, userID, userTail draw
	sessionIDs                                                 scatter
}

const base36 = "0123456789abcdefghijklmnopqrstuvwxyz"

func newContent(seed uint64) content {
	return content{
		what:        newDraw(seed, "type and name"),
		props:       newDraw(seed, "properties"),
		visit:       newDraw(seed, "visit"),
		visitor:     newDraw(seed, "visitor"),
		sessionIDs:  newScatter(uint64(newDraw(seed, "session id"))),
		sessionTail: newDraw(seed, "session id tail"),
		userID:      newDraw(seed, "user id"),
		userTail:    newDraw(seed, "user id tail"),
	}
}

func (c *content) read(ordinal uint64, e *event) {
	e.kind = c.kindOf(ordinal)
	e.name = nameOf(c.what.at(ordinal))
	e.properties = appendProperties(e.properties[:0], c.props.at(ordinal))

	v := c.visitOf(c.visitAt(ordinal))
	e.session, e.user, e.device, e.browser = v.session, v.user, v.device, v.browser
}

func (c *content) kindOf(ordinal uint64) string { return kindAt(c.what.at(ordinal) >> 32 * 100 >> 32) }

// kindAt lays the recorded shares [R] over 0 to 99.
func kindAt(percent uint64) string {
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

func nameOf(x uint64) [12]byte {
	name := [12]byte{'e', 'v', 'e', 'n', 't', '_'}
	x &= 1<<32 - 1
	for i := 6; i < len(name); i++ {
		name[i] = base36[x%36]
		x /= 36
	}
	return name
}

// A visit is one session of one user.
type visit struct {
	session, user   uuid
	device, browser string
}

const (
	// Of every 64 neighbouring events each belongs to one of 12 visits: about 5 events to a visit.
	visitSpan, visitCount = 64, 12
	users                 = 50_000
)

// visitAt is the number of the visit to which an event belongs.
func (c *content) visitAt(ordinal uint64) uint64 {
	return ordinal/visitSpan*visitCount + c.visit.at(ordinal)%visitCount
}

func (c *content) visitOf(number uint64) visit {
	visitor := c.visitor.at(number)
	user := visitor >> 8 % users
	return visit{
		session: c.sessionOf(number),
		user:    newUUID(c.userID.at(user)&mask60, c.userTail.at(user)),
		device:  [...]string{"mobile", "tablet", "desktop"}[visitor&0xff%3],
		browser: [...]string{"Chrome", "Safari", "Firefox", "Edge"}[visitor>>62],
	}
}

func (c *content) sessionOf(number uint64) uuid {
	return newUUID(c.sessionIDs.out(number), c.sessionTail.at(number))
}

// findVisit is the number of the visit with this session id.
func (c *content) findVisit(session uuid) (uint64, bool) {
	number := c.sessionIDs.back(session.hi60())
	return number, c.sessionOf(number) == session
}

// appendProperties writes a JSON object. The recorded sizes [R] leave exactly 16 bytes for it, and so it is, but for one
// in 256, which is longer and holds what breaks a careless client: an integer beyond float64, a surrogate pair, depth.
func appendProperties(dst []byte, x uint64) []byte {
	shape, v := x&0xff, x>>8
	if shape == 0xff {
		return appendOrder(dst, v)
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

func appendOrder(dst []byte, v uint64) []byte {
	dst = strconv.AppendUint(append(dst, `{"order":`...), 1<<53+1+2*(v%1_000_000), 10)
	dst = append(dst, `,"items":[{"sku":"Ä-1","qty":2,"price":19.90,"tags":["new",null]}]`...)
	return append(dst, `,"gift":false,"note":"line\nbreak \"quoted\" \ud83d\ude00"}`...)
}

func appendDigits(dst []byte, v uint64, width int) []byte {
	for range width {
		dst = append(dst, '0'+byte(v%10))
		v /= 10
	}
	return dst
}

func pick(v uint64, from ...string) string { return from[v%uint64(len(from))] }
