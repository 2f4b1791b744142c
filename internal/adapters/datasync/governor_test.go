package datasync_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pawldata/pawl/internal/adapters/datasync"
	"github.com/pawldata/pawl/internal/domain"
)

// TestFetchPage_Hold checks how long FetchPage sends no request after an answer with the given headers. In the names of the
// cases, "none left" and "some left" are about the remaining requests, and "refused" means an answer with status 429. If a reset
// is too far away to be believed, the hold is the announced window, or a minute if no window is announced.
func TestFetchPage_Hold(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		status   int
		headers  []string // names, each followed by its value
		hold     time.Duration
		hasUntil bool // whether the error says when to send the next request
	}{
		{name: "some left", status: 200, headers: []string{"X-RateLimit-Remaining", "1", "X-RateLimit-Reset", "60"}},
		{
			name: "none left", status: 200, hold: 28 * time.Second,
			headers: []string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "28"},
		},
		{
			name: "negative remaining", status: 200, hold: 28 * time.Second,
			headers: []string{"X-RateLimit-Remaining", "-5", "X-RateLimit-Reset", "28"},
		},
		{name: "none left, window over", status: 200, headers: []string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "0"}},
		{name: "none left, no reset", status: 200, headers: []string{"X-RateLimit-Remaining", "0"}},
		{name: "none left, negative reset", status: 200, headers: []string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "-1"}},
		{
			name: "none left, date in the past", status: 200,
			headers: []string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "1999-12-31T23:59:59Z"},
		},
		{
			name: "none left, reset in years", status: 200, hold: time.Minute,
			headers: []string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "90000000"},
		},
		{
			name: "none left, reset in an hour", status: 200, hold: time.Hour,
			headers: []string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "3600"},
		},
		{
			name: "none left, reset in more than an hour", status: 200, hold: time.Minute,
			headers: []string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "3602"},
		},
		{
			name: "none left, reset and Retry-After in two hours", status: 200, hold: 2 * time.Hour,
			headers: []string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "7200", "Retry-After", "7200"},
		},
		{
			name: "none left, reset in two hours within the announced window", status: 200, hold: 2 * time.Hour,
			headers: []string{"RateLimit", `"a";r=0;t=7200`, "RateLimit-Policy", `"a";q=10;w=86400`},
		},
		{
			name: "server error, none left", status: 500, hold: 28 * time.Second,
			headers: []string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "28"},
		},
		{
			name: "none left, Retry-After", status: 200, hold: 7 * time.Second,
			headers: []string{"X-RateLimit-Remaining", "0", "Retry-After", "7"},
		},
		{name: "some left, Retry-After", status: 200, headers: []string{"X-RateLimit-Remaining", "1", "Retry-After", "7"}},
		{
			name: "none left, reset with a fraction", status: 200, hold: 1500 * time.Millisecond,
			headers: []string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "1.5"},
		},
		{
			name: "none left, in a dictionary", status: 200, hold: 42 * time.Second,
			headers: []string{"RateLimit", "limit=10, remaining=0, reset=42"},
		},
		{
			name: "two policies with none left", status: 200, hold: 50 * time.Second,
			headers: []string{"RateLimit", `"a";r=0;t=5, "b";r=0;t=50`},
		},
		{
			name: "one of two policies with none left", status: 200, hold: 5 * time.Second,
			headers: []string{"RateLimit", `"a";r=0;t=5, "b";r=1;t=50`},
		},
		{
			name: "none left, reset beyond the window", status: 200, hold: 60 * time.Second,
			headers: []string{"RateLimit", `"a";r=0;t=3600`, "RateLimit-Policy", `"a";q=10;w=60`},
		},
		{
			name: "refused, reset beyond the window", status: 429, hold: 60 * time.Second, hasUntil: true,
			headers: []string{"RateLimit", `"a";r=0;t=3600`, "RateLimit-Policy", `"a";q=10;w=60`},
		},
		{
			name: "refused, Retry-After beyond the window", status: 429, hold: time.Hour, hasUntil: true,
			headers: []string{"Retry-After", "3600", "RateLimit-Policy", `"a";q=10;w=60`},
		},
		{
			name: "refused, reset in years", status: 429, hold: time.Minute, hasUntil: true,
			headers: []string{"X-RateLimit-Reset", "90000000"},
		},
		{
			name: "refused, reset in two hours", status: 429, hold: time.Minute, hasUntil: true,
			headers: []string{"X-RateLimit-Reset", "7200"},
		},
		{
			status: 429, headers: []string{"Retry-After", "1.5"}, hold: 1500 * time.Millisecond, hasUntil: true,
			name: "refused, Retry-After with a fraction",
		},
		{name: "forbidden, Retry-After", status: 403, headers: []string{"Retry-After", "28"}, hold: 28 * time.Second, hasUntil: true},
		{
			name: "forbidden, none left", status: 403, hold: 28 * time.Second, hasUntil: true,
			headers: []string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "28"},
		},
		{name: "forbidden, some left", status: 403, headers: []string{"X-RateLimit-Remaining", "1", "X-RateLimit-Reset", "28"}},
		{name: "refused", status: 429, headers: []string{"Retry-After", "28"}, hold: 28 * time.Second, hasUntil: true},
		{
			name: "refused, reset only", status: 429, hold: 28 * time.Second, hasUntil: true,
			headers: []string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "28"},
		},
		{
			name: "refused, reset and Retry-After", status: 429, hold: 30 * time.Second, hasUntil: true,
			headers: []string{"Retry-After", "30", "X-RateLimit-Reset", "28"},
		},
		{
			name: "refused, and some left", status: 429, hold: 30 * time.Second, hasUntil: true,
			headers: []string{"Retry-After", "30", "X-RateLimit-Remaining", "5"},
		},
		{
			status: 429, headers: []string{"Retry-After", "100000"}, hold: 100_000 * time.Second, hasUntil: true,
			name: "refused, Retry-After of more than a day",
		},
		{name: "refused, Retry-After 0", status: 429, headers: []string{"Retry-After", "0"}, hasUntil: true},
		{name: "refused, no headers", status: 429},
		{
			name: "refused, Retry-After 0 and a reset", status: 429, hold: 28 * time.Second, hasUntil: true,
			headers: []string{"Retry-After", "0", "X-RateLimit-Reset", "28"},
		},
		{name: "refused, invalid Retry-After", status: 429, headers: []string{"Retry-After", "-1"}},
		{name: "overloaded, Retry-After", status: 503, headers: []string{"Retry-After", "7"}, hold: 7 * time.Second, hasUntil: true},
		{name: "overloaded", status: 503},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sent := 0
				client := newClient(t, func(c *datasync.Config) {
					c.Transport = roundTripFunc(func(r *http.Request) (*http.Response, error) {
						if sent++; sent == 1 {
							return respond(r, tt.status, tt.headers, []byte(lastPage)), nil
						}
						return respond(r, 200, nil, []byte(lastPage)), nil
					})
				})
				_, err := client.FetchPage(t.Context(), domain.PageRequest{})
				end := time.Now().Add(tt.hold)
				if failure := domain.AsError(err); tt.hasUntil && !failure.Until.Equal(end) {
					t.Errorf("got Until %v, want %v", failure.Until, end)
				} else if !tt.hasUntil && failure != nil && !failure.Until.IsZero() {
					t.Errorf("got Until %v, want none", failure.Until)
				}
				if tt.hold > 0 {
					time.Sleep(tt.hold - time.Nanosecond) // just before the end
					_, err := client.FetchPage(t.Context(), domain.PageRequest{})
					held := domain.AsError(err)
					if held == nil || held.Kind != domain.RateLimited || !held.Unsent || !held.Until.Equal(end) || sent != 1 {
						t.Fatalf("got error %v after %d requests, want a hold until %v after 1 request", err, sent, end)
					}
					text, wantTime := err.Error(), end.Format(time.TimeOnly)
					if !strings.Contains(text, "rate limit is used up") || !strings.Contains(text, wantTime) {
						t.Errorf("got error %q, want one with the reason and the time %s", text, wantTime)
					}
					time.Sleep(time.Nanosecond)
				}
				if _, err := client.FetchPage(t.Context(), domain.PageRequest{}); err != nil || sent != 2 {
					t.Errorf("after the hold: got error %v after %d requests, want none after 2", err, sent)
				}
			})
		})
	}
}

