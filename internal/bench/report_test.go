package main

import (
	"strings"
	"testing"
	"time"
)

func TestMedian(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		values []float64
		want   float64
	}{
		{[]float64{3}, 3},
		{[]float64{3, 1, 2}, 2},
		{[]float64{4, 1, 2, 3}, 2.5},
	} {
		if got := median(tt.values); got != tt.want {
			t.Errorf("median of %v: got %v, want %v", tt.values, got, tt.want)
		}
	}
}

// TestInterval checks that the interval contains the median, lies within the values, and is the same for the same values.
func TestInterval(t *testing.T) {
	t.Parallel()
	values := []float64{1.4, 1.1, 1.2, 1.3, 1.25}
	low, high := interval(values)
	if low < 1.1 || low > 1.25 || high < 1.25 || high > 1.4 {
		t.Errorf("got interval %v to %v of %v", low, high, values)
	}
	if low2, high2 := interval(values); low2 != low || high2 != high {
		t.Errorf("got another interval for the same values: %v to %v, then %v to %v", low, high, low2, high2)
	}
}

// TestReport checks the direction of the ratios: pawl took half of the baseline's time, and is half as fast as the other
// revision.
func TestReport(t *testing.T) {
	t.Parallel()
	taking := func(seconds int) measurement { return measurement{elapsed: time.Duration(seconds) * time.Second} }
	rounds := []round{{first: taking(8), last: taking(8), limit: taking(4), pawl: []measurement{taking(4), taking(2)}}}
	programs := []program{{name: "pawl"}, {name: "pawl v1"}}
	var out strings.Builder
	if err := report(&out, options{events: 8_000_000}, programs, rounds); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"limit ": "2.00", "pawl ": "2.00", "pawl v1 ": "4.00", "pawl to pawl v1 ": "0.50"} {
		found := false
		for line := range strings.Lines(out.String()) {
			fields := strings.Fields(strings.TrimPrefix(line, name))
			found = found || strings.HasPrefix(line, name+" ") && len(fields) > 1 && fields[1] == want
		}
		if !found {
			t.Errorf("%q: want the ratio %s in\n%s", name, want, &out)
		}
	}
}
