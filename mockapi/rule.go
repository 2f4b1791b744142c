package mockapi

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A kind names a row of a table of things that can be wrong.
type kind interface {
	~string
	info() kindInfo
}

// terms are how the rules of a kind are spoken of.
type kindInfo struct {
	ruleName    string   // what a rule is: "fault"
	numbered    string   // what it numbers: "request"
	firstNumber int      // the first number
	all         []string // all there are
}

// A Rule says when a kind strikes: at what is numbered in At, or at anything with a probability. Its text, also in JSON, is
// KIND@N[,N…] with N a number or a range FIRST-LAST, or KIND:PROBABILITY.
type Rule[K kind] struct {
	Kind K
	// At holds numbers. What is scheduled comes before what is random.
	At []int
	// Probability is between 0 and 1, decided from the seed and the number.
	Probability float64
}

// A Fault strikes answers. It numbers the requests with the right key to any endpoint, from 1 as they arrive. It strikes also
// inside a spent rate limit window, in place of its 429, unless all it does is change a page.
type Fault = Rule[FaultKind]

// A Drift strikes records. It numbers the events of the collection that the mock was started with, from 0, the newest.
type Drift = Rule[DriftKind]

// maxRange bounds FIRST-LAST in the text of a rule.
const maxRange = 10_000

// ParseFault reads the text of a Fault.
func ParseFault(text string) (Fault, error) { return parseRule[FaultKind](text) }

// ParseDrift reads the text of a Drift.
func ParseDrift(text string) (Drift, error) { return parseRule[DriftKind](text) }

func parseRule[K kind](text string) (Rule[K], error) {
	noun := K("").info().ruleName
	if name, list, ok := strings.Cut(text, "@"); ok {
		at, err := parseNumbers(list)
		if err != nil {
			return Rule[K]{}, fmt.Errorf("%s: %q: %w", noun, text, err)
		}
		r := Rule[K]{Kind: K(name), At: at}
		return r, r.validate()
	}
	if name, p, ok := strings.Cut(text, ":"); ok {
		probability, err := strconv.ParseFloat(p, 64)
		if err != nil {
			return Rule[K]{}, fmt.Errorf("%s: %q: %q is not a number", noun, text, p)
		}
		r := Rule[K]{Kind: K(name), Probability: probability}
		return r, r.validate()
	}
	return Rule[K]{}, fmt.Errorf("%s: %q is neither KIND@N[,N...] nor KIND:PROBABILITY", noun, text)
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
	if !slices.Contains(info.all, string(r.Kind)) {
		return fmt.Errorf("%s: %q is none of %v", info.ruleName, r.Kind, info.all)
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

// String is the text that ParseFault and ParseDrift read.
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

// MarshalText gives the text that UnmarshalText reads.
func (r Rule[K]) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads and checks the text of a rule.
func (r *Rule[K]) UnmarshalText(text []byte) error {
	parsed, err := parseRule[K](string(text))
	if err == nil {
		*r = parsed
	}
	return err
}

// A schedule decides which kind, if any, strikes a number. The same seed, rules and numbers give the same kinds.
type schedule[K kind] struct {
	scheduled   map[int]K
	randomRules []Rule[K]
	random      randomSequence
}

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

func (s *schedule[K]) empty() bool { return len(s.scheduled) == 0 && len(s.randomRules) == 0 }

// strike is the kind scheduled at one number, else what the dice say of another, else "".
func (s *schedule[K]) kindFor(number int, draw uint64) K {
	if k, scheduled := s.scheduled[number]; scheduled {
		return k
	}
	remaining := float64(s.random.at(draw)>>11) / (1 << 53)
	for _, r := range s.randomRules {
		if remaining -= r.Probability; remaining < 0 {
			return r.Kind
		}
	}
	return ""
}
