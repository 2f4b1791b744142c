package domain

import (
	"fmt"
	"strconv"
	"strings"
)

// shownRejects is how many of a page's rejects are shown when there are too many of them.
const shownRejects = 3

// TooStrange is the error that refuses a page for its rejects, nil if it may park them all. It shows some of them and
// names what they have in common: so many at once are rarely the records' fault.
func (p ReadPage) TooStrange(rejects []Reject) error {
	if len(rejects) <= p.MayPark {
		return nil
	}
	most, n := mostCommon(rejects)
	cause := "the API has changed, or what it sends is broken"
	if n == len(rejects) {
		cause += "; all of them have the same fault"
	}
	return &Error{
		Kind: Rejected, Op: "read page",
		Err: fmt.Errorf("%d of %d records (pass %d, behind record %d, request id %q) cannot be rows, most often (%d) for %s; %s",
			len(rejects), p.Received, p.To.Pass, p.From.Position, p.Receipt.RequestID, n, most, samples(rejects)),
		Hint: "nothing of this page was stored: " + cause +
			"; to park such records as dead letters and go on: `pawl run --max-reject-ratio 1`",
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

// samples shows some of the rejects, of as many causes as there is room for.
func samples(rejects []Reject) string {
	var shown, others []string
	causes := map[string]bool{}
	for _, r := range rejects {
		text := "record " + strconv.Itoa(r.Record.Index) + ": " + r.Why.Error()
		if causes[r.cause()] {
			others = append(others, text)
		} else {
			shown = append(shown, text)
		}
		causes[r.cause()] = true
	}
	shown = append(shown, others...)
	return strings.Join(shown[:min(shownRejects, len(shown))], "; ")
}

func (r Reject) cause() string {
	if r.Why.Field == "" {
		return strconv.Quote(r.Why.Reason)
	}
	return strconv.Quote(r.Why.Reason) + " in field " + r.Why.Field
}
