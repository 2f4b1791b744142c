package main

import (
	"strings"
	"testing"
)

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
	if got.Low < got.Min || got.Low > got.Median || got.High < got.Median || got.High > got.Max {
		t.Errorf("got %+v, want an interval around the median and within the spread", got)
	}
	if again := estimateOf(values); again != got {
		t.Errorf("got another estimate of the same values: %+v, then %+v", got, again)
	}
}

// TestInterval_manyValues checks that the interval is that of the median, which is narrower than the spread: of these values the
// standard error of the median is about 0.1.
func TestInterval_manyValues(t *testing.T) {
	t.Parallel()
	var values []float64
	for i := range 101 {
		values = append(values, float64(i)/50) // from 0 to 2
	}
	low, high := interval(values)
	if low < 0.6 || low > 0.95 || high < 1.05 || high > 1.4 {
		t.Errorf("got %v to %v, want an interval around 1 that is some tenths wide", low, high)
	}
}

func TestBarVerdict(t *testing.T) {
	t.Parallel()
	const goal = 1.0
	above := estimate{Low: 1.1, High: 1.3, Max: 1.4, Rounds: 5}
	around := estimate{Low: 0.9, High: 1.1, Max: 1.2, Rounds: 5}
	below := estimate{Low: 0.7, High: 0.9, Max: 1.1, Rounds: 5}
	equal := estimate{Low: 1, High: 1, Max: 1, Rounds: 5}
	for name, tt := range map[string]struct {
		kind     barKind
		estimate estimate
		want     string
	}{
		"above a least value":                {atLeast, above, met},
		"around a least value":               {atLeast, around, unresolved},
		"below a least value":                {atLeast, below, notMet},
		"equal to a least value":             {atLeast, equal, met},
		"above a greatest value":             {atMost, above, notMet},
		"around a greatest value":            {atMost, around, unresolved},
		"below a greatest value":             {atMost, below, met},
		"equal to a greatest value":          {atMost, equal, met},
		"one round above a greatest value":   {alwaysAtMost, below, notMet},
		"no round above a greatest value":    {alwaysAtMost, equal, met},
		"above a value not to fall below":    {notBelow, above, met},
		"around a value not to fall below":   {notBelow, around, met},
		"clearly below such a value":         {notBelow, below, notMet},
		"one round":                          {atLeast, estimate{Low: 2, High: 2, Rounds: 1}, met + " (1 round)"},
		"too few rounds for a good interval": {atLeast, estimate{Low: 2, High: 3, Rounds: 3}, met + " (3 rounds)"},
	} {
		if got := (bar{tt.kind, goal}).verdict(tt.estimate); got != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
}

func TestCompareRevisions(t *testing.T) {
	t.Parallel()
	quiet, noisy := estimate{Low: 0.98, High: 1.02}, estimate{Low: 0.8, High: 1.3}
	for name, tt := range map[string]struct {
		ratio, noise estimate
		want         string
	}{
		"faster":                        {estimate{Low: 1.1, Median: 1.2, High: 1.3}, quiet, "no slower, interval is 0.20 wide"},
		"equal":                         {estimate{Low: 0.9, Median: 0.95, High: 1}, quiet, "no slower, interval is 0.10 wide"},
		"slower":                        {estimate{Low: 0.8, Median: 0.9, High: 0.95}, quiet, "slower, interval is 0.15 wide"},
		"slower by less than the noise": {estimate{Low: 0.8, Median: 0.9, High: 0.95}, noisy, unresolved},
	} {
		if got := compareRevisions(tt.ratio, tt.noise); !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
}
