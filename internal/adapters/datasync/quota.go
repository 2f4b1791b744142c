package datasync

import (
	"strconv"
	"strings"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

// quotaOf is what was told as the domain wants it: known as a whole or not at all.
func (t told) quotaOf(limit int64, window time.Duration, at time.Time) domain.Quota {
	if limit <= 0 || !t.hasRemaining {
		return domain.Quota{}
	}
	quota := domain.Quota{Limit: limit, Remaining: min(max(t.remaining, 0), limit), Window: window}
	if !t.reset.IsZero() && t.reset.Sub(at) <= longestWindow {
		quota.Reset = t.reset
	}
	return quota
}

// A standing is one policy's item in the RateLimit field of the IETF draft (draft-ietf-httpapi-ratelimit-headers-10).
type standing struct {
	found     bool
	name      string
	remaining int64
	reset     time.Time
}

// readStructured reads the RateLimit field, as in `"default";r=0;t=30`: of several policies the one with the least left
// counts.
func readStructured(fields []string, server serverClock) (tightest standing) {
	for name, params := range items(fields) {
		remaining, err := strconv.ParseInt(params["r"], 10, 64)
		if err == nil && (!tightest.found || remaining < tightest.remaining) {
			tightest = standing{true, name, remaining, server.reset(params["t"])}
		}
	}
	return tightest
}

// A policy is one item of the draft's RateLimit-Policy field; zero fields were not announced.
type policy struct {
	name   string
	limit  int64
	window time.Duration
}

type policies []policy

// readPolicies reads the RateLimit-Policy field, as in `"default";q=10;w=60`, but for policies that count anything else
// than requests.
func readPolicies(fields []string) (all policies) {
	for name, params := range items(fields) {
		if unit := params["qu"]; unit != "" && unit != `"requests"` {
			continue
		}
		p := policy{name: name}
		p.limit, _ = wholeNumber(params["q"])
		if w, ok := wholeNumber(params["w"]); ok && w <= int64(longestWindow/time.Second) {
			p.window = time.Duration(w) * time.Second
		}
		all = append(all, p)
	}
	return all
}

// named is the policy of that name, the zero policy if there is none.
func (all policies) named(name string) policy {
	for _, p := range all {
		if p.name == name {
			return p
		}
	}
	return policy{}
}

// withLimit is the policy that allows as much, the zero policy if there is none: other headers have a limit, no name.
func (all policies) withLimit(limit int64) policy {
	for _, p := range all {
		if p.limit == limit {
			return p
		}
	}
	return policy{}
}

// items yields the items of a list of RFC 9651 with their parameters, as far as the draft needs it: no name holds a
// comma or a semicolon.
func items(fields []string) func(yield func(name string, params map[string]string) bool) {
	return func(yield func(string, map[string]string) bool) {
		for item := range strings.SplitSeq(strings.Join(fields, ","), ",") {
			name, rest, _ := strings.Cut(item, ";")
			params := map[string]string{}
			for param := range strings.SplitSeq(rest, ";") {
				key, value, _ := strings.Cut(strings.TrimSpace(param), "=")
				params[key] = value
			}
			if !yield(strings.TrimSpace(name), params) {
				return
			}
		}
	}
}