// TestFetchPage_MinDelay checks that MinDelay is the time between the starts of two requests, even after a request that failed.
func TestFetchPage_MinDelay(t *testing.T) {
	t.Parallel()
	const minDelay = 500 * time.Millisecond
	synctest.Test(t, func(t *testing.T) {
		var sent []time.Duration
		began := time.Now()
		client := newClient(t, func(c *datasync.Config) {
			c.MinDelay = minDelay
			c.Transport = roundTripFunc(func(r *http.Request) (*http.Response, error) {
				sent = append(sent, time.Since(began))
				time.Sleep(200 * time.Millisecond) // the time until the answer arrives
				if len(sent) == 2 {
					return nil, errors.New("connection reset")
				}
				return respond(r, 200, nil, []byte(lastPage)), nil
			})
		})
		for len(sent) < 4 {
			_, err := client.FetchPage(t.Context(), domain.PageRequest{})
			if held := domain.AsError(err); held != nil && held.Unsent {
				if held.Kind != domain.RateLimited {
					t.Fatalf("got error %v, want RateLimited", err)
				}
				time.Sleep(time.Until(held.Until))
			}
		}
		for i, got := range sent {
			if want := time.Duration(i) * minDelay; got != want {
				t.Errorf("request %d: got a request after %s, want it after %s", i, got, want)
			}
		}
	})
}

