package datasync_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pawldata/pawl/internal/adapters/datasync"
	"github.com/pawldata/pawl/internal/domain"
)

// last is a whole page.
const last = `{"data":[],"pagination":{"hasMore":false},"meta":{"total":0,"returned":0}}`

// TestQuota: the first answer has these headers, then FetchPage is held back for as long as it says and no longer.
func TestQuota(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		status  int
		headers []string
		holds   time.Duration
		says    bool // the error names a moment
	}{
		{"some left", 200, []string{"X-RateLimit-Remaining", "1", "X-RateLimit-Reset", "60"}, 0, false},
		{"none left", 200, []string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "28"}, 28 * time.Second, false},
		{"less than none left", 200, []string{"X-RateLimit-Remaining", "-5", "X-RateLimit-Reset", "28"}, 28 * time.Second, false},
		{"none left, window over", 200, []string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "0"}, 0, false},
		{"none left, nobody says how long", 200, []string{"X-RateLimit-Remaining", "0"}, 0, false},
		{"none left, negative reset", 200, []string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "-1"}, 0, false},
		{"none left, a date that is past", 200, []string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "1999-12-31T23:59:59Z"}, 0, false},
		{"none left for years is not believed", 200, []string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "90000000"}, time.Minute, false},
		{"none left for an hour", 200, []string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "3600"}, time.Hour, false},
		{"none left for more than an hour is not believed", 200, []string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "3602"}, time.Minute, false},
		{"none left for two hours, and Retry-After says so too", 200, []string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "7200", "Retry-After", "7200"}, 2 * time.Hour, false},
		{"none left for two hours, as is announced", 200, []string{"RateLimit", `"a";r=0;t=7200`, "RateLimit-Policy", `"a";q=10;w=86400`}, 2 * time.Hour, false},
		{"a fault that used up the last", 500, []string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "28"}, 28 * time.Second, false},
		{"none left, and it says when to come back", 200, []string{"X-RateLimit-Remaining", "0", "Retry-After", "7"}, 7 * time.Second, false},
		{"some left, and it says when to come back", 200, []string{"X-RateLimit-Remaining", "1", "Retry-After", "7"}, 0, false},
		{"none left by a fraction", 200, []string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "1.5"}, 1500 * time.Millisecond, false},
		{"none left by the dictionary", 200, []string{"RateLimit", "limit=10, remaining=0, reset=42"}, 42 * time.Second, false},
		{"two policies with none left", 200, []string{"RateLimit", `"a";r=0;t=5, "b";r=0;t=50`}, 50 * time.Second, false},
		{"one of two policies with none left", 200, []string{"RateLimit", `"a";r=0;t=5, "b";r=1;t=50`}, 5 * time.Second, false},
		{"none left for longer than the window", 200, []string{"RateLimit", `"a";r=0;t=3600`, "RateLimit-Policy", `"a";q=10;w=60`}, 60 * time.Second, false},
		{"refused for longer than the window", 429, []string{"RateLimit", `"a";r=0;t=3600`, "RateLimit-Policy", `"a";q=10;w=60`}, 60 * time.Second, true},
		{"refused for longer than the window, in so many words", 429, []string{"Retry-After", "3600", "RateLimit-Policy", `"a";q=10;w=60`}, time.Hour, true},
		{"refused till a day that is far", 429, []string{"X-RateLimit-Reset", "90000000"}, time.Minute, true},
		{"refused for two hours", 429, []string{"X-RateLimit-Reset", "7200"}, time.Minute, true},
		{"refused for a fraction", 429, []string{"Retry-After", "1.5"}, 1500 * time.Millisecond, true},
		{"forbidden, and it says when to come back", 403, []string{"Retry-After", "28"}, 28 * time.Second, true},
		{"forbidden, none left", 403, []string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "28"}, 28 * time.Second, true},
		{"forbidden, some left", 403, []string{"X-RateLimit-Remaining", "1", "X-RateLimit-Reset", "28"}, 0, false},
		{"refused", 429, []string{"Retry-After", "28"}, 28 * time.Second, true},
		{"refused with a reset only", 429, []string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "28"}, 28 * time.Second, true},
		{"refused with both", 429, []string{"Retry-After", "30", "X-RateLimit-Reset", "28"}, 30 * time.Second, true},
		{"refused, and some left", 429, []string{"Retry-After", "30", "X-RateLimit-Remaining", "5"}, 30 * time.Second, true},
		{"refused for a day and more", 429, []string{"Retry-After", "100000"}, 100_000 * time.Second, true},
		{"refused for no time", 429, []string{"Retry-After", "0"}, 0, true},
		{"refused without a word", 429, nil, 0, false},
		{"refused for no time, and till the window ends", 429, []string{"Retry-After", "0", "X-RateLimit-Reset", "28"}, 28 * time.Second, true},
		{"refused with nonsense", 429, []string{"Retry-After", "-1"}, 0, false},
		{"overloaded, says when", 503, []string{"Retry-After", "7"}, 7 * time.Second, true},
		{"overloaded", 503, nil, 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sent := 0
				client := newClient(t, func(c *datasync.Config) {
					c.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
						if sent++; sent == 1 {
							return respond(r, tt.status, tt.headers, []byte(last)), nil
						}
						return respond(r, 200, nil, []byte(last)), nil
					})
				})
				_, err := client.FetchPage(t.Context(), domain.PageRequest{})
				if said := domain.AsError(err); tt.says && !said.Until.Equal(time.Now().Add(tt.holds)) {
					t.Errorf("says until %v, want in %s", said.Until, tt.holds)
				} else if !tt.says && said != nil && !said.Until.IsZero() {
					t.Errorf("says until %v, but nobody told", said.Until)
				}
				if tt.holds > 0 {
					time.Sleep(tt.holds - time.Nanosecond)
					_, err := client.FetchPage(t.Context(), domain.PageRequest{})
					held := domain.AsError(err)
					if held == nil || held.Kind != domain.RateLimited || !held.Unsent || !held.Until.Equal(time.Now().Add(time.Nanosecond)) || sent != 1 {
						t.Fatalf("not held back: %v, %d sent", err, sent)
					}
					if text := err.Error(); !strings.Contains(text, "rate limit is used up") || !strings.Contains(text, held.Until.Format(time.TimeOnly)) {
						t.Errorf("the error does not say why and until when: %v", err)
					}
					time.Sleep(time.Nanosecond)
				}
				if _, err := client.FetchPage(t.Context(), domain.PageRequest{}); err != nil || sent != 2 {
					t.Errorf("held back too long: %v, %d sent", err, sent)
				}
			})
		})
	}
}

