package datasync

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dunglas/httpsfv"

	"github.com/pawldata/pawl/internal/domain"
)

// maxWindow is the longest window of a rate limit that pawl believes. A longer window counts as unknown.
const maxWindow = 24 * time.Hour

// rateHeaders holds the rate limit from the headers of one answer. All times are by the local clock. If a header has a date,
// pawl compares it with the answer's own Date header, so that a wrong clock of the server does not cause a wrong wait.
type rateHeaders struct {
	limit      rateLimitItem // the tightest of the limits in the headers
	retryAfter time.Time     // zero if there is no Retry-After
	quota      domain.Quota
	otherUnit  bool // whether this answer has proved that the unit of all resets before was wrong
}

// A rateLimitItem is one limit in the headers of an answer. A field that the headers do not have is zero.
type rateLimitItem struct {
	name         string        // the name of the limit's policy
	limit        int64         // requests in a window
	window       time.Duration // length of the window
	hasRemaining bool          // whether the headers have the number of remaining requests
	remaining    int64         // requests left; zero or negative if no request is left
	resetText    string        // the text from which reset is parsed
	reset        time.Time     // when the window ends
}

// retryTime returns when a request may be sent again after the rate limit is used up, or zero if the headers do not say it.
// "Retry-After: 0" does not say it. In that case retryTime returns the end of the window if the headers have it.
func (r rateHeaders) retryTime(receivedAt time.Time) time.Time {
	if r.retryAfter.After(receivedAt) || r.limit.reset.IsZero() {
		return r.retryAfter
	}
	return r.limit.reset
}

// isUsedUp reports whether no request is left in the window.
func (r rateHeaders) isUsedUp() bool { return r.limit.isUsedUp() }

func (i rateLimitItem) isUsedUp() bool { return i.hasRemaining && i.remaining <= 0 }

// isTighterThan reports whether i has fewer requests left than other. If both have the same number left, the item with the
// later reset is tighter.
func (i rateLimitItem) isTighterThan(other rateLimitItem) bool {
	left, otherLeft := max(i.remaining, 0), max(other.remaining, 0)
	return left < otherLeft || left == otherLeft && i.reset.After(other.reset)
}

// quota converts the item to a domain.Quota. It returns the zero Quota if the limit or the remaining requests are unknown.
func (i rateLimitItem) quota(receivedAt time.Time) domain.Quota {
	if i.limit <= 0 || !i.hasRemaining {
		return domain.Quota{}
	}
	quota := domain.Quota{Limit: i.limit, Remaining: min(max(i.remaining, 0), i.limit), Window: i.window}
	if !i.reset.IsZero() && i.reset.Sub(receivedAt) <= maxWindow {
		quota.Reset = i.reset
	}
	return quota
}

// olderDraft holds the header names of the IETF draft up to version 06.
var olderDraft = HeaderNames{Limit: "RateLimit-Limit", Remaining: "RateLimit-Remaining", Reset: "RateLimit-Reset"}

// parse reads the rate limit from an answer's headers. It reads three forms: the headers that n names, the headers of the
// older draft, and the RateLimit field. A reset that is a plain number counts milliseconds if millis is true, else seconds.
// latency is the time from the request to the answer.
//
// The Date header has whole seconds, rounded down. If the local clock can agree with it, the two clocks count as equal, because
// otherwise every date would be up to a second late.
func (n HeaderNames) parse(h http.Header, receivedAt time.Time, latency time.Duration, millis bool) rateHeaders {
	clock := serverClock{receivedAt: receivedAt, date: receivedAt, millis: millis}
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		behind := receivedAt.Sub(date)
		if mayBeEqual := behind >= 0 && behind < time.Second+min(latency, time.Second); !mayBeEqual {
			clock.date = date
		}
	}
	policies := parsePolicies(h)
	var items []rateLimitItem
	for _, names := range []HeaderNames{n, olderDraft} {
		items = append(items, names.parseItem(h))
	}
	items = append(items, parseRateLimit(h.Values("RateLimit"))...)
	for i := range items {
		items[i].reset = clock.parseReset(items[i].resetText)
		policies.complete(&items[i])
	}
	headers := rateHeaders{limit: mergeItems(items), retryAfter: clock.parseRetryAfter(h.Get("Retry-After"))}
	headers.quota = headers.limit.quota(receivedAt)
	return headers
}

