package protocol

import (
	"fmt"
	"slices"
	"strings"
)

// A result is what an exploration found.
type result struct {
	states int
	depth  int                // greatest number of steps that a state is away from the initial one
	taken  map[step]int       // how often each step was taken
	broken map[property]trace // a shortest trace that breaks it, for each broken property
}

// A trace is the steps from the initial state, in order.
type trace []move

type move struct {
	by   actor
	what step
}

// A node records how a state was first reached: by move, from the state of the parent node.
type node struct {
	parent int32
	move
}

// anyProperty lets explore continue to the end even if a property is broken.
const anyProperty property = ""

// A checker returns the properties that the step t from a state breaks.
type checker func(from state, t transition) []property

// explore visits every state within the scope and checks every step from it. It is a breadth-first search, so the first
// trace that breaks a property is a shortest one. It stops early when the property until is broken.
func (m model) explore(check checker, until property) result {
	res := result{taken: map[step]int{}, broken: map[property]trace{}}
	visited := map[state]struct{}{initialState(): {}}
	nodes := []node{{parent: -1}}
	queue := []state{initialState()} // queue[i] is the state of nodes[first+i]
	for first := 0; len(queue) > 0; {
		var nextQueue []state
		for i, from := range queue {
			at := int32(first + i)
			for _, t := range m.next(from) {
				res.taken[t.what]++
				for _, p := range check(from, t) {
					if _, known := res.broken[p]; !known {
						res.broken[p] = traceTo(nodes, at, move{t.by, t.what})
					}
				}
				if _, seen := visited[t.to]; !seen {
					visited[t.to] = struct{}{}
					nodes = append(nodes, node{at, move{t.by, t.what}})
					nextQueue = append(nextQueue, t.to)
				}
			}
			if _, found := res.broken[until]; found {
				res.states = len(visited)
				return res
			}
		}
		first += len(queue)
		if queue = nextQueue; len(queue) > 0 {
			res.depth++
		}
	}
	res.states = len(visited)
	return res
}

// traceTo returns the steps to the state of node at, followed by last.
func traceTo(nodes []node, at int32, last move) trace {
	moves := trace{last}
	for ; nodes[at].parent >= 0; at = nodes[at].parent {
		moves = append(moves, nodes[at].move)
	}
	slices.Reverse(moves)
	return moves
}

// render formats a trace with one step per line, and the checkpoint after each step that changes it.
func (m model) render(moves trace) string {
	var text strings.Builder
	s := initialState()
	for i, at := range moves {
		steps := m.next(s)
		taken := slices.IndexFunc(steps, func(t transition) bool { return t.by == at.by && t.what == at.what })
		before := s.db.Value().checkpoint
		s = steps[taken].to
		fmt.Fprintf(&text, "%3d. %s %s", i+1, at.by, at.what)
		if row := s.db.Value().checkpoint; row != before && row.exists {
			fmt.Fprintf(&text, " [token %d, epoch %d, seq %d, offset %d]", row.token, row.epoch, row.seq, row.offset)
		}
		text.WriteByte('\n')
	}
	return text.String()
}
