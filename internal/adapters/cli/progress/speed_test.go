package progress

import (
	"math"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

// TestQuotaSecondsUntilAllowed checks how long a run must wait until the quota allows its last request.
func TestQuotaSecondsUntilAllowed(t *testing.T) {
	t.Parallel()
	const limit = 10 // requests per window
	threeLeft := domain.Quota{Limit: limit, Remaining: 3, Reset: noon.Add(28 * time.Second)}
	noneLeft := domain.Quota{Limit: limit, Remaining: 0, Reset: noon.Add(time.Minute)}
	ended := domain.Quota{Limit: limit, Remaining: 0, Reset: noon}
	tests := []struct {
		name     string
		quota    domain.Quota
		window   time.Duration // the length of a window
		requests int64
		want     float64 // seconds from noon
	}{
		{name: "no quota known", requests: 100, want: 0},
		{name: "no window known", quota: domain.Quota{Limit: limit}, requests: 100, want: 0},
		{name: "no requests", quota: threeLeft, window: time.Minute, requests: 0, want: 0},
		{name: "as many requests as remain", quota: threeLeft, window: time.Minute, requests: 3, want: 0},
		{name: "one request more", quota: threeLeft, window: time.Minute, requests: 4, want: 28},
		{name: "the whole next window", quota: threeLeft, window: time.Minute, requests: 3 + limit, want: 28},
		{name: "one request in the window after that", quota: threeLeft, window: time.Minute, requests: 3 + limit + 1, want: 28 + 60},
		{name: "59 whole windows after this one", quota: noneLeft, window: time.Minute, requests: 59 * limit, want: 60 + 58*60},
		{name: "the window has ended", quota: ended, window: time.Minute, requests: limit + 1, want: 60},
		{name: "no reset known", quota: domain.Quota{Limit: limit}, window: time.Minute, requests: limit, want: 0},
		{
			name: "so many requests that the wait overflows a time.Duration", requests: 1 << 60,
			quota: domain.Quota{Limit: 1}, window: 24 * time.Hour, want: float64(1<<60) * 24 * 3600,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			q := quota{Quota: tt.quota, windowLength: tt.window}
			got := q.secondsUntilAllowed(tt.requests, noon)
			if tolerance := tt.want * 0.001; math.Abs(got-tt.want) > tolerance {
				t.Errorf("got a wait of %v s, want %v s", got, tt.want)
			}
		})
	}
}

// TestQuotaObserve_WindowLength checks the length of a window that the quota has after each of several pages.
func TestQuotaObserve_WindowLength(t *testing.T) {
	t.Parallel()
	var q quota
	for i, step := range []struct {
		untilReset time.Duration // from the fetch of the page to the reset; 0 if the API does not announce it
		announced  time.Duration // the length of a window; 0 if the API does not announce it
		want       time.Duration
	}{
		{untilReset: 28 * time.Second, want: 28 * time.Second}, // the first page
		{untilReset: 20 * time.Second, want: 28 * time.Second}, // the longest time until a reset prevails
		{untilReset: 60 * time.Second, want: 60 * time.Second},
		{want: 60 * time.Second},                                                            // nothing announced
		{untilReset: 50 * time.Second, announced: 30 * time.Second, want: 30 * time.Second}, // an announced window prevails
	} {
		r := domain.Receipt{FetchedAt: noon, Quota: domain.Quota{Limit: 10, Window: step.announced}}
		if step.untilReset > 0 {
			r.Quota.Reset = noon.Add(step.untilReset)
		}
		if q.observe(r); q.windowLength != step.want {
			t.Errorf("step %d: got a window of %s, want %s", i, q.windowLength, step.want)
		}
	}
}
