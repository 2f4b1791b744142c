package ingest_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/app/ingest"
	"github.com/pawldata/pawl/internal/app/retry"
	"github.com/pawldata/pawl/internal/domain"
)

// TestStates checks the state that is reported after each step of a run, and that a step that changes nothing is not reported.
func TestStates(t *testing.T) {
	t.Parallel()
	waitFor := func(d time.Duration, kind domain.Kind) retry.Wait {
		return retry.Wait{For: d, Until: time.Now().Add(d), Err: &domain.Error{Kind: kind, Op: "op", Err: errors.New("why")}}
	}
	failure := &domain.Error{Kind: domain.Unauthorized, Op: "op", Err: errors.New("bad key")}
	tests := []struct {
		name      string
		steps     func(s *ingest.States)
		want      []domain.Activity // the reported ones, in order
		wantError string            // in the last report
	}{
		{
			name: "fetching and storing are one state",
			steps: func(s *ingest.States) {
				s.Fetching(domain.Position{})
				s.Storing(domain.Batch{})
				s.Fetching(domain.Position{})
			},
			want: []domain.Activity{domain.ActivityWorking},
		},
		{
			name:  "a short wait is work",
			steps: func(s *ingest.States) { s.Waiting(waitFor(999*time.Millisecond, domain.RateLimited)) },
			want:  []domain.Activity{domain.ActivityWorking},
		},
		{
			name: "a wait for the rate limit is no error",
			steps: func(s *ingest.States) {
				s.Waiting(waitFor(time.Minute, domain.RateLimited))
				s.Committed(domain.Batch{}, domain.CommitResult{}) // the page before is stored during the wait
				s.Fetching(domain.Position{})
			},
			want: []domain.Activity{domain.ActivityWorking, domain.ActivityRateLimited, domain.ActivityWorking},
		},
		{
			name: "waits after failures",
			steps: func(s *ingest.States) {
				s.Waiting(waitFor(time.Minute, domain.Transient))
				s.WaitingToStore(waitFor(time.Minute, domain.Transient)) // prevails, because nothing is stored
				s.Storing(domain.Batch{})
			},
			want: []domain.Activity{
				domain.ActivityWorking, domain.ActivityWaitingForAPI, domain.ActivityWaitingToStore, domain.ActivityWaitingForAPI,
			},
			wantError: "op: why",
		},
		{
			name:      "the end after a failure",
			steps:     func(s *ingest.States) { s.End(failure) },
			want:      []domain.Activity{domain.ActivityWorking, domain.ActivityFailed},
			wantError: "op: bad key",
		},
		{
			name:  "the end of a run that was stopped",
			steps: func(s *ingest.States) { s.End(&domain.Error{Kind: domain.Stopped, Op: "op", Err: errors.New("why")}) },
			want:  []domain.Activity{domain.ActivityWorking, domain.ActivityEnded},
		},
		{
			name: "the end because of the rate limit",
			steps: func(s *ingest.States) {
				s.End(&domain.Error{Kind: domain.RateLimited, Op: "op", Err: errors.New("why")})
			},
			want: []domain.Activity{domain.ActivityWorking, domain.ActivityEnded},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got []domain.RunnerState
			seen := &observerLog{}
			s := ingest.NewStates(seen, func(state domain.RunnerState) { got = append(got, state) })
			s.WaitingToStore(waitFor(time.Second, domain.Fenced)) // before the claim
			got = nil
			s.Claimed(domain.Checkpoint{})
			tt.steps(s)
			var activities []domain.Activity
			for _, state := range got {
				activities = append(activities, state.Activity)
				waits := strings.HasPrefix(string(state.Activity), "waiting")
				if hasEnd := !state.Until.IsZero(); hasEnd != waits {
					t.Errorf("%s: got an end of the wait %t, want %t", state.Activity, hasEnd, waits)
				}
			}
			if !slices.Equal(activities, tt.want) {
				t.Errorf("got states %q, want %q", activities, tt.want)
			}
			if last := got[len(got)-1].LastError; last != tt.wantError {
				t.Errorf("got last error %q, want %q", last, tt.wantError)
			}
		})
	}
}
