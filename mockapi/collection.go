package mockapi

import "sync"

// A collection is the content of a list endpoint. Its items have indices from 0, the newest; with a filter some indices
// have no item.
type collection interface {
	// total returns the number of items, as announced in the page.
	total() int
	// end returns the index after the last item.
	end() int
	// next returns the first index >= i that has an item, or end.
	next(i int) int
	// appendItem appends the item at index i as JSON; inPage is its index in the page.
	appendItem(dst []byte, i, inPage int) []byte
	// cursorKey returns what a cursor holds about index i: the item's id and time.
	cursorKey(i int) (id uuid, at int64)
	// find returns the index whose cursorKey is id and at, and false if there is none.
	find(id uuid, at int64) (int, bool)
}

// collection returns the collection that a request asks to list, with its filters.
func (x *exchange) collection() collection {
	switch x.req.endpoint {
	case sessionsEndpoint:
		return newSessionList(&x.server.data.content, x.req.size)
	case metricsEndpoint:
		return emptyList{}
	default:
		all := &eventList{snapshot: x.snapshot(), record: x.recordDrift}
		eventType := x.req.query.Get("type")
		if sessionID := x.req.query.Get("sessionId"); sessionID != "" {
			return newSessionEventList(all, sessionID, eventType)
		}
		if eventType != "" {
			return &typeList{eventList: all, eventType: eventType, count: x.server.typeCounts.count(&all.dataset, eventType)}
		}
		return all
	}
}

// An eventList is all events.
type eventList struct {
	snapshot
	record func(*changedRecord) // called with each record that a drift changed
	buffer event
}

func (l *eventList) total() int     { return l.n }
func (l *eventList) end() int       { return l.n }
func (l *eventList) next(i int) int { return i }

// appendItem appends an event. Every third timestamp of a page, beginning with the first, is a number [R].
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

// An emptyList is the list of metrics, which is always empty [R].
type emptyList struct{}

func (emptyList) total() int                               { return 0 }
func (emptyList) end() int                                 { return 0 }
func (emptyList) next(int) int                             { return 0 }
func (emptyList) appendItem(dst []byte, _, _ int) []byte   { return dst }
func (emptyList) cursorKey(int) (id uuid, at int64)        { return uuid{}, 0 }
func (emptyList) find(uuid, int64) (index int, found bool) { return 0, false }

// A sessionList is the sessions of all events, newest first. The members of a session are a decision [?].
type sessionList struct {
	content *content
	n       int
}

// sessionStepMS is the time between the starts of two sessions: the sessions of a span start at equal intervals.
const sessionStepMS = sessionSpan * slotMS / sessionsPerSpan

func newSessionList(c *content, eventCount int) sessionList {
	return sessionList{content: c, n: (eventCount + sessionSpan - 1) / sessionSpan * sessionsPerSpan}
}

func (l sessionList) total() int     { return l.n }
func (l sessionList) end() int       { return l.n }
func (l sessionList) next(i int) int { return i }

func (l sessionList) appendItem(dst []byte, i, inPage int) []byte {
	s := l.content.session(l.sessionNumber(i))
	_, start := l.cursorKey(i)
	dst = appendUUID(append(dst, `{"id":"`...), s.id)
	dst = appendUUID(append(dst, `","userId":"`...), s.userID)
	dst = append(append(dst, `","deviceType":"`...), s.device...)
	dst = append(append(dst, `","browser":"`...), s.browser...)
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

func (l sessionList) sessionNumber(i int) uint64 { return uint64(l.n - 1 - i) } //nolint:gosec // i is an index

// A typeList is the events of one type [C]. The type is that of the event, also if a drift changes it on the wire. That
// total counts the filtered events only is a decision [?].
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

// A sessionEventList is the events of one session [C], or those of them that have a given type.
type sessionEventList struct {
	*eventList
	indices []int
}

// newSessionEventList returns the events of a session; an empty eventType stands for all types. The list is empty if
// there is no such session. It searches one span only, because a session's events are all in one span.
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
		if ordinal >= all.size() || all.content.sessionNumber(ordinal) != number {
			continue
		}
		if eventType == "" || all.content.eventType(ordinal) == eventType {
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

// A typeCounter counts the events of each type. It stores its counts, so that it examines each event once while the
// collection grows. It is safe for concurrent use.
type typeCounter struct {
	mu     sync.Mutex
	byType map[string]typeCount
}

// A typeCount is the number of events of one type with an ordinal less than below.
type typeCount struct {
	below uint64
	count int
}

// count returns the number of events of a type in d, 0 for an unknown type.
func (t *typeCounter) count(d *dataset, eventType string) int {
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
