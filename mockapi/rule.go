package mockapi

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A Fault selects the requests that get a wrong response. The requests with the right key to all endpoints are numbered from
// 1, in the order of arrival. If the rate limit is exhausted, the response of a fault replaces the 429. But a fault that
// needs a page is then not applied.
type Fault = Rule[FaultKind]

// A Drift selects the records that are changed. The events are numbered by the index that they had when the server started.
// Index 0 is the newest event.
type Drift = Rule[DriftKind]

// A Rule applies a kind to some numbers. It either lists the numbers in At, or selects each number with a probability. Its
// text is KIND@N[,N…] or KIND:PROBABILITY, for example 503@7,9-12 or 503:0.05. Each N is a number or a range FIRST-LAST. In
// JSON a rule is a string with this text.
type Rule[K kind] struct {
	Kind K
	// At lists the selected numbers. Rules with a probability do not apply to a number that another rule lists.
	At []int
	// Probability is greater than 0 and up to 1, or 0 if At is used. The seed decides which numbers are selected.
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
	numbered    string   // the thing that the numbers select, "request" or "event"
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
	ruleName := K("").info().ruleName // info is the same for all values of the type K
	if name, list, ok := strings.Cut(text, "@"); ok {
		numbers, err := parseNumbers(list)
		if err != nil {
			return Rule[K]{}, fmt.Errorf("%s: %q: %w", ruleName, text, err)
		}
		r := Rule[K]{Kind: K(name), At: numbers}
		return r, r.validate()
	}
	if name, number, ok := strings.Cut(text, ":"); ok {
		probability, err := strconv.ParseFloat(number, 64)
		if err != nil {
			return Rule[K]{}, fmt.Errorf("%s: %q: %q is not a number", ruleName, text, number)
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
		firstText, lastText, isRange := strings.Cut(item, "-")
		if !isRange {
			lastText = firstText
		}
		first, errFirst := strconv.Atoi(firstText)
		last, errLast := strconv.Atoi(lastText)
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

// validate returns an error if the kind is unknown, a number is too small, or not exactly one of At and Probability is used.
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

// UnmarshalText parses the text of a rule. On an error it leaves r as it was.
func (r *Rule[K]) UnmarshalText(text []byte) error {
	parsed, err := parseRule[K](string(text))
	if err == nil {
		*r = parsed
	}
	return err
}

// A schedule selects the kind for a number by a list of rules. The same seed, rules and number always give the same kind.
type schedule[K kind] struct {
	listed      map[int]K // the kinds of the numbers in At, by number
	randomRules []Rule[K] // the rules with a probability
	random      randomSequence
}

// newSchedule returns the schedule for rules. It returns an error if a rule is invalid, two rules list the same number with
// different kinds, or the probabilities add up to more than 1.
func newSchedule[K kind](seed uint64, rules []Rule[K]) (schedule[K], error) {
	info := K("").info()
	s := schedule[K]{listed: map[int]K{}, random: newRandomSequence(seed, info.ruleName+"s")}
	sum := 0.0 // of the probabilities
	for _, r := range rules {
		if err := r.validate(); err != nil {
			return schedule[K]{}, err
		}
		for _, n := range r.At {
			if other, taken := s.listed[n]; taken && other != r.Kind {
				return schedule[K]{}, fmt.Errorf("%s: %s %d cannot have both %s and %s", info.ruleName, info.numbered, n, other, r.Kind)
			}
			s.listed[n] = r.Kind
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

func (s *schedule[K]) isEmpty() bool { return len(s.listed) == 0 && len(s.randomRules) == 0 }

// kindFor returns the kind for a number, or "" if no rule selects the number. The rules with a probability use the random
// number at randomIndex. For faults randomIndex is the number itself. For drifts it is the ordinal of the event, because the
// number of a new event is negative.
func (s *schedule[K]) kindFor(number int, randomIndex uint64) K {
	if k, isListed := s.listed[number]; isListed {
		return k
	}
	// rest begins as a random number in [0, 1), made from 53 random bits. Each rule subtracts its probability. The rule that
	// makes rest negative is selected.
	rest := float64(s.random.number(randomIndex)>>11) / (1 << 53)
	for _, r := range s.randomRules {
		rest -= r.Probability
		if rest < 0 {
			return r.Kind
		}
	}
	return ""
}

// indexBy returns the values in a map by their keys.
func indexBy[K comparable, V any](all []V, key func(V) K) map[K]V {
	m := make(map[K]V, len(all))
	for _, v := range all {
		m[key(v)] = v
	}
	return m
}

func toStrings[K ~string](values []K) []string {
	texts := make([]string, len(values))
	for i, value := range values {
		texts[i] = string(value)
	}
	return texts
}
