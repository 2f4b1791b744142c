package mockapi

import "strconv"

// falsePlaces are good records with a wrong word about what comes next [C].
var falsePlaces = []fault{
	bent("stray-end", "hasMore: false long before the end", func(_ *exchange, p *page, e *envelope) bool {
		e.hasMore, e.next, e.expiresIn = "false", "null", "null"
		return p.to < p.items.end()
	}),
	bent("no-cursor", "hasMore: true with nextCursor: null", func(_ *exchange, _ *page, e *envelope) bool {
		e.hasMore, e.next, e.expiresIn = "true", "null", "null"
		return true
	}),
	bent("repeat-cursor", "the cursor that was asked for as the next one", func(x *exchange, _ *page, e *envelope) bool {
		e.hasMore, e.next = "true", strconv.Quote(x.a.cursor)
		return true
	}).unless(withoutCursor),
	bent("cycle-cursor", "the cursor that was used before this one as the next one", func(x *exchange, _ *page, e *envelope) bool {
		if x.a.earlier == "" {
			return false
		}
		e.hasMore, e.next = "true", strconv.Quote(x.a.earlier)
		return true
	}).unless(withoutCursor),
	harmless(bent("last-cursor", "a cursor beside hasMore: false, on the last page", func(x *exchange, p *page, e *envelope) bool {
		if p.to < p.items.end() || p.count == 0 {
			return false
		}
		x.goOn(p, e)
		e.hasMore = "false"
		return true
	})),
	harmless(bent("empty-tail", "hasMore: true on the last page, so that an empty one follows", func(x *exchange, p *page, e *envelope) bool {
		if p.to < p.items.end() || p.count == 0 {
			return false
		}
		x.goOn(p, e)
		return true
	})),
	harmless(bent("total-moves", "a meta.total that is up to 500 off", func(x *exchange, _ *page, e *envelope) bool {
		off := 1 + x.dice(1000)
		if off > 500 {
			off = 500 - off
		}
		e.total = max(e.total+off, 0)
		return !e.flat
	})),
}

func harmless(f fault) fault {
	f.harmless = true
	return f
}
