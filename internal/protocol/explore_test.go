package protocol

import (
	"fmt"
	"slices"
	"strings"
)

// A result is the result of an exploration.
type result struct {
	states int                // the number of visited states
	depth  int                // the greatest distance of a state from the initial state, in steps
	taken  map[step]int       // how often each step was taken
	broken map[property]trace // for each broken property: a shortest trace that breaks it
}

// A trace lists steps in order, beginning at the initial state.
type trace []move

// A move is one step of one actor.
type move struct {
	actor actor
	step  step
}

// A node records how explore first reached a state: by the move, from the state of the parent node.
type node struct {
	parent int32 // the index of the parent node, -1 for the initial state
	move
}

// noProperty makes explore visit all states, even if a property is broken.
const noProperty property = ""

// A checker returns the properties that the step t from the state before breaks.
type checker func(before state, t transition) []property

// explore visits every state within the scope and checks every step from each state. It is a breadth-first search, so the first
// trace that breaks a property is a shortest one. If the property stopAt is broken, explore returns early.
func (m model) explore(check checker, stopAt property) result {
	res := result{taken: map[step]int{}, broken: map[property]trace{}}
	visited := map[state]struct{}{initialState(): {}}
	nodes := []node{{parent: -1}}
	queue := []state{initialState()} // the states at the current depth; queue[i] is the state of nodes[first+i]
	for first := 0; len(queue) > 0; {
		var nextQueue []state
		for i, before := range queue {
			index := int32(first + i)
			for _, t := range m.next(before) {
				res.taken[t.step]++
				for _, p := range check(before, t) {
					if _, found := res.broken[p]; !found {
						res.broken[p] = traceTo(nodes, index, t.move())
					}
				}
				if _, seen := visited[t.next]; !seen {
					visited[t.next] = struct{}{}
					nodes = append(nodes, node{parent: index, move: t.move()})
					nextQueue = append(nextQueue, t.next)
				}
			}
			if _, found := res.broken[stopAt]; found {
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

// traceTo returns the moves that lead to the state of nodes[index], followed by the move last.
func traceTo(nodes []node, index int32, last move) trace {
	moves := trace{last}
	for ; nodes[index].parent >= 0; index = nodes[index].parent {
		moves = append(moves, nodes[index].move)
	}
	slices.Reverse(moves)
	return moves
}

// render returns the trace as text, with one step in each line. After a step that changes the checkpoint the line shows the new
// checkpoint.
func (m model) render(moves trace) string {
	var text strings.Builder
	s := initialState()
	for i, wanted := range moves {
		transitions := m.next(s)
		taken := slices.IndexFunc(transitions, func(t transition) bool { return t.move() == wanted })
		before := s.db.Value().checkpoint
		s = transitions[taken].next
		fmt.Fprintf(&text, "%3d. %s %s", i+1, wanted.actor, wanted.step)
		if row := s.db.Value().checkpoint; row != before && row.exists {
			fmt.Fprintf(&text, " [token %d, epoch %d, seq %d, offset %d]", row.token, row.epoch, row.seq, row.offset)
		}
		text.WriteByte('\n')
	}
	return text.String()
}
