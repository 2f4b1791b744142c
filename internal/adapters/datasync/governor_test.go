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
		{"none left, past epoch", 200, []string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "946684000"}, 0, false},
		{"none left for years is not believed", 200, []string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "90000000"}, 0, false},
		{"a fault that used up the last", 500, []string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "28"}, 28 * time.Second, false},
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
