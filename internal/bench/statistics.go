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
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// interval returns the 95 % bootstrap interval of the median. The same values always give the same interval.
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
	return medians[resamples*25/1000], medians[resamples*975/1000]
}

// A bar is what a quantity must reach. Results store it, so that a chart can show it.
type bar struct {
	Kind  barKind
	Value float64
}

type barKind string

const (
	atLeast barKind = "≥"
	atMost  barKind = "≤"
	// alwaysAtMost is about each round instead of the median.
	alwaysAtMost barKind = "always ≤"
	// notBelow asks for less than atLeast: it is met unless the interval shows that the quantity is smaller.
	notBelow barKind = "not below"
)

// The verdicts on a bar.
const (
	met        = "met"
	notMet     = "not met"
	unresolved = "unresolved"
)

// verdict says whether the interval of e lies on the right side of the bar. If the bar is within the interval, it is unresolved. With
// few rounds the interval says little, so verdict adds their number.
func (b bar) verdict(e estimate) string {
	text := b.compare(e)
	switch {
	case e.Rounds == 1:
		text += " (1 round)"
	case e.Rounds < defaultRounds:
		text += fmt.Sprintf(" (%d rounds)", e.Rounds)
	}
	return text
}

func (b bar) compare(e estimate) string {
	low, high, value := e.Low, e.High, b.Value
	switch b.Kind {
	case atMost:
		low, high, value = -e.High, -e.Low, -b.Value
	case alwaysAtMost:
		low, high, value = -e.Max, -e.Max, -b.Value
	case notBelow:
		low = e.High
	case atLeast:
	}
	switch {
	case low >= value:
		return met
	case high < value:
		return notMet
	}
	return unresolved
}

// compareRevisions returns the verdict on the ratio of pawl to another revision of pawl. noise is the ratio of the reference to itself.
// A difference that is smaller than the interval of noise can come from the machine.
func compareRevisions(ratio, noise estimate) string {
	width := fmt.Sprintf("interval is %.2f wide", ratio.High-ratio.Low)
	switch {
	case ratio.High >= 1:
		return "no slower, " + width
	case ratio.Median >= noise.Low:
		return fmt.Sprintf("%s: within the A/A interval %.2f–%.2f, %s", unresolved, noise.Low, noise.High, width)
	}
	return "slower, " + width
}
