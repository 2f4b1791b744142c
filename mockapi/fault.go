package mockapi

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A FaultKind is one way in which an answer goes wrong.
type FaultKind string

const (
	// FaultTooMany is a 429 that the rate limit did not cause, with Retry-After: 1 [C].
	FaultTooMany FaultKind = "429"
	// FaultServerError is a 500 with a JSON body.
	FaultServerError FaultKind = "500"
	// FaultUnavailable is the load balancer's 503: an HTML body, Server: awselb/2.0, no Retry-After [C].
	FaultUnavailable FaultKind = "503"
	// FaultReset resets the TCP connection before any byte of an answer. Go's own client silently sends a GET again
	// when that happens to a connection it had used before; the journal shows the second request.
	FaultReset FaultKind = "reset"
	// FaultResetBody resets the TCP connection after the headers and half of the body.
	FaultResetBody FaultKind = "reset-body"
	// FaultExpired is a 400 CURSOR_EXPIRED to a cursor that is still fresh. A request without a cursor is spared.
	FaultExpired FaultKind = "expired"
)

// FaultKinds lists every kind.
func FaultKinds() []FaultKind {
	return []FaultKind{FaultTooMany, FaultServerError, FaultUnavailable, FaultReset, FaultResetBody, FaultExpired}
}

// A Fault says when a kind strikes: at the requests numbered in At, or at any request with a probability.
// Requests are the authorised ones to /events, numbered from 1 as they arrive.
type Fault struct {
	Kind FaultKind
	// At holds request numbers. What is scheduled always strikes, also inside a spent rate limit window.
	At []int
	// Probability is between 0 and 1, decided from the seed and the request's number. Scheduled faults come first.
	Probability float64
}

// maxRange bounds FIRST-LAST in the text of a fault.
const maxRange = 10_000

// ParseFault reads KIND@N[,N…] with N a request number or a range FIRST-LAST, or KIND:PROBABILITY.
func ParseFault(text string) (Fault, error) {
	if kind, list, ok := strings.Cut(text, "@"); ok {
		at, err := parseNumbers(list)
		if err != nil {
			return Fault{}, fmt.Errorf("fault: %q: %w", text, err)
		}
		f := Fault{Kind: FaultKind(kind), At: at}
		return f, f.validate()
	}
	if kind, p, ok := strings.Cut(text, ":"); ok {
		probability, err := strconv.ParseFloat(p, 64)
		if err != nil {
			return Fault{}, fmt.Errorf("fault: %q: %q is not a number", text, p)
		}
		f := Fault{Kind: FaultKind(kind), Probability: probability}
		return f, f.validate()
	}
	return Fault{}, fmt.Errorf("fault: %q is neither KIND@N[,N...] nor KIND:PROBABILITY", text)
}

func parseNumbers(list string) ([]int, error) {
	var at []int
	for item := range strings.SplitSeq(list, ",") {
		from, to, ranged := strings.Cut(item, "-")
		if !ranged {
			to = from
		}
		first, errFirst := strconv.Atoi(from)
		last, errLast := strconv.Atoi(to)
		if errFirst != nil || errLast != nil || last < first {
			return nil, fmt.Errorf("%q is neither a request number nor a range FIRST-LAST", item)
		}
		if last-first >= maxRange {
			return nil, fmt.Errorf("%q is longer than %d", item, maxRange)
		}
		for n := first; n <= last; n++ {
			at = append(at, n)
		}
	}
	return at, nil
}

func (f Fault) validate() error {
	if !slices.Contains(FaultKinds(), f.Kind) {
		return fmt.Errorf("fault: %q is none of %v", f.Kind, FaultKinds())
	}
	if len(f.At) == 0 && (!(f.Probability > 0) || f.Probability > 1) {
		return fmt.Errorf("fault: %s needs request numbers, or a probability above 0 and up to 1", f.Kind)
	}
	if len(f.At) > 0 && f.Probability != 0 {
		return fmt.Errorf("fault: %s is either scheduled or random, not both", f.Kind)
	}
	for _, n := range f.At {
		if n < 1 {
			return fmt.Errorf("fault: %s: requests are numbered from 1, got %d", f.Kind, n)
		}
	}
	return nil
}

// String is the text that ParseFault reads.
func (f Fault) String() string {
	if len(f.At) == 0 {
		return string(f.Kind) + ":" + strconv.FormatFloat(f.Probability, 'g', -1, 64)
	}
	numbers := make([]string, len(f.At))
	for i, n := range f.At {
		numbers[i] = strconv.Itoa(n)
	}
	return string(f.Kind) + "@" + strings.Join(numbers, ",")
}
