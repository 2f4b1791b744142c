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
	// find returns the index whose cursorKey is id and timeMS. found is false if there is no such index.
	find(id uuid, timeMS int64) (index int, found bool)
}

// collection returns the collection that the request of x asks for, filtered by its parameters.
func (x *exchange) collection() collection {
	switch x.req.endpoint {
	case sessionsEndpoint:
		return newSessionList(&x.server.data.content, x.req.size)
	case metricsEndpoint:
		return emptyList{}
	default:
		allEvents := &eventList{snapshot: x.snapshot(), onDrift: x.recordDrift}
		eventType := x.req.query.Get("type")
		if sessionID := x.req.query.Get("sessionId"); sessionID != "" {
			return newSessionEventList(allEvents, sessionID, eventType)
		}
		if eventType != "" {
			count := x.server.typeCounts.count(&allEvents.dataset, eventType)
			return &typeList{eventList: allEvents, eventType: eventType, count: count}
		}
		return allEvents
	}
}

// An eventList lists all events. It is not safe for concurrent use.
type eventList struct {
	snapshot                      // the events, through the methods and fields of [dataset]
	onDrift  func(*changedRecord) // is called for each appended record that a drift changed
	buffer   event                // is used again for each event, so that nothing is allocated
}

func (l *eventList) total() int     { return l.n }
func (l *eventList) end() int       { return l.n }
func (l *eventList) next(i int) int { return i }

// appendItem appends an event. Every third timestamp of a page, beginning with the first, is a number [R]. The marks [R],
// [C] and [?] are explained in doc.go.
func (l *eventList) appendItem(dst []byte, i, inPage int) []byte {
	if changed := l.changedRecord(i); changed != nil {
		l.onDrift(changed)
		return append(dst, changed.payload...)
	}
	l.read(i, &l.buffer)
	isoTime := inPage%3 != 0
	return appendEvent(dst, &l.buffer, isoTime)
}

func (l *eventList) cursorKey(i int) (id uuid, timeMS int64) {
	l.read(i, &l.buffer)
	return l.buffer.id, l.buffer.timeMS
}

func (l *eventList) find(id uuid, timeMS int64) (index int, found bool) {
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
	n       int // the number of sessions
}

// sessionStepMS is the time between the starts of two sessions. All intervals are equal.
const sessionStepMS = sessionSpan * slotMS / sessionsPerSpan

// newSessionList returns the sessions of all spans that have an event. A span is a range of sessionSpan events.
func newSessionList(c *content, eventCount int) sessionList {
	spans := (eventCount + sessionSpan - 1) / sessionSpan // rounded up
	return sessionList{content: c, n: spans * sessionsPerSpan}
}

func (l sessionList) total() int     { return l.n }
func (l sessionList) end() int       { return l.n }
func (l sessionList) next(i int) int { return i }

func (l sessionList) appendItem(dst []byte, i, inPage int) []byte {
	s := l.content.session(l.sessionNumber(i))
	_, startMS := l.cursorKey(i)
	isoTime := inPage%3 != 0 // like the timestamps of events
	dst = appendUUID(append(dst, `{"id":"`...), s.id)
	dst = appendUUID(append(dst, `","userId":"`...), s.userID)
	dst = append(append(dst, `","deviceType":"`...), s.device...)
	dst = append(append(dst, `","browser":"`...), s.browser...)
	dst = appendTime(append(dst, `","startedAt":`...), startMS, isoTime)
	return append(dst, '}')
}

func (l sessionList) cursorKey(i int) (id uuid, timeMS int64) {
	number := l.sessionNumber(i)
	return l.content.sessionID(number), epochMS + int64(number)*sessionStepMS //nolint:gosec // bounded by maxEvents
}

func (l sessionList) find(id uuid, timeMS int64) (index int, found bool) {
	number, found := l.content.findSession(id)
	if !found || number >= uint64(l.n) { //nolint:gosec // a size is not negative
		return 0, false
	}
	i := l.n - 1 - int(number) //nolint:gosec // less than n
	_, startMS := l.cursorKey(i)
	return i, startMS == timeMS
}

// sessionNumber returns the number of the session at index i. Numbers begin with 0, the oldest session.
func (l sessionList) sessionNumber(i int) uint64 { return uint64(l.n - 1 - i) } //nolint:gosec // i is an index

// A typeList lists the events of one type [C]. It uses the type of the event, even if a drift writes another type on the
// wire. The mock decides that total counts only the events of the type [?].
type typeList struct {
	*eventList
	eventType string
	count     int // the number of events of the type
}

func (l *typeList) total() int { return l.count }

func (l *typeList) next(i int) int {
	for i < l.n && l.content.eventType(l.ordinal(i)) != l.eventType {
		i++
	}
	return i
}

// A sessionEventList lists the events of one session [C], or only those of them that have one type.
type sessionEventList struct {
	*eventList
	indices []int // ascending, so the newest event is first
}

// newSessionEventList returns the events of a session that have a type, or all its events if eventType is empty. The list
// is empty if there is no such session. The function searches one span only, because a session's events are in one span.
func newSessionEventList(allEvents *eventList, sessionID, eventType string) *sessionEventList {
	list := &sessionEventList{eventList: allEvents}
	id, err := parseUUID(sessionID)
	if err != nil {
		return list
	}
	number, found := allEvents.content.findSession(id)
	if !found {
		return list
	}
	// Ordinals count from the oldest event. Begin with the newest event of the span, so that the indices are ascending.
	span := number / sessionsPerSpan
	newest := span*sessionSpan + sessionSpan - 1
	for age := range uint64(sessionSpan) {
		ordinal := newest - age
		if ordinal >= allEvents.size() || allEvents.content.sessionNumber(ordinal) != number {
			continue
		}
		if eventType == "" || allEvents.content.eventType(ordinal) == eventType {
			list.indices = append(list.indices, allEvents.index(ordinal))
		}
	}
	return list
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

// A typeCounter counts the events of each type. It keeps its counts, so that it examines only the new events when the
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
	counted := t.byType[eventType]
	if counted.examined > d.size() { // the collection has become smaller
		counted = typeCount{}
	}
	for ; counted.examined < d.size(); counted.examined++ {
		ordinal := counted.examined // the next event to examine
		if d.content.eventType(ordinal) == eventType {
			counted.count++
		}
	}
	if t.byType == nil {
		t.byType = map[string]typeCount{}
	}
	t.byType[eventType] = counted
	return counted.count
}

// isEventType reports whether text is a type of events. eventTypeFor returns each type for at least one percentage.
func isEventType(text string) bool {
	for percent := range uint64(100) {
		if eventTypeFor(percent) == text {
			return true
		}
	}
	return false
}