// TestFetchPage_LateAnswer checks that an answer does not shorten a hold if its request was sent before the refusal.
func TestFetchPage_LateAnswer(t *testing.T) {
	t.Parallel()
	for _, remaining := range []string{"0", "5"} {
		synctest.Test(t, func(t *testing.T) {
			isFirst := true
			client := newClient(t, func(c *datasync.Config) {
				c.Transport = roundTripFunc(func(r *http.Request) (*http.Response, error) {
					if isFirst {
						isFirst = false
						time.Sleep(5 * time.Second) // the refusal of the second request arrives in this time
						headers := []string{"X-RateLimit-Remaining", remaining, "X-RateLimit-Reset", "1"}
						return respond(r, 200, headers, []byte(lastPage)), nil
					}
					return respond(r, 429, []string{"Retry-After", "60"}, nil), nil
				})
			})
			lateError := make(chan error)
			go func() {
				_, err := client.FetchPage(t.Context(), domain.PageRequest{})
				lateError <- err
			}()
			synctest.Wait()
			_, err := client.FetchPage(t.Context(), domain.PageRequest{})
			refusal := domain.AsError(err)
			if err := <-lateError; err != nil || refusal == nil {
				t.Fatalf("got error %v from the late answer, %v from the refusal, want only the second", err, refusal)
			}
			time.Sleep(2 * time.Second) // longer than the reset of the late answer
			_, err = client.FetchPage(t.Context(), domain.PageRequest{})
			if held := domain.AsError(err); held == nil || !held.Unsent || !held.Until.Equal(refusal.Until) {
				t.Errorf("after a late answer with %s requests left: got error %v, want a hold until %s", remaining, err, refusal.Until)
			}
		})
	}
}

