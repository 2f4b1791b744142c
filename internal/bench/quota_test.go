package main

import (
	"net/http"
	"testing"
	"time"

	"github.com/pawldata/pawl/mockapi"
)

func TestUseOfQuota(t *testing.T) {
	t.Parallel()
	const limit, window = 2, 10 * time.Second
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(number int, after time.Duration, status int) mockapi.Entry {
		return mockapi.Entry{N: number, At: start.Add(after), Status: status}
	}
	const ok, refused = http.StatusOK, http.StatusTooManyRequests
	for name, tt := range map[string]struct {
		entries []mockapi.Entry
		want    quotaUse
		isWrong bool
	}{
		"all of it": {
			entries: []mockapi.Entry{at(1, 0, ok), at(2, time.Second, ok), at(3, window, ok)}, want: quotaUse{share: 100},
		},
		"half of it, the journal in another order": {
			entries: []mockapi.Entry{at(2, time.Second, ok), at(1, 0, ok), at(3, 2*window, ok), at(4, 3*window, ok)},
			want:    quotaUse{share: 50},
		},
		"two windows": {
			entries: []mockapi.Entry{at(1, 0, ok), at(2, 1, ok), at(3, window, ok), at(4, window, ok), at(5, 4*window, ok)},
			want:    quotaUse{share: 50},
		},
		"a refused request": {
			entries: []mockapi.Entry{at(1, 0, ok), at(2, 1, ok), at(3, 2, refused), at(4, window, ok)},
			want:    quotaUse{share: 100, refused: 1},
		},
		"less than a window": {entries: []mockapi.Entry{at(1, 0, ok), at(2, 1, ok)}, isWrong: true},
	} {
		got, err := useOfQuota(tt.entries, limit, window)
		if (err != nil) != tt.isWrong {
			t.Errorf("%s: got the error %v, want one: %v", name, err, tt.isWrong)
		}
		if err == nil && got != tt.want {
			t.Errorf("%s: got %+v, want %+v", name, got, tt.want)
		}
	}
}

// TestQuotaFigures checks the direction of the ratio, and that one refused request in one round is enough to miss the goal.
func TestQuotaFigures(t *testing.T) {
	t.Parallel()
	buffered := []quotaUse{{share: 50}, {share: 50, refused: 1}, {share: 50}}
	unbuffered := []quotaUse{{share: 100}, {share: 100}, {share: 100}}
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
		if f := figures[name]; f.Bar == nil || f.Bar.compare(f.Value) != notMet {
			t.Errorf("%s: got %+v, want a goal that is not met", name, f)
		}
	}
}
