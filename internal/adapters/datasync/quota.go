package datasync

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/dunglas/httpsfv"

	"github.com/pawldata/pawl/internal/domain"
)

// quota converts the item to a domain.Quota, or returns the zero Quota if the limit or what remains of it is unknown.
func (i rateLimitItem) quota(at time.Time) domain.Quota {
	if i.limit <= 0 || !i.hasRemaining {
		return domain.Quota{}
	}
	quota := domain.Quota{Limit: i.limit, Remaining: min(max(i.remaining, 0), i.limit), Window: i.window}
	if !i.reset.IsZero() && i.reset.Sub(at) <= longestWindow {
		quota.Reset = i.reset
	}
	return quota
}

// readRateLimit reads the RateLimit field: as the IETF draft has it today (draft-ietf-httpapi-ratelimit-headers-10), a
// list like `"default";r=0;t=30`, and as version 07 had it, a dictionary like `limit=10, remaining=0, reset=42`.
func readRateLimit(fields []string) (items []rateLimitItem) {
	if list, err := httpsfv.UnmarshalList(fields); err == nil {
		for _, member := range list {
			if item, ok := member.(httpsfv.Item); ok && item.Params != nil {
				limit := rateLimitItem{name: text(item.Value)}
				limit.remaining, limit.hasRemaining = integer(item.Params.Get("r"))
				limit.resetText = numeral(item.Params.Get("t"))
				items = append(items, limit)
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
	var limit rateLimitItem
	limit.limit, _ = integer(value("limit"))
	limit.remaining, limit.hasRemaining = integer(value("remaining"))
	limit.resetText = numeral(value("reset"))
	return []rateLimitItem{limit}
}

// A policy is a limit as it is announced, whatever is left of it; zero fields were not announced.
type policy struct {
	name   string
	limit  int64
	window time.Duration
}

type policies []policy

// readPolicies reads the RateLimit-Policy field, as in `"default";q=10;w=60` or, in older drafts, `10;w=60`, which may stand
// behind the limit in RateLimit-Limit too. Policies that count anything else than requests are left out.
func readPolicies(h http.Header) (all policies) {
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
			if unit, found := item.Params.Get("qu"); found && text(unit) != "requests" {
				continue
			}
			p := policy{name: text(item.Value)}
			if p.limit, ok = integer(item.Value, true); !ok {
				p.limit, _ = integer(item.Params.Get("q"))
			}
			if w, ok := integer(item.Params.Get("w")); ok && w > 0 && w <= int64(longestWindow/time.Second) {
				p.window = time.Duration(w) * time.Second
			}
			all = append(all, p)
		}
	}
	return all
}

// complete adds to an item the limit and the window of its policy: the one of its name, or where the headers have no name
// for it, the first with a window that allows as much.
func (all policies) complete(item *rateLimitItem) {
	at := slices.IndexFunc(all, func(p policy) bool {
		if item.name != "" {
			return p.name == item.name
		}
		return item.limit > 0 && p.limit == item.limit && p.window > 0
	})
	if at < 0 {
		return
	}
	item.window = all[at].window
	if item.limit == 0 {
		item.limit = all[at].limit
	}
}

// firstInteger returns the first item of a list if it is an integer.
func firstInteger(fields []string) (int64, bool) {
	list, err := httpsfv.UnmarshalList(fields)
	if err != nil || len(list) == 0 {
		return 0, false
	}
	item, ok := list[0].(httpsfv.Item)
	return integer(item.Value, ok)
}

func integer(value any, found bool) (int64, bool) {
	n, ok := value.(int64)
	return n, found && ok
}

// numeral returns a number as text, empty if value is none.
func numeral(value any, found bool) string {
	switch n := value.(type) {
	case int64:
		return strconv.FormatInt(n, 10)
	case float64:
		return strconv.FormatFloat(n, 'f', -1, 64)
	default:
		return ""
	}
}

// text returns a string or a token, empty if value is neither.
func text(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case httpsfv.Token:
		return string(v)
	default:
		return ""
	}
}