// parseItem reads the three headers with the limit, the remaining requests and the reset.
func (n HeaderNames) parseItem(h http.Header) rateLimitItem {
	var item rateLimitItem
	if limit, ok := parseFirstInteger(h.Values(n.Limit)); ok {
		item.limit = limit
	}
	remaining, err := strconv.ParseInt(strings.TrimSpace(h.Get(n.Remaining)), 10, 64)
	if err == nil {
		item.hasRemaining, item.remaining = true, remaining
	}
	item.resetText = h.Get(n.Reset)
	return item
}

// parseRateLimit reads the RateLimit field. In version 10 of the IETF draft (draft-ietf-httpapi-ratelimit-headers) it is a
// list like `"default";r=0;t=30`. In version 07 it is a dictionary like `limit=10, remaining=0, reset=42`.
func parseRateLimit(fields []string) (items []rateLimitItem) {
	if list, err := httpsfv.UnmarshalList(fields); err == nil {
		for _, member := range list {
			if element, ok := member.(httpsfv.Item); ok && element.Params != nil {
				item := rateLimitItem{name: toText(element.Value)}
				item.remaining, item.hasRemaining = toInteger(element.Params.Get("r"))
				item.resetText = toNumberText(element.Params.Get("t"))
				items = append(items, item)
			}
		}
		return items
	}
	dictionary, err := httpsfv.UnmarshalDictionary(fields)
	if err != nil {
		return nil
	}
	value := func(key string) (any, bool) {
		member, _ := dictionary.Get(key)
		item, ok := member.(httpsfv.Item)
		return item.Value, ok
	}
	var item rateLimitItem
	item.limit, _ = toInteger(value("limit"))
	item.remaining, item.hasRemaining = toInteger(value("remaining"))
	item.resetText = toNumberText(value("reset"))
	return []rateLimitItem{item}
}

// A policy is a limit that the API announces. It does not say how many requests are left. A field that the API does not
// announce is zero.
type policy struct {
	name   string
	limit  int64
	window time.Duration
}

type policies []policy

// parsePolicies reads the RateLimit-Policy field, which looks like `"default";q=10;w=60`, or in older drafts like `10;w=60`. It
// also reads RateLimit-Limit, where policies in the older form may follow the limit. It omits policies that do not count
// requests.
func parsePolicies(h http.Header) (all policies) {
	for _, field := range []string{"RateLimit-Policy", "RateLimit-Limit"} {
		list, err := httpsfv.UnmarshalList(h.Values(field))
		if err != nil {
			continue
		}
		for _, member := range list {
			item, ok := member.(httpsfv.Item)
			if !ok || item.Params == nil {
				continue
			}
			if unit, found := item.Params.Get("qu"); found && toText(unit) != "requests" {
				continue
			}
			p := policy{name: toText(item.Value)}
			const hasValue = true
			if p.limit, ok = toInteger(item.Value, hasValue); !ok { // else the item has the older form
				p.limit, _ = toInteger(item.Params.Get("q"))
			}
			if w, ok := toInteger(item.Params.Get("w")); ok && w > 0 && w <= int64(maxWindow/time.Second) {
				p.window = time.Duration(w) * time.Second
			}
			all = append(all, p)
		}
	}
	return all
}

// complete adds to an item the limit and the window of its policy. If the item has a name, its policy is the first policy
// with that name. Otherwise it is the first policy that has a window and the item's limit.
func (all policies) complete(item *rateLimitItem) {
	i := slices.IndexFunc(all, func(p policy) bool {
		if item.name != "" {
			return p.name == item.name
		}
		return item.limit > 0 && p.limit == item.limit && p.window > 0
	})
	if i < 0 {
		return
	}
	item.window = all[i].window
	if item.limit == 0 {
		item.limit = all[i].limit
	}
}

// mergeItems returns the tightest of the items with a remaining count. If that item has no limit or no reset, mergeItems
// takes the largest limit or the latest reset of the items without a remaining count.
func mergeItems(items []rateLimitItem) rateLimitItem {
	var tightest, rest rateLimitItem
	for _, item := range items {
		switch {
		case !item.hasRemaining:
			if item.reset.After(rest.reset) {
				rest.reset, rest.resetText = item.reset, item.resetText
			}
			rest.limit = max(rest.limit, item.limit)
		case !tightest.hasRemaining || item.isTighterThan(tightest):
			tightest = item
		}
	}
	if tightest.reset.IsZero() {
		tightest.reset, tightest.resetText = rest.reset, rest.resetText
	}
	if tightest.limit == 0 {
		tightest.limit = rest.limit
	}
	return tightest
}

