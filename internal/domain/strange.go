package domain

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// maxShownRejects is how many of a page's rejects are shown when there are too many of them.
const maxShownRejects = 3

// CheckRejectRatio is the error that refuses a page for its rejects, nil if it may park them all. It shows some of them and
// names what they have in common: so many at once are rarely the records' fault.
func (p DecodedPage) CheckRejectRatio(rejects []Reject) error {
	if len(rejects) <= p.MaxParked {
		return nil
	}
	most, n := mostCommon(rejects)
	cause := "the API has changed, or what it sends is broken"
	if n == len(rejects) {
		cause += "; all of them have the same fault"
	}
	return &Error{
		Kind: TooManyRejects, Op: "read page",
		Err: fmt.Errorf("%d of %d records (pass %d, behind record %d, request id %q) cannot be rows, most often (%d) for %s; %s",
			len(rejects), p.Received, p.To.Pass, p.From.Offset, p.Receipt.RequestID, n, most, samples(rejects)),
		Hint:   "nothing of this page was stored: " + cause,
		Remedy: ParkRejects,
	}
}

// mostCommon is the reason and field that most rejects have, the first of them if several are as many.
func mostCommon(rejects []Reject) (reason string, n int) {
	counts := map[string]int{}
	for _, r := range rejects {
		counts[r.cause()]++
	}
	for _, r := range rejects {
		if c := counts[r.cause()]; c > n {
			reason, n = r.cause(), c
		}
	}
	return reason, n
}

// samples shows up to shownRejects of the rejects, of as many causes as there is room for.
func samples(rejects []Reject) string {
	var shown, others []Reject // the first of each cause, and others, in case there are few causes
	for _, r := range rejects {
		switch {
		case !slices.ContainsFunc(shown, func(s Reject) bool { return s.cause() == r.cause() }):
			shown = append(shown, r)
		case len(others) < maxShownRejects:
			others = append(others, r)
		}
		if len(shown) == maxShownRejects {
			break
		}
	}
	shown = append(shown, others...)
	var texts []string
	for _, r := range shown[:min(maxShownRejects, len(shown))] {
		texts = append(texts, "record "+strconv.Itoa(r.Record.Index)+": "+r.Why.Error())
	}
	return strings.Join(texts, "; ")
}

func (r Reject) cause() string {
	if r.Why.Field == "" {
		return strconv.Quote(r.Why.Reason)
	}
	return strconv.Quote(r.Why.Reason) + " in field " + r.Why.Field
}
