package mockapi

import "sync"

// A collection is the content of a list endpoint. Its items have indices that begin with 0, the newest item. In a filtered
// collection, some indices have no item.
type collection interface {
	// total returns the number of items. Pages contain it as meta.total.
	total() int
	// end returns an index after the last item.
	end() int
	// next returns the first index >= i that has an item, or end if there is no such index.
	next(i int) int
	// appendItem appends the item at index i as JSON. inPage is the item's index in the page.
	appendItem(dst []byte, i, inPage int) []byte
	// cursorKey returns the id and the time of the item at index i. A cursor contains them.
	cursorKey(i int) (id uuid, timeMS int64)
	// find returns the index whose cursorKey is id and timeMS. It returns false if there is no such index.
	find(id uuid, timeMS int64) (int, bool)
}

// collection returns the collection that the request asks for, filtered by its parameters.
func (x *exchange) collection() collection {
	switch x.req.endpoint {
	case sessionsEndpoint:
		return newSessionList(&x.server.data.content, x.req.size)
	case metricsEndpoint:
		return emptyList{}
	default:
		all := &eventList{snapshot: x.snapshot(), onDrift: x.recordDrift}
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

// An eventList lists all events. It is not safe for concurrent use.
type eventList struct {
	snapshot
	onDrift func(*changedRecord) // is called for each appended record that a drift changed
	buffer  event
}

func (l *eventList) total() int     { return l.n }
func (l *eventList) end() int       { return l.n }
func (l *eventList) next(i int) int { return i }

// appendItem appends an event. Every third timestamp of a page, beginning with the first, is a number [R].
func (l *eventList) appendItem(dst []byte, i, inPage int) []byte {
	if d := l.changedRecord(i); d != nil {
		l.onDrift(d)
		return append(dst, d.payload...)
	}
	l.read(i, &l.buffer)
	return appendEvent(dst, &l.buffer, inPage%3 != 0)
}

func (l *eventList) cursorKey(i int) (id uuid, timeMS int64) {
	l.read(i, &l.buffer)
	return l.buffer.id, l.buffer.timeMS
}

func (l *eventList) find(id uuid, timeMS int64) (int, bool) {
	i, found := l.dataset.find(id)
	if !found {
		return 0, false
	}
	l.read(i, &l.buffer)
	return i, l.buffer.timeMS == timeMS
}

// An emptyList is a list without items. The list of metrics is always empty [R].
type emptyList struct{}

func (emptyList) total() int                               { return 0 }
func (emptyList) end() int                                 { return 0 }
func (emptyList) next(int) int                             { return 0 }
func (emptyList) appendItem(dst []byte, _, _ int) []byte   { return dst }
func (emptyList) cursorKey(int) (id uuid, timeMS int64)    { return uuid{}, 0 }
func (emptyList) find(uuid, int64) (index int, found bool) { return 0, false }

// A sessionList lists the sessions of all events, newest first. The mock decides which members a session has [?].
type sessionList struct {
	content *content
	n       int
}

// sessionStepMS is the time between the starts of two sessions. All intervals are equal.
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

func (l sessionList) cursorKey(i int) (id uuid, timeMS int64) {
	number := l.sessionNumber(i)
	return l.content.sessionID(number), epochMS + int64(number)*sessionStepMS //nolint:gosec // bounded by maxEvents
}

func (l sessionList) find(id uuid, timeMS int64) (int, bool) {
	number, found := l.content.findSession(id)
	if !found || number >= uint64(l.n) { //nolint:gosec // a size is not negative
		return 0, false
	}
	i := l.n - 1 - int(number) //nolint:gosec // less than n
	_, start := l.cursorKey(i)
	return i, start == timeMS
}

func (l sessionList) sessionNumber(i int) uint64 { return uint64(l.n - 1 - i) } //nolint:gosec // i is an index

// A typeList lists the events of one type [C]. It uses the type of the event, even if a drift writes another type on the
// wire. The mock decides that total counts only the events of the type [?].
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

// A sessionEventList lists the events of one session [C]. It can also list only the session's events of one type.
type sessionEventList struct {
	*eventList
	indices []int // ascending, so the newest event is first
}

// newSessionEventList returns the events of a session that have a type, or all its events if eventType is empty. The list
// is empty if there is no such session. The function searches one span only, because a session's events are in one span.
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
	span := number / sessionsPerSpan
	newest := span*sessionSpan + sessionSpan - 1
	for age := range uint64(sessionSpan) {
		ordinal := newest - age
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

// A typeCounter counts the events of each type. It stores its counts. Therefore it examines only the new events when the
// collection has grown. It is safe for concurrent use.
type typeCounter struct {
	mu     sync.Mutex
	byType map[string]typeCount
}

// A typeCount is the number of events of one type among the oldest events.
type typeCount struct {
	examined uint64 // the number of events that were examined, beginning with the oldest
	count    int
}

// count returns the number of events of a type in d. It returns 0 if the type is unknown.
func (t *typeCounter) count(d *dataset, eventType string) int {
	if !isEventType(eventType) {
		return 0
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.byType[eventType]
	if c.examined > d.size() { // the collection has become smaller
		c = typeCount{}
	}
	for ; c.examined < d.size(); c.examined++ {
		if d.content.eventType(c.examined) == eventType {
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
		if eventTypeFor(percent) == text {
			return true
		}
	}
	return false
}
