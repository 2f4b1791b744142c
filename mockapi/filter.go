package mockapi

import "sync"

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
