package mockapi

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
