package mockapi

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
