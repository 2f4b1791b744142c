package main

import (
	"net/http"
	"testing"
	"time"

	"github.com/pawldata/pawl/mockapi"
)

// TestUseOfQuota checks the used part of a quota of two requests in each window. The third and the fifth allowed request begin a
// window. The later they are sent, the smaller the used part is.
func TestUseOfQuota(t *testing.T) {
	t.Parallel()
	const limit, window = 2, 10 * time.Second
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	entry := func(number int, after time.Duration, status int) mockapi.Entry {
		return mockapi.Entry{N: number, At: start.Add(after), Status: status}
	}
	allowed := func(number int, after time.Duration) mockapi.Entry { return entry(number, after, http.StatusOK) }
	refused := func(number int, after time.Duration) mockapi.Entry {
		return entry(number, after, http.StatusTooManyRequests)
	}
	for name, tt := range map[string]struct {
		entries []mockapi.Entry
		want    quotaUse
		wantErr bool
	}{
		"no time lost": {
			entries: []mockapi.Entry{allowed(1, 0), allowed(2, time.Second), allowed(3, window)}, want: quotaUse{percent: 100},
		},
		"a window lost, and the journal in another order": {
			entries: []mockapi.Entry{allowed(2, time.Second), allowed(1, 0), allowed(3, 2*window), allowed(4, 3*window)},
			want:    quotaUse{percent: 50},
		},
		"two full windows in four": {
			entries: []mockapi.Entry{allowed(1, 0), allowed(2, time.Second), allowed(3, window), allowed(4, window), allowed(5, 4*window)},
			want:    quotaUse{percent: 50},
		},
		"a refused request": {
			entries: []mockapi.Entry{allowed(1, 0), allowed(2, time.Second), refused(3, time.Second), allowed(4, window)},
			want:    quotaUse{percent: 100, refused: 1},
		},
		"only one window, which has no end": {entries: []mockapi.Entry{allowed(1, 0), allowed(2, time.Second)}, wantErr: true},
	} {
		got, err := useOfQuota(tt.entries, limit, window)
		if (err != nil) != tt.wantErr {
			t.Errorf("%s: got the error %v, want one: %v", name, err, tt.wantErr)
		}
		if err == nil && got != tt.want {
			t.Errorf("%s: got %+v, want %+v", name, got, tt.want)
		}
	}
}

// TestQuotaFigures checks the direction of the ratio, and that one refused request in one round is enough to miss the goal.
func TestQuotaFigures(t *testing.T) {
	t.Parallel()
	buffered := []quotaUse{{percent: 50}, {percent: 50, refused: 1}, {percent: 50}} // one element for each round
	unbuffered := []quotaUse{{percent: 100}, {percent: 100}, {percent: 100}}
	figures := map[string]figure{}
	for _, f := range quotaFigures(buffered, unbuffered) {
		figures[f.Name] = f
	}
	for name, want := range map[string]float64{
		"quota used with the usual buffer": 50, "quota used with `--max-buffer-bytes 0`": 100, "ratio of the two": 0.5,
	} {
		if got := figures[name].Value.Median; got != want {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
	for _, name := range []string{"ratio of the two", "answers with 429"} {
		if f := figures[name]; f.Goal == nil || f.Goal.compare(f.Value) != notMet {
			t.Errorf("%s: got %+v, want a goal that is not met", name, f)
		}
	}
}
