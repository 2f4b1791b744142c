package progress

import (
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

func TestQuotaWait(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		quota  domain.Quota
		window time.Duration
		pages  int64
		want   float64 // seconds
	}{
		{"unknown", domain.Quota{}, 0, 100, 0},
		{"no window known", domain.Quota{Limit: 10, Remaining: 0}, 0, 100, 0},
		{"nothing left to ask for", domain.Quota{Limit: 10, Remaining: 3, Reset: noon.Add(28 * time.Second)}, time.Minute, 0, 0},
		{"enough left", domain.Quota{Limit: 10, Remaining: 3, Reset: noon.Add(28 * time.Second)}, time.Minute, 3, 0},
		{"one too many", domain.Quota{Limit: 10, Remaining: 3, Reset: noon.Add(28 * time.Second)}, time.Minute, 4, 28},
		{"the whole next window", domain.Quota{Limit: 10, Remaining: 3, Reset: noon.Add(28 * time.Second)}, time.Minute, 13, 28},
		{"and one more", domain.Quota{Limit: 10, Remaining: 3, Reset: noon.Add(28 * time.Second)}, time.Minute, 14, 88},
		{"600 pages, as the API has it", domain.Quota{Limit: 10, Remaining: 0, Reset: noon.Add(time.Minute)}, time.Minute, 590, 59 * 60},
		{"the window has ended", domain.Quota{Limit: 10, Remaining: 0, Reset: noon}, time.Minute, 11, 60},
		{"no reset", domain.Quota{Limit: 10, Remaining: 0}, time.Minute, 10, 0},
		{"a great many", domain.Quota{Limit: 1}, 24 * time.Hour, 1 << 60, float64(1<<60) * 86400},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			q := quota{tt.quota, tt.window}
			if got := q.wait(tt.pages, noon); got < tt.want*0.999 || got > tt.want*1.001 {
				t.Errorf("got %v s, want %v s", got, tt.want)
			}
		})
	}
}

func TestQuotaObserve_Window(t *testing.T) {
	t.Parallel()
	var q quota
	for i, step := range []struct{ rest, announced, want time.Duration }{
		{28 * time.Second, 0, 28 * time.Second},
		{20 * time.Second, 0, 28 * time.Second},
		{60 * time.Second, 0, time.Minute},
		{0, 0, time.Minute},
		{50 * time.Second, 30 * time.Second, 30 * time.Second}, // an announced window prevails
	} {
		r := domain.Receipt{FetchedAt: noon, Quota: domain.Quota{Limit: 10, Window: step.announced}}
		if step.rest > 0 {
			r.Quota.Reset = noon.Add(step.rest)
		}
		if q.observe(r); q.window != step.want {
			t.Errorf("step %d: got a window of %s, want %s", i, q.window, step.want)
		}
	}
}
