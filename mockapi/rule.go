package mockapi

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A Fault selects the requests that get a wrong response. The numbers of its rule count the requests with the right key to
// all endpoints, in the order of arrival, from 1. The response of a fault replaces the 429 of an exhausted rate limit,
// unless the fault needs a page.
type Fault = Rule[FaultKind]

// A Drift selects the records that are changed. The numbers of its rule are the indices that the events had when the server
// started. Index 0 is the newest event.
type Drift = Rule[DriftKind]

// A Rule selects numbers for a kind. It either lists the numbers in At, or selects each number with a probability. Its text
// is KIND@N[,N…] or KIND:PROBABILITY. Each N is a number or a range FIRST-LAST. JSON contains this text too.
type Rule[K kind] struct {
	Kind K
	// At lists the selected numbers. Rules with a probability do not apply to a number that another rule lists.
	At []int
	// Probability is greater than 0 and up to 1, or 0 if At is used. The seed and a number decide whether it is selected.
	Probability float64
}

// A kind is the name of a fault or a drift.
type kind interface {
	~string
	info() kindInfo
}

// A kindInfo describes the rules for one type of kinds, which is FaultKind or DriftKind.
type kindInfo struct {
	ruleName    string   // "fault" or "drift"
	numbered    string   // the thing that has a number, "request" or "event"
	firstNumber int      // the lowest valid number
	kinds       []string // all kinds
}

// maxRange is the maximum length of a range FIRST-LAST.
const maxRange = 10_000

// ParseFault parses the text of a Fault. It returns an error if the kind is unknown or a number is out of range.
func ParseFault(text string) (Fault, error) { return parseRule[FaultKind](text) }

// ParseDrift parses the text of a Drift. It returns an error if the kind is unknown or a number is out of range.
func ParseDrift(text string) (Drift, error) { return parseRule[DriftKind](text) }

func parseRule[K kind](text string) (Rule[K], error) {
	ruleName := K("").info().ruleName
	if name, list, ok := strings.Cut(text, "@"); ok {
		numbers, err := parseNumbers(list)
		if err != nil {
			return Rule[K]{}, fmt.Errorf("%s: %q: %w", ruleName, text, err)
		}
		r := Rule[K]{Kind: K(name), At: numbers}
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

// parseNumbers parses N[,N…], where N is a number or a range FIRST-LAST.
func parseNumbers(list string) ([]int, error) {
	var numbers []int
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
			return nil, fmt.Errorf("%q has more than %d numbers", item, maxRange)
		}
		for n := first; n <= last; n++ {
			numbers = append(numbers, n)
		}
	}
	return numbers, nil
}

func (r Rule[K]) validate() error {
	info := r.Kind.info()
	if !slices.Contains(info.kinds, string(r.Kind)) {
		return fmt.Errorf("%s: %q is not one of %v", info.ruleName, r.Kind, info.kinds)
	}
	hasProbability := r.Probability > 0 && r.Probability <= 1 // false for NaN
	if len(r.At) == 0 && !hasProbability {
		return fmt.Errorf("%s: %s needs %s numbers, or a probability above 0 and up to 1", info.ruleName, r.Kind, info.numbered)
	}
	if len(r.At) > 0 && r.Probability != 0 {
		return fmt.Errorf("%s: %s has %s numbers and a probability; only one of them is allowed", info.ruleName, r.Kind, info.numbered)
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

// A schedule selects the kind for a number by a list of rules. The same seed, rules and number always give the same kind.
type schedule[K kind] struct {
	scheduled   map[int]K // the kinds of the listed numbers, by number
	randomRules []Rule[K] // the rules with a probability
	random      randomSequence
}

// newSchedule returns the schedule for rules. It returns an error if a rule is invalid, two rules list the same number with
// different kinds, or the probabilities add up to more than 1.
func newSchedule[K kind](seed uint64, rules []Rule[K]) (schedule[K], error) {
	info := K("").info()
	s := schedule[K]{scheduled: map[int]K{}, random: newRandomSequence(seed, info.ruleName+"s")}
	sum := 0.0 // of the probabilities
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

// kindFor returns the kind for a number, or "" if no rule selects it. The rules with a probability use the random number at
// randomIndex.
func (s *schedule[K]) kindFor(number int, randomIndex uint64) K {
	if k, scheduled := s.scheduled[number]; scheduled {
		return k
	}
	// rest begins as a random number in [0, 1). Each rule subtracts its probability. The rule that makes rest negative is
	// selected.
	rest := float64(s.random.number(randomIndex)>>11) / (1 << 53)
	for _, r := range s.randomRules {
		rest -= r.Probability
		if rest < 0 {
			return r.Kind
		}
	}
	return ""
}

// indexBy returns the values by their keys.
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