func TestDistanceIsKeptFromSendToSend(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var sent []time.Duration
		began := time.Now()
		client := newClient(t, func(c *datasync.Config) {
			c.MinDelay = 500 * time.Millisecond
			c.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
				sent = append(sent, time.Since(began))
				time.Sleep(200 * time.Millisecond) // the answer's way
				if len(sent) == 2 {
					return nil, http.ErrHandlerTimeout
				}
				return respond(r, 200, nil, []byte(last)), nil
			})
		})
		for len(sent) < 4 {
			_, err := client.FetchPage(t.Context(), domain.PageRequest{})
			if held := domain.AsError(err); held != nil && held.Unsent {
				if held.Kind != domain.RateLimited {
					t.Fatalf("held back with %v", err)
				}
				time.Sleep(time.Until(held.Until))
			}
		}
		for i, at := range sent {
			if at != time.Duration(i)*500*time.Millisecond {
				t.Errorf("request %d went out after %s", i, at)
			}
		}
	})
}

// TestALateAnswerShortensNoHold: an answer to a request that went out before a refusal knows nothing of it.
func TestALateAnswerShortensNoHold(t *testing.T) {
	t.Parallel()
	for _, remaining := range []string{"0", "5"} {
		synctest.Test(t, func(t *testing.T) {
			first := true
			client := newClient(t, func(c *datasync.Config) {
				c.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
					if first {
						first = false
						time.Sleep(5 * time.Second)
						return respond(r, 200, []string{"X-RateLimit-Remaining", remaining, "X-RateLimit-Reset", "1"}, []byte(last)), nil
					}
					return respond(r, 429, []string{"Retry-After", "60"}, nil), nil
				})
			})
			late := make(chan error)
			go func() {
				_, err := client.FetchPage(t.Context(), domain.PageRequest{})
				late <- err
			}()
			synctest.Wait()
			_, err := client.FetchPage(t.Context(), domain.PageRequest{})
			refused := domain.AsError(err)
			if err := <-late; err != nil || refused == nil {
				t.Fatalf("late %v, refused %v", err, refused)
			}
			time.Sleep(2 * time.Second)
			_, err = client.FetchPage(t.Context(), domain.PageRequest{})
			if held := domain.AsError(err); held == nil || !held.Unsent || !held.Until.Equal(refused.Until) {
				t.Errorf("after a late answer with %s left: %v, want a hold until %s", remaining, err, refused.Until)
			}
		})
	}
}

