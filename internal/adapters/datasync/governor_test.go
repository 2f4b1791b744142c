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

// TestFetchPage_Hold checks how long FetchPage sends nothing after an answer with these headers.
func TestFetchPage_Hold(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		status  int
		headers []string
		hold    time.Duration
		isSaid  bool // the error has Until
	}{
		{"some left", 200, []string{"X-RateLimit-Remaining", "1", "X-RateLimit-Reset", "60"}, 0, false},
		{"none left", 200, []string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "28"}, 28 * time.Second, false},
		{"negative remaining", 200, []string{"X-RateLimit-Remaining", "-5", "X-RateLimit-Reset", "28"}, 28 * time.Second, false},
		{"none left, window over", 200, []string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "0"}, 0, false},
		{"none left, no reset", 200, []string{"X-RateLimit-Remaining", "0"}, 0, false},
		{"none left, negative reset", 200, []string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "-1"}, 0, false},
		{"none left, date in the past", 200, []string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "1999-12-31T23:59:59Z"}, 0, false},
		{"none left, reset in years", 200, []string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "90000000"}, time.Minute, false},
		{"none left, reset in an hour", 200, []string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "3600"}, time.Hour, false},
		{"none left, reset in more than an hour", 200, []string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "3602"}, time.Minute, false},
		{"none left, reset and Retry-After in two hours", 200, []string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "7200", "Retry-After", "7200"}, 2 * time.Hour, false},
		{"none left, reset in two hours within the announced window", 200, []string{"RateLimit", `"a";r=0;t=7200`, "RateLimit-Policy", `"a";q=10;w=86400`}, 2 * time.Hour, false},
		{"server error, none left", 500, []string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "28"}, 28 * time.Second, false},
		{"none left, Retry-After", 200, []string{"X-RateLimit-Remaining", "0", "Retry-After", "7"}, 7 * time.Second, false},
		{"some left, Retry-After", 200, []string{"X-RateLimit-Remaining", "1", "Retry-After", "7"}, 0, false},
		{"none left, reset with a fraction", 200, []string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "1.5"}, 1500 * time.Millisecond, false},
		{"none left, in a dictionary", 200, []string{"RateLimit", "limit=10, remaining=0, reset=42"}, 42 * time.Second, false},
		{"two policies with none left", 200, []string{"RateLimit", `"a";r=0;t=5, "b";r=0;t=50`}, 50 * time.Second, false},
		{"one of two policies with none left", 200, []string{"RateLimit", `"a";r=0;t=5, "b";r=1;t=50`}, 5 * time.Second, false},
		{"none left, reset beyond the window", 200, []string{"RateLimit", `"a";r=0;t=3600`, "RateLimit-Policy", `"a";q=10;w=60`}, 60 * time.Second, false},
		{"refused, reset beyond the window", 429, []string{"RateLimit", `"a";r=0;t=3600`, "RateLimit-Policy", `"a";q=10;w=60`}, 60 * time.Second, true},
		{"refused, Retry-After beyond the window", 429, []string{"Retry-After", "3600", "RateLimit-Policy", `"a";q=10;w=60`}, time.Hour, true},
		{"refused, reset in years", 429, []string{"X-RateLimit-Reset", "90000000"}, time.Minute, true},
		{"refused, reset in two hours", 429, []string{"X-RateLimit-Reset", "7200"}, time.Minute, true},
		{"refused, Retry-After with a fraction", 429, []string{"Retry-After", "1.5"}, 1500 * time.Millisecond, true},
		{"forbidden, Retry-After", 403, []string{"Retry-After", "28"}, 28 * time.Second, true},
		{"forbidden, none left", 403, []string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "28"}, 28 * time.Second, true},
		{"forbidden, some left", 403, []string{"X-RateLimit-Remaining", "1", "X-RateLimit-Reset", "28"}, 0, false},
		{"refused", 429, []string{"Retry-After", "28"}, 28 * time.Second, true},
		{"refused, reset only", 429, []string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "28"}, 28 * time.Second, true},
		{"refused, reset and Retry-After", 429, []string{"Retry-After", "30", "X-RateLimit-Reset", "28"}, 30 * time.Second, true},
		{"refused, and some left", 429, []string{"Retry-After", "30", "X-RateLimit-Remaining", "5"}, 30 * time.Second, true},
		{"refused, Retry-After of more than a day", 429, []string{"Retry-After", "100000"}, 100_000 * time.Second, true},
		{"refused, Retry-After 0", 429, []string{"Retry-After", "0"}, 0, true},
		{"refused, no headers", 429, nil, 0, false},
		{"refused, Retry-After 0 and a reset", 429, []string{"Retry-After", "0", "X-RateLimit-Reset", "28"}, 28 * time.Second, true},
		{"refused, invalid Retry-After", 429, []string{"Retry-After", "-1"}, 0, false},
		{"overloaded, Retry-After", 503, []string{"Retry-After", "7"}, 7 * time.Second, true},
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
				if failure := domain.AsError(err); tt.isSaid && !failure.Until.Equal(time.Now().Add(tt.hold)) {
					t.Errorf("got Until %v, want in %s", failure.Until, tt.hold)
				} else if !tt.isSaid && failure != nil && !failure.Until.IsZero() {
					t.Errorf("got Until %v, want none", failure.Until)
				}
				if tt.hold > 0 {
					time.Sleep(tt.hold - time.Nanosecond)
					_, err := client.FetchPage(t.Context(), domain.PageRequest{})
					held := domain.AsError(err)
					if held == nil || held.Kind != domain.RateLimited || !held.Unsent || !held.Until.Equal(time.Now().Add(time.Nanosecond)) || sent != 1 {
						t.Fatalf("got error %v after %d requests, want a hold after 1", err, sent)
					}
					if text := err.Error(); !strings.Contains(text, "rate limit is used up") || !strings.Contains(text, held.Until.Format(time.TimeOnly)) {
						t.Errorf("got error %v, want one with the reason and the time", err)
					}
					time.Sleep(time.Nanosecond)
				}
				if _, err := client.FetchPage(t.Context(), domain.PageRequest{}); err != nil || sent != 2 {
					t.Errorf("after the hold: got error %v, %d requests, want no error, 2 requests", err, sent)
				}
			})
		})
	}
}

