package progress

import (
	"math"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

// TestQuotaWait checks how long a run must wait until the quota allows its last request.
func TestQuotaWait(t *testing.T) {
	t.Parallel()
	const limit = 10 // requests per window
	resetIn := func(d time.Duration, remaining int64) domain.Quota {
		return domain.Quota{Limit: limit, Remaining: remaining, Reset: noon.Add(d)}
	}
	tests := []struct {
		name   string
		quota  domain.Quota
		window time.Duration
		pages  int64
		want   float64 // seconds from noon
	}{
		{name: "no quota known", pages: 100, want: 0},
		{name: "no window known", quota: domain.Quota{Limit: limit}, pages: 100, want: 0},
		{name: "no pages", quota: resetIn(28*time.Second, 3), window: time.Minute, pages: 0, want: 0},
		{name: "as many pages as remain", quota: resetIn(28*time.Second, 3), window: time.Minute, pages: 3, want: 0},
		{name: "one page more", quota: resetIn(28*time.Second, 3), window: time.Minute, pages: 4, want: 28},
		{name: "the whole next window", quota: resetIn(28*time.Second, 3), window: time.Minute, pages: 3 + limit, want: 28},
		{name: "a page in the window after it", quota: resetIn(28*time.Second, 3), window: time.Minute, pages: 3 + limit + 1, want: 28 + 60},
		{name: "59 windows", quota: resetIn(time.Minute, 0), window: time.Minute, pages: 59 * limit, want: 59 * 60},
		{name: "the window has ended", quota: resetIn(0, 0), window: time.Minute, pages: limit + 1, want: 60},
		{name: "no reset known", quota: domain.Quota{Limit: limit}, window: time.Minute, pages: limit, want: 0},
		{name: "very many pages", quota: domain.Quota{Limit: 1}, window: 24 * time.Hour, pages: 1 << 60, want: float64(1<<60) * 24 * 3600},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			q := quota{Quota: tt.quota, window: tt.window}
			got := q.wait(tt.pages, noon)
			if tolerance := tt.want * 0.001; math.Abs(got-tt.want) > tolerance {
				t.Errorf("got a wait of %v s, want %v s", got, tt.want)
			}
		})
	}
}

// TestQuotaObserve_Window checks the length of a window after each of several pages.
func TestQuotaObserve_Window(t *testing.T) {
	t.Parallel()
	var q quota
	for i, step := range []struct {
		untilReset time.Duration // from the fetch of the page to the reset; 0 if the API does not announce it
		announced  time.Duration // the length of a window; 0 if the API does not announce it
		want       time.Duration
	}{
		{untilReset: 28 * time.Second, want: 28 * time.Second},
		{untilReset: 20 * time.Second, want: 28 * time.Second}, // the window is the longest time until a reset
		{untilReset: 60 * time.Second, want: 60 * time.Second},
		{untilReset: 0, want: 60 * time.Second},
		{untilReset: 50 * time.Second, announced: 30 * time.Second, want: 30 * time.Second}, // an announced window prevails
	} {
		r := domain.Receipt{FetchedAt: noon, Quota: domain.Quota{Limit: 10, Window: step.announced}}
		if step.untilReset > 0 {
			r.Quota.Reset = noon.Add(step.untilReset)
		}
		if q.observe(r); q.window != step.want {
			t.Errorf("step %d: got a window of %s, want %s", i, q.window, step.want)
		}
	}
}
