package mockapi

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
