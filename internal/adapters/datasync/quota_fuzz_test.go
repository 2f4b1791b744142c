package datasync

import (
	"net/http"
	"strconv"
	"testing"
	"time"
)

// FuzzHeaders tells a governor the headers of one answer, whatever they are. It checks that the quota makes sense, and that the wait that
// follows is neither over already nor longer than the governor may believe.
func FuzzHeaders(f *testing.F) {
	const date = "Tue, 27 Jan 2026 19:19:13 GMT"
	f.Add("50", "0", "28", "", date, "", "", 200, 10)
	f.Add("50, 50;w=60", "-1", "1769541600", "120", "", `"default";r=0;t=30`, `"default";q=50;w=60`, 429, 0)
	f.Add("", "0", "1769541600123", date, date, "limit=10, remaining=0, reset=42", "10;w=60;qu=\"requests\"", 403, 2000)
	f.Add("1", "0", "2026-01-27T19:20:13+00:00", "99999999999999999999999", "", "", "", 503, 1)
	f.Add("1", "0", "2562047h47m16s", "9999h", "Sun, 06 Nov 9994 08:49:37 GMT", `1;r=0;t=999999999999`, `1;q=0;w=-1`, 200, 1)
	f.Add("9", "0", "0.5", "Sun, 06 Nov 0000 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "", "", 429, 1)
	f.Fuzz(func(t *testing.T, limit, remaining, reset, retryAfter, date, rateLimit, policy string, status, latencyMillis int) {
		sentAt := time.Date(2026, 1, 27, 19, 19, 13, 629e6, time.UTC)
		latency := time.Duration(uint16(latencyMillis)) * time.Millisecond
		receivedAt := sentAt.Add(latency)
		header := http.Header{}
		for name, value := range map[string]string{
			"X-RateLimit-Limit": limit, "X-RateLimit-Remaining": remaining, "X-RateLimit-Reset": reset, "Retry-After": retryAfter,
			"Date": date, "RateLimit": rateLimit, "RateLimit-Policy": policy, "RateLimit-Limit": limit,
		} {
			if value != "" {
				header.Set(name, value)
			}
		}
		g, d := &governor{}, &dialect{}
		if held := g.take(sentAt); held != nil {
			t.Fatalf("got %v before the first request, want none", held)
		}
		headers := d.read(DataSync().Headers, answer{status: status, header: header, sentAt: sentAt, receivedAt: receivedAt})
		o := outcome{sentAt: sentAt, answered: true, receivedAt: receivedAt, status: status, headers: headers}
		until := g.tell(o)
		checkQuota(t, headers, receivedAt)
		longest := maxWindow + rounding
		if o.isRefusal() && !headers.retryAfter.IsZero() { // it is believed, whatever it is
			longest = max(longest, headers.retryAfter.Sub(receivedAt))
		}
		if until.Sub(receivedAt) > longest {
			t.Errorf("got %s after the answer, want at most %s", until.Sub(receivedAt), longest)
		}
		held := g.take(receivedAt)
		switch {
		case held == nil && until.After(receivedAt):
			t.Errorf("got a permit %s before the time that the answer tells", until.Sub(receivedAt))
		case held != nil && (!held.until.After(receivedAt) || held.until.Sub(receivedAt) > longest):
			t.Errorf("got a hold for %s, want more than 0 and at most %s", held.until.Sub(receivedAt), longest)
		case held != nil:
			if again := g.take(held.until); again != nil {
				t.Errorf("got %v when the hold has ended, want a permit", again)
			}
		}
	})
}

func checkQuota(t *testing.T, headers rateHeaders, receivedAt time.Time) {
	t.Helper()
	q := headers.quota
	isUnknown := q.Limit == 0 && q.Remaining == 0 && q.Reset.IsZero() && q.Window == 0
	isKnown := q.Limit > 0 && q.Remaining >= 0 && q.Remaining <= q.Limit
	hasWindow := q.Window >= 0 && q.Window <= maxWindow
	hasReset := q.Reset.IsZero() || q.Reset.Sub(receivedAt) <= maxWindow
	if !isUnknown && !isKnown || !hasWindow || !hasReset {
		t.Errorf("got quota %+v at %s, want a known one or none", q, receivedAt)
	}
}

// FuzzPermits lets a governor send requests one after the other. The answers have any numbers. It checks that after each answer the
// governor gives no more permits than the answer told, until the window ends as the answer told it; and that it gives them all. Some
// requests have no answer.
func FuzzPermits(f *testing.F) {
	for _, seed := range [][]byte{
		{2, 30, 0, 1, 1, 30, 0, 1, 0, 30, 0, 1, 9, 30, 0, 1, 8, 30, 0, 1}, // used up
		{2, 30, 0, 1, 0, 0, 1, 1, 0, 0, 1, 1, 9, 30, 0, 1, 9, 30, 0, 1},   // used up by requests without an answer
		{5, 30, 0, 1, 1, 30, 0, 1, 0, 0, 1, 1, 0, 0, 1, 1, 9, 30, 0, 1},   // the same after a second answer
		{5, 20, 0, 10, 0, 5, 2, 10, 0, 9, 2, 10, 9, 20, 0, 10},            // refused
		{0, 59, 0, 255, 0, 59, 2, 255, 9, 1, 0, 0, 0, 1, 0, 0, 1, 59, 0, 0, 7, 30, 3, 100},
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, answers []byte) {
		const size, maxAnswers = 4, 50 // bytes for each answer
		answers = answers[:min(len(answers), maxAnswers*size)]
		g, d := &governor{}, &dialect{}
		now := time.Date(2026, 1, 27, 19, 19, 13, 0, time.UTC)
		var told struct {
			left int64
			end  time.Time
		}
		for ; len(answers) >= size; answers = answers[size:] {
			left, seconds, kind, millis := int64(answers[0]%10), int(answers[1]%60), answers[2]%4, int(answers[3])
			isTold := now.Before(told.end.Add(-rounding))
			if held := g.take(now); held != nil {
				switch {
				case isTold && told.left > 0:
					t.Fatalf("got %v with %d requests left until %s", held, told.left, told.end)
				case !held.until.After(now):
					t.Fatalf("got %v at %s, want a time after it", held, now)
				}
				now = held.until
				continue
			}
			if isTold && told.left <= 0 {
				t.Fatalf("got a permit at %s, want none before %s", now, told.end)
			}
			told.left--
			sentAt := now
			now = now.Add(time.Duration(millis) * 10 * time.Millisecond)
			const noAnswer, refusal = 1, 2
			if kind == noAnswer {
				g.tell(outcome{sentAt: sentAt})
				continue
			}
			status := http.StatusOK
			if kind == refusal {
				status, left = http.StatusTooManyRequests, 0
			}
			header := http.Header{}
			header.Set("X-RateLimit-Limit", "10")
			header.Set("X-RateLimit-Remaining", strconv.FormatInt(left, 10))
			header.Set("X-RateLimit-Reset", strconv.Itoa(seconds))
			headers := d.read(DataSync().Headers, answer{status: status, header: header, sentAt: sentAt, receivedAt: now})
			if d.unit.millis { // the answers look like those of an API that counts milliseconds
				return
			}
			g.tell(outcome{sentAt: sentAt, answered: true, receivedAt: now, status: status, headers: headers})
			told.left, told.end = left, now.Add(time.Duration(seconds)*time.Second)
		}
	})
}