// TestFetchPage_HoldAfterSeveralAnswers checks how earlier answers change the hold after the last one. One second passes before
// each answer. The arguments of xRateLimit are the limit, the remaining requests and the reset. The hold is the last reset, if
// the client believes it; otherwise the hold is the window, or a minute.
func TestFetchPage_HoldAfterSeveralAnswers(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		answers [][]string    // the headers of each answer
		hold    time.Duration // after the last answer
	}{
		{
			name: "window as recorded", hold: 58 * time.Second,
			answers: [][]string{xRateLimit("3", "2", "60"), xRateLimit("3", "1", "59"), xRateLimit("3", "0", "58")},
		},
		{
			name: "reset beyond the window", hold: time.Minute,
			answers: [][]string{xRateLimit("3", "2", "60"), xRateLimit("3", "1", "59"), xRateLimit("3", "0", "3600")},
		},
		{name: "last reset rounded up", answers: [][]string{xRateLimit("2", "1", "59"), xRateLimit("2", "0", "60")}, hold: time.Minute},
		{
			name: "first answer in the middle of a window", hold: 58 * time.Second,
			answers: [][]string{xRateLimit("9", "1", "3"), xRateLimit("9", "0", "58")},
		},
		{
			name: "milliseconds left", hold: 56_990 * time.Millisecond, // until the end that the third answer told
			answers: [][]string{
				xRateLimit("4", "3", "60000"),
				xRateLimit("4", "2", "59010"),
				xRateLimit("4", "1", "57990"),
				xRateLimit("4", "0", "57000"),
			},
		},
		{
			name: "milliseconds left, from the middle", hold: 28 * time.Second,
			answers: [][]string{xRateLimit("9", "2", "30000"), xRateLimit("9", "1", "29000"), xRateLimit("9", "0", "28000")},
		},
		{name: "a limit of one, and milliseconds left", answers: [][]string{xRateLimit("1", "0", "60000")}, hold: time.Minute},
		{
			name: "a limit of two, and milliseconds left", hold: time.Minute,
			answers: [][]string{xRateLimit("2", "1", "60000"), xRateLimit("2", "0", "59000")},
		},
		{
			name: "seconds of a window that is too long", hold: time.Minute,
			answers: [][]string{
				xRateLimit("4", "3", "60000"),
				xRateLimit("4", "2", "59999"),
				xRateLimit("4", "1", "59998"),
				xRateLimit("4", "0", "59997"),
			},
		},
		{
			name: "window of the clock's minute, first answer at its end", hold: 58 * time.Second,
			answers: [][]string{xRateLimit("3", "2", "10"), xRateLimit("3", "0", "58")},
		},
		{
			name: "window of the clock's minute, answers at its beginning and end", hold: 118 * time.Second,
			answers: [][]string{xRateLimit("3", "2", "120"), xRateLimit("3", "2", "10"), xRateLimit("3", "0", "118")},
		},
		{
			name: "window of the clock's hour, first answer at its end", hold: 2999 * time.Second,
			answers: [][]string{xRateLimit("9", "8", "30"), xRateLimit("9", "1", "3000"), xRateLimit("9", "0", "2999")},
		},
		{
			name: "announced window shrinks",
			answers: [][]string{
				{"RateLimit", `"a";r=9;t=60`, "RateLimit-Policy", `"a";q=10;w=60`},
				{"RateLimit", `"a";r=8;t=5`, "RateLimit-Policy", `"a";q=10;w=10`},
				{"RateLimit", `"a";r=0;t=58`, "RateLimit-Policy", `"a";q=10;w=10`},
			},
			hold: 10 * time.Second,
		},
		{
			name: "only one answer that could be in milliseconds", hold: 1999 * time.Second,
			answers: [][]string{xRateLimit("9", "2", "3000"), xRateLimit("9", "1", "2000"), xRateLimit("9", "0", "1999")},
		},
		{
			name: "windows of two policies in turn", hold: 38 * time.Second,
			answers: [][]string{
				xRateLimit("9", "3", "3000"),
				xRateLimit("9", "2", "40"),
				xRateLimit("9", "1", "2998"),
				xRateLimit("9", "0", "38"),
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := newClient(t, func(c *datasync.Config) { c.Transport = answerInTurn(tt.answers...) })
				for i := range tt.answers {
					if _, err := client.FetchPage(t.Context(), domain.PageRequest{}); err != nil {
						t.Fatalf("answer %d: got error %v, want none", i, err)
					}
				}
				_, err := client.FetchPage(t.Context(), domain.PageRequest{})
				if held := domain.AsError(err); held == nil || !held.Unsent || time.Until(held.Until) != tt.hold {
					t.Errorf("got error %v, want a hold of %s", err, tt.hold)
				}
			})
		})
	}
}

// answerInTurn returns a transport that answers with these headers in turn, each after a second, with status 200.
func answerInTurn(answers ...[]string) roundTripFunc {
	return func(r *http.Request) (*http.Response, error) {
		time.Sleep(time.Second)
		headers := answers[0]
		answers = answers[1:]
		return respond(r, http.StatusOK, headers, []byte(lastPage)), nil
	}
}

// xRateLimit returns the rate limit headers in the recorded form.
func xRateLimit(limit, remaining, reset string) []string {
	return []string{"X-RateLimit-Limit", limit, "X-RateLimit-Remaining", remaining, "X-RateLimit-Reset", reset}
}
