package mockapi

import "sync"

// A collection is what a list endpoint gives page by page. Its items have places from 0, the newest; a filter leaves
// places out.
type collection interface {
	// total is the number of items, as announced.
	total() int
	// end is the place behind the last item.
	end() int
	// next is the first place from i on that has an item, or end.
	next(i int) int
	// write appends the item at a place; inPage is its index in the page.
	appendItem(dst []byte, i, inPage int) []byte
	// mark is what a cursor says of a place, by which find finds it again.
	cursorKey(i int) (id uuid, at int64)
	find(id uuid, at int64) (int, bool)
}

// collection is what a request asks to list.
func (x *exchange) collection() collection {
	switch x.req.endpoint {
	case sessionsEndpoint:
		return newSessionList(&x.server.data.content, x.req.size)
	case metricsEndpoint:
		return emptyList{}
	default:
		all := &eventList{snapshot: x.snapshot(), record: x.recordDrift}
		if session := x.req.query.Get("sessionId"); session != "" {
			return newSessionEventList(all, session, x.req.query.Get("type"))
		}
		if kind := x.req.query.Get("type"); kind != "" {
			return &typeList{eventList: all, eventType: kind, count: x.server.typeCounts.countType(&all.dataset, kind)}
		}
		return all
	}
}

// An eventList is all events.
type eventList struct {
	snapshot
	record func(*changedRecord) // is told of each record that is not as it should be
	buffer event
}

func (l *eventList) total() int     { return l.n }
func (l *eventList) end() int       { return l.n }
func (l *eventList) next(i int) int { return i }

// write appends an event. Every third timestamp of a page, from its first, is a number [R].
func (l *eventList) appendItem(dst []byte, i, inPage int) []byte {
	if d := l.changedRecord(i); d != nil {
		l.record(d)
		return append(dst, d.payload...)
	}
	l.read(i, &l.buffer)
	return appendEvent(dst, &l.buffer, inPage%3 != 0)
}

func (l *eventList) cursorKey(i int) (id uuid, at int64) {
	l.read(i, &l.buffer)
	return l.buffer.id, l.buffer.at
}

func (l *eventList) find(id uuid, at int64) (int, bool) {
	i, found := l.dataset.find(id)
	if !found {
		return 0, false
	}
	l.read(i, &l.buffer)
	return i, l.buffer.at == at
}

// An emptyList is the metrics: always empty [R].
type emptyList struct{}

func (emptyList) total() int                             { return 0 }
func (emptyList) end() int                               { return 0 }
func (emptyList) next(int) int                           { return 0 }
func (emptyList) appendItem(dst []byte, _, _ int) []byte { return dst }
func (emptyList) cursorKey(int) (id uuid, at int64)      { return uuid{}, 0 }
func (emptyList) find(uuid, int64) (place int, has bool) { return 0, false }

// A sessionList is the sessions of all events, the newest first. What a session looks like is a decision [?].
type sessionList struct {
	content *content
	n       int
}

// startStep is the time between the starts of two sessions: as many begin as a span of events has.
const sessionStepMS = sessionSpan * slotMS / sessionsPerSpan

func newSessionList(c *content, eventCount int) sessionList {
	return sessionList{content: c, n: (eventCount + sessionSpan - 1) / sessionSpan * sessionsPerSpan}
}

func (l sessionList) total() int     { return l.n }
func (l sessionList) end() int       { return l.n }
func (l sessionList) next(i int) int { return i }

func (l sessionList) appendItem(dst []byte, i, inPage int) []byte {
	v := l.content.session(l.sessionNumber(i))
	_, start := l.cursorKey(i)
	dst = appendUUID(append(dst, `{"id":"`...), v.id)
	dst = appendUUID(append(dst, `","userId":"`...), v.userID)
	dst = append(append(dst, `","deviceType":"`...), v.device...)
	dst = append(append(dst, `","browser":"`...), v.browser...)
	dst = appendTime(append(dst, `","startedAt":`...), start, inPage%3 != 0)
	return append(dst, '}')
}

func (l sessionList) cursorKey(i int) (id uuid, at int64) {
	number := l.sessionNumber(i)
	return l.content.sessionID(number), epochMS + int64(number)*sessionStepMS //nolint:gosec // bounded by maxEvents
}

func (l sessionList) find(id uuid, at int64) (int, bool) {
	number, found := l.content.findSession(id)
	if !found || number >= uint64(l.n) { //nolint:gosec // a size is not negative
		return 0, false
	}
	i := l.n - 1 - int(number) //nolint:gosec // less than n
	_, start := l.cursorKey(i)
	return i, start == at
}

func (l sessionList) sessionNumber(i int) uint64 { return uint64(l.n - 1 - i) } //nolint:gosec // the caller gives a place

// A typeList is the events of one type [C]; how a drift spoils the type on the wire does not matter. Its total is that of
// the filter, which is a decision [?].
type typeList struct {
	*eventList
	eventType string
	count     int
}

func (l *typeList) total() int { return l.count }

func (l *typeList) next(i int) int {
	for i < l.n && l.content.eventType(l.ordinal(i)) != l.eventType {
		i++
	}
	return i
}

// A sessionEvents is the events of one session [C], perhaps only those of one type. They lie close together.
type sessionEventList struct {
	*eventList
	indices []int
}

func newSessionEventList(all *eventList, sessionID, eventType string) *sessionEventList {
	l := &sessionEventList{eventList: all}
	id, err := parseUUID(sessionID)
	if err != nil {
		return l
	}
	number, found := all.content.findSession(id)
	if !found {
		return l
	}
	first := number / sessionsPerSpan * sessionSpan
	for ordinal := first + sessionSpan; ordinal > first; {
		ordinal--
		if ordinal < all.size() && all.content.sessionNumber(ordinal) == number && (eventType == "" || all.content.eventType(ordinal) == eventType) {
			l.indices = append(l.indices, all.index(ordinal))
		}
	}
	return l
}

func (l *sessionEventList) total() int { return len(l.indices) }

func (l *sessionEventList) next(i int) int {
	for _, index := range l.indices {
		if index >= i {
			return index
		}
	}
	return l.n
}

// totals remembers how many events of a type there were, so that each is counted once. It is safe for concurrent use.
type typeCounter struct {
	mu     sync.Mutex
	byType map[string]typeCount
}

// counted is the number of events of one type below an ordinal.
type typeCount struct {
	below uint64
	count int
}

func (t *typeCounter) countType(d *dataset, eventType string) int {
	if !isEventType(eventType) {
		return 0
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.byType[eventType]
	if c.below > d.size() {
		c = typeCount{}
	}
	for ; c.below < d.size(); c.below++ {
		if d.content.eventType(c.below) == eventType {
			c.count++
		}
	}
	if t.byType == nil {
		t.byType = map[string]typeCount{}
	}
	t.byType[eventType] = c
	return c.count
}

func isEventType(text string) bool {
	for percent := range uint64(100) {
		if eventTypeAt(percent) == text {
			return true
		}
	}
	return false
}
