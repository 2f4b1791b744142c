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
	write(dst []byte, i, inPage int) []byte
	// mark is what a cursor says of a place, by which find finds it again.
	mark(i int) (id uuid, at int64)
	find(id uuid, at int64) (int, bool)
}

// collection is what a request asks to list.
func (x *exchange) collection() collection {
	switch x.a.where {
	case sessions:
		return newSessionList(&x.s.data.content, x.a.size)
	case metrics:
		return emptyList{}
	default:
		all := &eventList{view: x.view(), met: x.met}
		if session := x.a.query.Get("sessionId"); session != "" {
			return newSessionEvents(all, session, x.a.query.Get("type"))
		}
		if kind := x.a.query.Get("type"); kind != "" {
			return &typeList{eventList: all, kind: kind, count: x.s.totals.of(&all.dataset, kind)}
		}
		return all
	}
}

// An eventList is all events.
type eventList struct {
	view
	met func(*drifted) // is told of each record that is not as it should be
	e   event
}

func (l *eventList) total() int     { return l.n }
func (l *eventList) end() int       { return l.n }
func (l *eventList) next(i int) int { return i }

// write appends an event. Every third timestamp of a page, from its first, is a number [R].
func (l *eventList) write(dst []byte, i, inPage int) []byte {
	if d := l.drifted(i); d != nil {
		l.met(d)
		return append(dst, d.payload...)
	}
	l.read(i, &l.e)
	return appendEvent(dst, &l.e, inPage%3 != 0)
}

func (l *eventList) mark(i int) (id uuid, at int64) {
	l.read(i, &l.e)
	return l.e.id, l.e.at
}

func (l *eventList) find(id uuid, at int64) (int, bool) {
	i, found := l.dataset.find(id)
	if !found {
		return 0, false
	}
	l.read(i, &l.e)
	return i, l.e.at == at
}

// An emptyList is the metrics: always empty [R].
type emptyList struct{}

func (emptyList) total() int                             { return 0 }
func (emptyList) end() int                               { return 0 }
func (emptyList) next(int) int                           { return 0 }
func (emptyList) write(dst []byte, _, _ int) []byte      { return dst }
func (emptyList) mark(int) (id uuid, at int64)           { return uuid{}, 0 }
func (emptyList) find(uuid, int64) (place int, has bool) { return 0, false }

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

// A typeList is the events of one type [C]; how a drift spoils the type on the wire does not matter. Its total is that of
// the filter, which is a decision [?].
type typeList struct {
	*eventList
	kind  string
	count int
}

func (l *typeList) total() int { return l.count }

func (l *typeList) next(i int) int {
	for i < l.n && l.content.kindOf(l.ordinal(i)) != l.kind {
		i++
	}
	return i
}

// A sessionEvents is the events of one session [C], perhaps only those of one type. They lie close together.
type sessionEvents struct {
	*eventList
	places []int
}

func newSessionEvents(all *eventList, session, kind string) *sessionEvents {
	l := &sessionEvents{eventList: all}
	id, err := parseUUID(session)
	if err != nil {
		return l
	}
	number, found := all.content.findVisit(id)
	if !found {
		return l
	}
	first := number / visitCount * visitSpan
	for ordinal := first + visitSpan; ordinal > first; {
		ordinal--
		if ordinal < all.size() && all.content.visitAt(ordinal) == number && (kind == "" || all.content.kindOf(ordinal) == kind) {
			l.places = append(l.places, all.index(ordinal))
		}
	}
	return l
}

func (l *sessionEvents) total() int { return len(l.places) }

func (l *sessionEvents) next(i int) int {
	for _, place := range l.places {
		if place >= i {
			return place
		}
	}
	return l.n
}

// totals remembers how many events of a type there were, so that each is counted once. It is safe for concurrent use.
type totals struct {
	mu    sync.Mutex
	known map[string]counted
}

// counted is the number of events of one type below an ordinal.
type counted struct {
	below uint64
	count int
}

func (t *totals) of(d *dataset, kind string) int {
	if !isKind(kind) {
		return 0
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.known[kind]
	if c.below > d.size() {
		c = counted{}
	}
	for ; c.below < d.size(); c.below++ {
		if d.content.kindOf(c.below) == kind {
			c.count++
		}
	}
	if t.known == nil {
		t.known = map[string]counted{}
	}
	t.known[kind] = c
	return c.count
}

func isKind(text string) bool {
	for percent := range uint64(100) {
		if kindAt(percent) == text {
			return true
		}
	}
	return false
}