// answersOf is a transport that gives these headers one after the other, each after a second, all with status 200.
func answersOf(answers ...[]string) roundTrip {
	return func(r *http.Request) (*http.Response, error) {
		time.Sleep(time.Second)
		headers := answers[0]
		answers = answers[1:]
		return respond(r, http.StatusOK, headers, []byte(last)), nil
	}
}

// xRateLimit is the recorded form.
func xRateLimit(limit, remaining, reset string) []string {
	return []string{"X-RateLimit-Limit", limit, "X-RateLimit-Remaining", remaining, "X-RateLimit-Reset", reset}
}

// TestHoldsThatTheAnswersImply: what earlier answers have shown decides how the last one is understood.
func TestHoldsThatTheAnswersImply(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		answers [][]string
		holds   time.Duration // behind the last of them
	}{
		{"a window as recorded", [][]string{xRateLimit("3", "2", "60"), xRateLimit("3", "1", "59"), xRateLimit("3", "0", "58")}, 58 * time.Second},
		{"a reset that is longer than the window", [][]string{xRateLimit("3", "2", "60"), xRateLimit("3", "1", "59"), xRateLimit("3", "0", "3600")}, time.Minute},
		{"rounded up", [][]string{xRateLimit("2", "1", "59"), xRateLimit("2", "0", "60")}, time.Minute},
		{"a window that was met in the middle implies nothing", [][]string{xRateLimit("9", "1", "3"), xRateLimit("9", "0", "58")}, 58 * time.Second},
		{"milliseconds left", [][]string{xRateLimit("4", "3", "60000"), xRateLimit("4", "2", "59010"), xRateLimit("4", "1", "57990"), xRateLimit("4", "0", "57000")}, 57 * time.Second},
		{"milliseconds left, from the middle", [][]string{xRateLimit("9", "2", "30000"), xRateLimit("9", "1", "29000"), xRateLimit("9", "0", "28000")}, 28 * time.Second},
		{"a limit of one, and milliseconds left", [][]string{xRateLimit("1", "0", "60000")}, time.Minute},
		{"a limit of two, and milliseconds left", [][]string{xRateLimit("2", "1", "60000"), xRateLimit("2", "0", "59000")}, time.Minute},
		{"seconds of a long window", [][]string{xRateLimit("4", "3", "60000"), xRateLimit("4", "2", "59999"), xRateLimit("4", "1", "59998"), xRateLimit("4", "0", "59997")}, time.Minute},
		{"a window that begins with the clock's minute, met at its end", [][]string{xRateLimit("3", "2", "10"), xRateLimit("3", "0", "58")}, 58 * time.Second},
		{"a window that begins with the clock's minute, met whole and at its end", [][]string{xRateLimit("3", "2", "120"), xRateLimit("3", "2", "10"), xRateLimit("3", "0", "118")}, 118 * time.Second},
		{"a window that begins with the clock's hour, met at its end", [][]string{xRateLimit("9", "8", "30"), xRateLimit("9", "1", "3000"), xRateLimit("9", "0", "2999")}, 2999 * time.Second},
		{
			"an announced window is taken as said, also when it shrinks",
			[][]string{
				{"RateLimit", `"a";r=9;t=60`, "RateLimit-Policy", `"a";q=10;w=60`},
				{"RateLimit", `"a";r=8;t=5`, "RateLimit-Policy", `"a";q=10;w=10`},
				{"RateLimit", `"a";r=0;t=58`, "RateLimit-Policy", `"a";q=10;w=10`},
			},
			10 * time.Second,
		},
		{"one shrinking that could be milliseconds is chance", [][]string{xRateLimit("9", "2", "3000"), xRateLimit("9", "1", "2000"), xRateLimit("9", "0", "1999")}, 1999 * time.Second},
		{"windows of two policies by turns", [][]string{xRateLimit("9", "3", "3000"), xRateLimit("9", "2", "40"), xRateLimit("9", "1", "2998"), xRateLimit("9", "0", "38")}, 38 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := newClient(t, func(c *datasync.Config) { c.Transport = answersOf(tt.answers...) })
				for i := range tt.answers {
					if _, err := client.FetchPage(t.Context(), domain.PageRequest{}); err != nil {
						t.Fatalf("answer %d: %v", i, err)
					}
				}
				_, err := client.FetchPage(t.Context(), domain.PageRequest{})
				if held := domain.AsError(err); held == nil || !held.Unsent || time.Until(held.Until) != tt.holds {
					t.Errorf("%v, want a hold of %s", err, tt.holds)
				}
			})
		})
	}
}
