package mockapi

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A Fault selects the requests that get a wrong response. It numbers the requests with the right key to all endpoints, in
// the order of arrival, from 1. Its response replaces the 429 of an exhausted rate limit, unless the fault needs a page.
type Fault = Rule[FaultKind]

// A Drift selects the records that are changed. It numbers the events of the collection with which the server started,
// from 0, the newest.
type Drift = Rule[DriftKind]

// A Rule selects numbers for a kind: either those listed in At, or any number with a probability. Its text, also in JSON,
// is KIND@N[,N…], where N is a number or a range FIRST-LAST, or KIND:PROBABILITY.
type Rule[K kind] struct {
	Kind K
	// At is a list of numbers. A number that is in a list does not depend on the rules with a probability.
	At []int
	// Probability is between 0 and 1. Whether a number is selected depends on the seed and the number.
	Probability float64
}

// A kind is the name of a fault or a drift.
type kind interface {
	~string
	info() kindInfo
}

// A kindInfo describes the rules for a type of kinds.
type kindInfo struct {
	ruleName    string // "fault" or "drift"
	numbered    string // what is numbered: "request" or "event"
	firstNumber int
	kinds       []string // all kinds
}

// maxRange is the maximum length of a range FIRST-LAST.
const maxRange = 10_000

// ParseFault parses the text of a Fault. It returns an error if the kind is unknown or a number is out of range.
func ParseFault(text string) (Fault, error) { return parseRule[FaultKind](text) }

// ParseDrift parses the text of a Drift, as [ParseFault] does.
func ParseDrift(text string) (Drift, error) { return parseRule[DriftKind](text) }

func parseRule[K kind](text string) (Rule[K], error) {
	ruleName := K("").info().ruleName
	if name, list, ok := strings.Cut(text, "@"); ok {
		at, err := parseNumbers(list)
		if err != nil {
			return Rule[K]{}, fmt.Errorf("%s: %q: %w", ruleName, text, err)
		}
		r := Rule[K]{Kind: K(name), At: at}
		return r, r.validate()
	}
	if name, p, ok := strings.Cut(text, ":"); ok {
		probability, err := strconv.ParseFloat(p, 64)
		if err != nil {
			return Rule[K]{}, fmt.Errorf("%s: %q: %q is not a number", ruleName, text, p)
		}
		r := Rule[K]{Kind: K(name), Probability: probability}
		return r, r.validate()
	}
	return Rule[K]{}, fmt.Errorf("%s: %q is neither KIND@N[,N...] nor KIND:PROBABILITY", ruleName, text)
}

func parseNumbers(list string) ([]int, error) {
	var at []int
	for item := range strings.SplitSeq(list, ",") {
		from, to, isRange := strings.Cut(item, "-")
		if !isRange {
			to = from
		}
		first, errFirst := strconv.Atoi(from)
		last, errLast := strconv.Atoi(to)
		if errFirst != nil || errLast != nil || last < first {
			return nil, fmt.Errorf("%q is neither a number nor a range FIRST-LAST", item)
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

func (r Rule[K]) validate() error {
	info := r.Kind.info()
	if !slices.Contains(info.kinds, string(r.Kind)) {
		return fmt.Errorf("%s: %q is not one of %v", info.ruleName, r.Kind, info.kinds)
	}
	if len(r.At) == 0 && (!(r.Probability > 0) || r.Probability > 1) {
		return fmt.Errorf("%s: %s needs %s numbers, or a probability above 0 and up to 1", info.ruleName, r.Kind, info.numbered)
	}
	if len(r.At) > 0 && r.Probability != 0 {
		return fmt.Errorf("%s: %s is either scheduled or random, not both", info.ruleName, r.Kind)
	}
	for _, n := range r.At {
		if n < info.firstNumber {
			return fmt.Errorf("%s: %s: %ss are numbered from %d, got %d", info.ruleName, r.Kind, info.numbered, info.firstNumber, n)
		}
	}
	return nil
}

// String returns the text that [ParseFault] and [ParseDrift] parse.
func (r Rule[K]) String() string {
	if len(r.At) == 0 {
		return string(r.Kind) + ":" + strconv.FormatFloat(r.Probability, 'g', -1, 64)
	}
	numbers := make([]string, len(r.At))
	for i, n := range r.At {
		numbers[i] = strconv.Itoa(n)
	}
	return string(r.Kind) + "@" + strings.Join(numbers, ",")
}

// MarshalText returns the text of the rule.
func (r Rule[K]) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText parses the text of a rule. On an error it changes nothing.
func (r *Rule[K]) UnmarshalText(text []byte) error {
	parsed, err := parseRule[K](string(text))
	if err == nil {
		*r = parsed
	}
	return err
}

// A schedule selects the kind for a number by a list of rules. The same seed, rules and number give the same kind.
type schedule[K kind] struct {
	scheduled   map[int]K // by number
	randomRules []Rule[K]
	random      randomSequence
}

// newSchedule returns the schedule for rules. It returns an error if a rule is invalid, two rules list the same number with
// different kinds, or the probabilities add up to more than 1.
func newSchedule[K kind](seed uint64, rules []Rule[K]) (schedule[K], error) {
	info := K("").info()
	s := schedule[K]{scheduled: map[int]K{}, random: newRandomSequence(seed, info.ruleName+"s")}
	sum := 0.0
	for _, r := range rules {
		if err := r.validate(); err != nil {
			return schedule[K]{}, err
		}
		for _, n := range r.At {
			if other, taken := s.scheduled[n]; taken && other != r.Kind {
				return schedule[K]{}, fmt.Errorf("%s: %s %d cannot have both %s and %s", info.ruleName, info.numbered, n, other, r.Kind)
			}
			s.scheduled[n] = r.Kind
		}
		if r.Probability > 0 {
			s.randomRules = append(s.randomRules, r)
			sum += r.Probability
		}
	}
	if sum > 1 {
		return schedule[K]{}, fmt.Errorf("%s: the probabilities add up to %g, more than 1", info.ruleName, sum)
	}
	return s, nil
}

func (s *schedule[K]) isEmpty() bool { return len(s.scheduled) == 0 && len(s.randomRules) == 0 }

// kindFor returns the kind for a number, "" for none. The rules with a probability use the random number at randomIndex.
func (s *schedule[K]) kindFor(number int, randomIndex uint64) K {
	if k, scheduled := s.scheduled[number]; scheduled {
		return k
	}
	remaining := float64(s.random.at(randomIndex)>>11) / (1 << 53)
	for _, r := range s.randomRules {
		if remaining -= r.Probability; remaining < 0 {
			return r.Kind
		}
	}
	return ""
}

func indexBy[K comparable, V any](all []V, key func(V) K) map[K]V {
	m := make(map[K]V, len(all))
	for _, v := range all {
		m[key(v)] = v
	}
	return m
}

func toStrings[K ~string](kinds []K) []string {
	all := make([]string, len(kinds))
	for i, k := range kinds {
		all[i] = string(k)
	}
	return all
}
