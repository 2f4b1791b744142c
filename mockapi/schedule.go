package mockapi

import "fmt"

// A schedule decides which kind, if any, strikes a number. The same seed, rules and numbers give the same kinds.
type schedule[K kind] struct {
	scheduled map[int]K
	random    []Rule[K]
	dice      draw
}

func newSchedule[K kind](seed uint64, rules []Rule[K]) (schedule[K], error) {
	t := K("").terms()
	s := schedule[K]{scheduled: map[int]K{}, dice: newDraw(seed, t.noun+"s")}
	sum := 0.0
	for _, r := range rules {
		if err := r.validate(); err != nil {
			return schedule[K]{}, err
		}
		for _, n := range r.At {
			if other, taken := s.scheduled[n]; taken && other != r.Kind {
				return schedule[K]{}, fmt.Errorf("%s: %s %d cannot have both %s and %s", t.noun, t.of, n, other, r.Kind)
			}
			s.scheduled[n] = r.Kind
		}
		if r.Probability > 0 {
			s.random = append(s.random, r)
			sum += r.Probability
		}
	}
	if sum > 1 {
		return schedule[K]{}, fmt.Errorf("%s: the probabilities add up to %g, more than 1", t.noun, sum)
	}
	return s, nil
}

func (s *schedule[K]) empty() bool { return len(s.scheduled) == 0 && len(s.random) == 0 }

// strike is the kind scheduled at one number, else what the dice say of another, else "".
func (s *schedule[K]) strike(number int, thrown uint64) K {
	if k, scheduled := s.scheduled[number]; scheduled {
		return k
	}
	left := float64(s.dice.at(thrown)>>11) / (1 << 53)
	for _, r := range s.random {
		if left -= r.Probability; left < 0 {
			return r.Kind
		}
	}
	return ""
}
