package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
)

// An estimate describes the values that a quantity had in the rounds.
type estimate struct {
	Median    float64
	Low, High float64 // the 95 % bootstrap interval of the median
	Min, Max  float64 // the spread
	Rounds    int
}

// estimateOf returns the estimate of at least one value.
func estimateOf(values []float64) estimate {
	low, high := interval(values)
	return estimate{
		Median: median(values), Low: low, High: high, Min: slices.Min(values), Max: slices.Max(values), Rounds: len(values),
	}
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2 // the mean of the two middle values; if n is odd, both are the same
}

// interval returns the 95 % bootstrap interval of the median: it draws many samples from the values, and leaves out the lowest and the
// highest 2.5 % of their medians. The same values always give the same interval.
func interval(values []float64) (low, high float64) {
	const resamples = 2000
	random := rand.New(rand.NewPCG(1, 1)) //nolint:gosec // statistics, not security
	medians := make([]float64, resamples)
	sample := make([]float64, len(values))
	for i := range medians {
		for j := range sample {
			sample[j] = values[random.IntN(len(values))]
		}
		medians[i] = median(sample)
	}
	slices.Sort(medians)
	return medians[resamples*25/1000], medians[resamples*975/1000] // 2.5 % and 97.5 %
}

// A goal says which values of a quantity are good enough. Results store their goals, so that a chart can show them.
type goal struct {
	Kind  goalKind
	Value float64
}

type goalKind string

const (
	atLeast goalKind = "≥"
	atMost  goalKind = "≤"
	// atMostInEachRound is met if no round has a greater value.
	atMostInEachRound goalKind = "always ≤"
	// notClearlyBelow is easier to meet than atLeast: it is missed only if the whole interval lies below the goal.
	notClearlyBelow goalKind = "not below"
)

// The verdicts on a goal.
const (
	met        = "met"
	notMet     = "not met"
	unresolved = "unresolved"
)

// verdict returns whether e meets the goal, as text. With few rounds the interval says little, so the text then has their number.
func (g goal) verdict(e estimate) string {
	text := g.compare(e)
	switch {
	case e.Rounds == 1:
		text += " (1 round)"
	case e.Rounds < defaultRounds:
		text += fmt.Sprintf(" (%d rounds)", e.Rounds)
	}
	return text
}

// compare returns unresolved if one end of the interval of e meets the goal and the other end does not.
func (g goal) compare(e estimate) string {
	var isMet, isMissed bool
	switch g.Kind {
	case atLeast:
		isMet, isMissed = e.Low >= g.Value, e.High < g.Value
	case atMost:
		isMet, isMissed = e.High <= g.Value, e.Low > g.Value
	case atMostInEachRound:
		isMet, isMissed = e.Max <= g.Value, e.Max > g.Value
	case notClearlyBelow:
		isMet, isMissed = e.High >= g.Value, e.High < g.Value
	}
	switch {
	case isMet:
		return met
	case isMissed:
		return notMet
	}
	return unresolved
}

// compareRevisions returns the verdict on speedRatio, the speed of pawl divided by the speed of another revision. noise is the same ratio
// of the reference to itself. If pawl is slower, but within the interval of noise, the machine can be the cause.
func compareRevisions(speedRatio, noise estimate) string {
	width := fmt.Sprintf("interval is %.2f wide", speedRatio.High-speedRatio.Low)
	switch {
	case speedRatio.High >= 1:
		return "no slower, " + width
	case speedRatio.Median >= noise.Low:
		return fmt.Sprintf("%s: within the A/A interval %.2f–%.2f, %s", unresolved, noise.Low, noise.High, width)
	}
	return "slower, " + width
}