// parseFirstInteger returns the first item of a list. It reports false if there is none or if it is not an integer.
func parseFirstInteger(fields []string) (int64, bool) {
	list, err := httpsfv.UnmarshalList(fields)
	if err != nil || len(list) == 0 {
		return 0, false
	}
	item, ok := list[0].(httpsfv.Item)
	return toInteger(item.Value, ok)
}

// toInteger returns value as an integer. It reports false if value was not found or is not an integer.
func toInteger(value any, found bool) (int64, bool) {
	n, ok := value.(int64)
	return n, found && ok
}

// toNumberText returns a number as text, or "" if value is not a number. It takes and ignores the second result of a lookup,
// because the first one is nil if the lookup found nothing.
func toNumberText(value any, _ bool) string {
	switch n := value.(type) {
	case int64:
		return strconv.FormatInt(n, 10)
	case float64:
		return strconv.FormatFloat(n, 'f', -1, 64)
	default:
		return ""
	}
}

// toText returns a string or a token as text, or "" if value is neither.
func toText(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case httpsfv.Token:
		return string(v)
	default:
		return ""
	}
}

// A serverClock converts the times in an answer to times of the local clock.
type serverClock struct {
	receivedAt time.Time // by the local clock
	date       time.Time // the answer's Date header, by the server's clock; receivedAt if the clocks count as equal
	millis     bool      // whether a plain number counts milliseconds; otherwise it counts seconds
}

// A number above minEpochSeconds is not the time left in a window but a time since 1970. It counts milliseconds if it is above
// minEpochMillis, else seconds. A number of maxEpochMillis or more has no meaning.
const (
	minEpochSeconds = 1e9
	minEpochMillis  = 1e12
	maxEpochMillis  = 1e14
)

// parseReset returns the time when a window ends. The recorded form is the number of whole seconds left. parseReset also
// reads seconds with a fraction, a time since 1970 in seconds or milliseconds, RFC 3339, an HTTP-date, and a duration with
// its unit, like 42s. It returns the zero time for any other text.
func (c serverClock) parseReset(text string) time.Time {
	n, ok := parseDecimal(text)
	switch {
	case !ok:
		return c.parseTimeOrDuration(text)
	case n >= maxEpochMillis:
		return time.Time{}
	case n > minEpochMillis:
		return c.toLocal(time.UnixMilli(int64(n)))
	case n > minEpochSeconds:
		return c.toLocal(time.UnixMilli(int64(n * 1000)))
	case c.millis:
		n /= 1000
	}
	return c.receivedAt.Add(toDuration(n))
}

// parseRetryAfter reads seconds or an HTTP-date (RFC 9110, section 10.2.3). It also reads the other forms that parseReset
// reads, except times since 1970. A number of seconds above minEpochSeconds, about 31 years, counts as minEpochSeconds, so
// that it fits a time.Duration.
func (c serverClock) parseRetryAfter(text string) time.Time {
	if n, ok := parseDecimal(text); ok {
		return c.receivedAt.Add(toDuration(min(n, minEpochSeconds)))
	}
	return c.parseTimeOrDuration(text)
}

// parseTimeOrDuration reads a duration with its unit, an HTTP-date, or RFC 3339. It returns the zero time for other text.
func (c serverClock) parseTimeOrDuration(text string) time.Time {
	text = strings.TrimSpace(text)
	if left, err := time.ParseDuration(text); err == nil && left >= 0 {
		return c.receivedAt.Add(left)
	}
	if date, err := http.ParseTime(text); err == nil {
		return c.toLocal(date)
	}
	if date, err := time.Parse(time.RFC3339, text); err == nil {
		return c.toLocal(date)
	}
	return time.Time{}
}

// toLocal converts a time by the server's clock to the local clock.
func (c serverClock) toLocal(serverTime time.Time) time.Time {
	return c.receivedAt.Add(serverTime.Sub(c.date))
}

func toDuration(seconds float64) time.Duration { return time.Duration(seconds * float64(time.Second)) }

// parseDecimal reads digits with at most one decimal point. Signs and exponents are not accepted. A number that a float64
// cannot hold is read as infinite.
func parseDecimal(text string) (float64, bool) {
	text = strings.TrimSpace(text)
	if strings.Trim(text, "0123456789.") != "" {
		return 0, false
	}
	n, err := strconv.ParseFloat(text, 64)
	return n, err == nil || n > 0 // for a number that is too large, ParseFloat returns +Inf with an error
}