func TestFetchPage_MinDelay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var sent []time.Duration
		began := time.Now()
		client := newClient(t, func(c *datasync.Config) {
			c.MinDelay = 500 * time.Millisecond
			c.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
				sent = append(sent, time.Since(began))
				time.Sleep(200 * time.Millisecond) // until the answer arrives
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
					t.Fatalf("got error %v, want RateLimited", err)
				}
				time.Sleep(time.Until(held.Until))
			}
		}
		for i, at := range sent {
			if at != time.Duration(i)*500*time.Millisecond {
				t.Errorf("request %d: got sent after %s, want %s", i, at, time.Duration(i)*500*time.Millisecond)
			}
		}
	})
}

// TestFetchPage_LateAnswer checks that an answer does not shorten a hold if its request was sent before the refusal.
func TestFetchPage_LateAnswer(t *testing.T) {
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
				t.Fatalf("got late answer %v, refusal %v, want no error and a refusal", err, refused)
			}
			time.Sleep(2 * time.Second)
			_, err = client.FetchPage(t.Context(), domain.PageRequest{})
			if held := domain.AsError(err); held == nil || !held.Unsent || !held.Until.Equal(refused.Until) {
				t.Errorf("after a late answer with %s left: got error %v, want a hold until %s", remaining, err, refused.Until)
			}
		})
	}
}

// TestFetchPage_HoldAfterSeveralAnswers checks how earlier answers change the hold after the last one.
func TestFetchPage_HoldAfterSeveralAnswers(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		answers [][]string
		hold    time.Duration // after the last of them
	}{
		{"window as recorded", [][]string{xRateLimit("3", "2", "60"), xRateLimit("3", "1", "59"), xRateLimit("3", "0", "58")}, 58 * time.Second},
		{"reset beyond the window", [][]string{xRateLimit("3", "2", "60"), xRateLimit("3", "1", "59"), xRateLimit("3", "0", "3600")}, time.Minute},
		{"rounded up", [][]string{xRateLimit("2", "1", "59"), xRateLimit("2", "0", "60")}, time.Minute},
		{"first answer in the middle of a window", [][]string{xRateLimit("9", "1", "3"), xRateLimit("9", "0", "58")}, 58 * time.Second},
		{"milliseconds left", [][]string{xRateLimit("4", "3", "60000"), xRateLimit("4", "2", "59010"), xRateLimit("4", "1", "57990"), xRateLimit("4", "0", "57000")}, 57 * time.Second},
		{"milliseconds left, from the middle", [][]string{xRateLimit("9", "2", "30000"), xRateLimit("9", "1", "29000"), xRateLimit("9", "0", "28000")}, 28 * time.Second},
		{"a limit of one, and milliseconds left", [][]string{xRateLimit("1", "0", "60000")}, time.Minute},
		{"a limit of two, and milliseconds left", [][]string{xRateLimit("2", "1", "60000"), xRateLimit("2", "0", "59000")}, time.Minute},
		{"seconds of a long window", [][]string{xRateLimit("4", "3", "60000"), xRateLimit("4", "2", "59999"), xRateLimit("4", "1", "59998"), xRateLimit("4", "0", "59997")}, time.Minute},
		{"window of the clock's minute, first answer at its end", [][]string{xRateLimit("3", "2", "10"), xRateLimit("3", "0", "58")}, 58 * time.Second},
		{"window of the clock's minute, answers at its beginning and end", [][]string{xRateLimit("3", "2", "120"), xRateLimit("3", "2", "10"), xRateLimit("3", "0", "118")}, 118 * time.Second},
		{"window of the clock's hour, first answer at its end", [][]string{xRateLimit("9", "8", "30"), xRateLimit("9", "1", "3000"), xRateLimit("9", "0", "2999")}, 2999 * time.Second},
		{
			"announced window shrinks",
			[][]string{
				{"RateLimit", `"a";r=9;t=60`, "RateLimit-Policy", `"a";q=10;w=60`},
				{"RateLimit", `"a";r=8;t=5`, "RateLimit-Policy", `"a";q=10;w=10`},
				{"RateLimit", `"a";r=0;t=58`, "RateLimit-Policy", `"a";q=10;w=10`},
			},
			10 * time.Second,
		},
		{"one answer that could be in milliseconds", [][]string{xRateLimit("9", "2", "3000"), xRateLimit("9", "1", "2000"), xRateLimit("9", "0", "1999")}, 1999 * time.Second},
		{"windows of two policies in turn", [][]string{xRateLimit("9", "3", "3000"), xRateLimit("9", "2", "40"), xRateLimit("9", "1", "2998"), xRateLimit("9", "0", "38")}, 38 * time.Second},
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
func answerInTurn(answers ...[]string) roundTrip {
	return func(r *http.Request) (*http.Response, error) {
		time.Sleep(time.Second)
		headers := answers[0]
		answers = answers[1:]
		return respond(r, http.StatusOK, headers, []byte(last)), nil
	}
}

// xRateLimit returns the recorded form of the rate limit headers.
func xRateLimit(limit, remaining, reset string) []string {
	return []string{"X-RateLimit-Limit", limit, "X-RateLimit-Remaining", remaining, "X-RateLimit-Reset", reset}
}
