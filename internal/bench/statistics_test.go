package main

import (
	"slices"
	"strings"
	"testing"
)

// TestMedian checks one value, an odd number of values, and an even number of values.
func TestMedian(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		values []float64
		want   float64
	}{
		{values: []float64{3}, want: 3},
		{values: []float64{3, 1, 2}, want: 2},
		{values: []float64{4, 1, 2, 3}, want: 2.5},
	} {
		if got := median(tt.values); got != tt.want {
			t.Errorf("median of %v: got %v, want %v", tt.values, got, tt.want)
		}
	}
}

// TestEstimateOf checks that the interval contains the median, lies within the spread, and is the same for the same values.
func TestEstimateOf(t *testing.T) {
	t.Parallel()
	values := []float64{1.4, 1.1, 1.2, 1.3, 1.25}
	got := estimateOf(values)
	if got.Min != 1.1 || got.Median != 1.25 || got.Max != 1.4 || got.Rounds != len(values) {
		t.Errorf("got %+v, want the median 1.25 of 5 rounds between 1.1 and 1.4", got)
	}
	isOrdered := slices.IsSorted([]float64{got.Min, got.Low, got.Median, got.High, got.Max})
	if !isOrdered {
		t.Errorf("got %+v, want an interval around the median and within the spread", got)
	}
	if again := estimateOf(values); again != got {
		t.Errorf("got another estimate of the same values: %+v, then %+v", got, again)
	}
}

// TestInterval_manyValues checks that the interval of values from 0 to 2 is around 1, and much narrower than the values. The standard
// error of the median of n evenly spread values is their range divided by 2√n, here 2/(2√101) or about 0.1. The 95 % interval has two
// standard errors on each side, so it is about 0.8 to 1.2. The samples are random, so each end may lie up to two standard errors further
// out, or 1.5 further in.
func TestInterval_manyValues(t *testing.T) {
	t.Parallel()
	var values []float64
	for i := range 101 {
		values = append(values, float64(i)/50)
	}
	low, high := interval(values)
	isLowRight := 0.6 <= low && low <= 0.95
	isHighRight := 1.05 <= high && high <= 1.4
	if !isLowRight || !isHighRight {
		t.Errorf("got %v to %v, want an interval around 1 that is some tenths wide", low, high)
	}
}

// TestGoalVerdict checks estimates above, around, below and equal to the goal 1, for each kind of goal.
func TestGoalVerdict(t *testing.T) {
	t.Parallel()
	above := estimate{Low: 1.1, High: 1.3, Max: 1.4, Rounds: 5}
	around := estimate{Low: 0.9, High: 1.1, Max: 1.2, Rounds: 5}
	below := estimate{Low: 0.7, High: 0.9, Max: 1.1, Rounds: 5} // the interval is below, but one round is not
	equal := estimate{Low: 1, High: 1, Max: 1, Rounds: 5}
	tooFewRounds := estimate{Low: 2, High: 3, Rounds: 3} // less than defaultRounds
	for name, tt := range map[string]struct {
		kind     goalKind
		estimate estimate
		want     string
	}{
		"at least: above":                    {kind: atLeast, estimate: above, want: met},
		"at least: around":                   {kind: atLeast, estimate: around, want: unresolved},
		"at least: below":                    {kind: atLeast, estimate: below, want: notMet},
		"at least: equal":                    {kind: atLeast, estimate: equal, want: met},
		"at most: above":                     {kind: atMost, estimate: above, want: notMet},
		"at most: around":                    {kind: atMost, estimate: around, want: unresolved},
		"at most: below":                     {kind: atMost, estimate: below, want: met},
		"at most: equal":                     {kind: atMost, estimate: equal, want: met},
		"at most in each round: one above":   {kind: atMostInEachRound, estimate: below, want: notMet},
		"at most in each round: none above":  {kind: atMostInEachRound, estimate: equal, want: met},
		"not clearly below: above":           {kind: notClearlyBelow, estimate: above, want: met},
		"not clearly below: around":          {kind: notClearlyBelow, estimate: around, want: met},
		"not clearly below: below":           {kind: notClearlyBelow, estimate: below, want: notMet},
		"one round":                          {kind: atLeast, estimate: estimate{Low: 2, High: 2, Rounds: 1}, want: met + " (1 round)"},
		"too few rounds for a good interval": {kind: atLeast, estimate: tooFewRounds, want: met + " (3 rounds)"},
	} {
		if got := (goal{Kind: tt.kind, Value: 1}).verdict(tt.estimate); got != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
}

// TestCompareRevisions checks the verdicts on ratios of pawl's speed to that of another revision: more than 1 is faster. The verdict is
// "slower" only if the interval lies below 1, and the median below the interval of the noise.
func TestCompareRevisions(t *testing.T) {
	t.Parallel()
	littleNoise, muchNoise := estimate{Low: 0.98, High: 1.02}, estimate{Low: 0.8, High: 1.3}
	faster := estimate{Low: 1.1, Median: 1.2, High: 1.3}
	perhapsSlower := estimate{Low: 0.9, Median: 0.95, High: 1}
	slower := estimate{Low: 0.8, Median: 0.9, High: 0.95}
	for name, tt := range map[string]struct {
		speedRatio, noise estimate
		want              string // the beginning of the verdict
	}{
		"faster":                        {speedRatio: faster, noise: littleNoise, want: "no slower, interval is 0.20 wide"},
		"the interval reaches 1":        {speedRatio: perhapsSlower, noise: littleNoise, want: "no slower, interval is 0.10 wide"},
		"slower":                        {speedRatio: slower, noise: littleNoise, want: "slower, interval is 0.15 wide"},
		"slower by less than the noise": {speedRatio: slower, noise: muchNoise, want: unresolved},
	} {
		if got := compareRevisions(tt.speedRatio, tt.noise); !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
}
