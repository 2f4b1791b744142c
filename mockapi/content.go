package mockapi

// A content says what an event is about: all of it but its id and its time.
type content struct {
	what, props, visit, visitor, sessionID, sessionTail, userID, userTail draw
}

const (
	// Of every 64 neighbouring events each belongs to one of 12 sessions: about 5 events to a session.
	visitSpan, visitCount = 64, 12
	users                 = 50_000
	base36                = "0123456789abcdefghijklmnopqrstuvwxyz"
)

func newContent(seed uint64) content {
	return content{
		what:        newDraw(seed, "type and name"),
		props:       newDraw(seed, "properties"),
		visit:       newDraw(seed, "visit"),
		visitor:     newDraw(seed, "visitor"),
		sessionID:   newDraw(seed, "session id"),
		sessionTail: newDraw(seed, "session id tail"),
		userID:      newDraw(seed, "user id"),
		userTail:    newDraw(seed, "user id tail"),
	}
}

func (c *content) read(ordinal uint64, e *event) {
	what := c.what.at(ordinal)
	e.kind = kindAt(what >> 32 * 100 >> 32)
	e.name = nameOf(what)
	e.properties = appendProperties(e.properties[:0], c.props.at(ordinal))

	visit := ordinal/visitSpan*visitCount + c.visit.at(ordinal)%visitCount
	e.session = newUUID(c.sessionID.at(visit)&mask60, c.sessionTail.at(visit))
	visitor := c.visitor.at(visit)
	user := visitor >> 8 % users
	e.user = newUUID(c.userID.at(user)&mask60, c.userTail.at(user))
	e.device = [...]string{"mobile", "tablet", "desktop"}[visitor&0xff%3]
	e.browser = [...]string{"Chrome", "Safari", "Firefox", "Edge"}[visitor>>62]
}

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
