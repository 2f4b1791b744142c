package mockapi

import "fmt"

// A scenario decides which fault, if any, strikes a request. The same seed, faults and requests give the same failures.
type scenario struct {
	scheduled map[int]FaultKind
	random    []Fault
	dice      draw
}

func newScenario(seed uint64, faults []Fault) (scenario, error) {
	s := scenario{scheduled: map[int]FaultKind{}, dice: newDraw(seed, "faults")}
	sum := 0.0
	for _, f := range faults {
		if err := f.validate(); err != nil {
			return scenario{}, err
		}
		for _, n := range f.At {
			if other, taken := s.scheduled[n]; taken && other != f.Kind {
				return scenario{}, fmt.Errorf("fault: request %d cannot have both %s and %s", n, other, f.Kind)
			}
			s.scheduled[n] = f.Kind
		}
		if f.Probability > 0 {
			s.random = append(s.random, f)
			sum += f.Probability
		}
	}
	if sum > 1 {
		return scenario{}, fmt.Errorf("fault: the probabilities add up to %g, more than 1", sum)
	}
	return s, nil
}

// strike is the fault of the n-th request, or "".
func (s scenario) strike(n int, hasCursor bool) FaultKind {
	kind, scheduled := s.scheduled[n]
	if !scheduled {
		kind = s.roll(n)
	}
	if kind == FaultExpired && !hasCursor {
		return ""
	}
	return kind
}

func (s scenario) roll(n int) FaultKind {
	left := float64(s.dice.forRequest(n)>>11) / (1 << 53)
	for _, f := range s.random {
		if left -= f.Probability; left < 0 {
			return f.Kind
		}
	}
	return ""
}
