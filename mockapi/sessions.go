package mockapi

// A sessionList is the sessions of all events, the newest first. What a session looks like is a decision [?].
type sessionList struct {
	content *content
	n       int
}

// startStep is the time between the starts of two sessions: as many begin as a span of events has.
const startStep = visitSpan * slotMS / visitCount

func newSessionList(c *content, eventCount int) sessionList {
	return sessionList{content: c, n: (eventCount + visitSpan - 1) / visitSpan * visitCount}
}

func (l sessionList) total() int     { return l.n }
func (l sessionList) end() int       { return l.n }
func (l sessionList) next(i int) int { return i }

func (l sessionList) write(dst []byte, i, inPage int) []byte {
	v := l.content.visitOf(l.number(i))
	_, start := l.mark(i)
	dst = appendUUID(append(dst, `{"id":"`...), v.session)
	dst = appendUUID(append(dst, `","userId":"`...), v.user)
	dst = append(append(dst, `","deviceType":"`...), v.device...)
	dst = append(append(dst, `","browser":"`...), v.browser...)
	dst = appendTime(append(dst, `","startedAt":`...), start, inPage%3 != 0)
	return append(dst, '}')
}

func (l sessionList) mark(i int) (id uuid, at int64) {
	number := l.number(i)
	return l.content.sessionOf(number), epochMS + int64(number)*startStep //nolint:gosec // bounded by maxEvents
}

func (l sessionList) find(id uuid, at int64) (int, bool) {
	number, found := l.content.findVisit(id)
	if !found || number >= uint64(l.n) { //nolint:gosec // a size is not negative
		return 0, false
	}
	i := l.n - 1 - int(number) //nolint:gosec // less than n
	_, start := l.mark(i)
	return i, start == at
}

func (l sessionList) number(i int) uint64 { return uint64(l.n - 1 - i) } //nolint:gosec // the caller gives a place
