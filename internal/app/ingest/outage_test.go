package ingest_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pawldata/pawl/internal/app/ingest"
	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

// An awayStore is a store whose database does not work during each of its outages.
type awayStore struct {
	domain.EventStore

	began    time.Time
	outages  []outage
	attempts int           // the number of calls during an outage
	delay    time.Duration // how long a call takes before it fails
}

// An outage is the time from begin to end, both since the start of the test, in which each call fails with an error of the kind.
type outage struct {
	begin, end time.Duration
	kind       domain.Kind
}

// fail returns the error of a call during an outage, otherwise nil.
func (s *awayStore) fail() error {
	since := time.Since(s.began)
	for _, o := range s.outages {
		if since >= o.begin && since < o.end {
			s.attempts++
			time.Sleep(s.delay)
			return &domain.Error{
				Kind: o.kind, Code: domain.CodeDatabaseReadOnly, Op: "store page", Err: errors.New("read-only"), Hint: "the server is a standby",
			}
		}
	}
	return nil
}

func (s *awayStore) Claim(ctx context.Context, stream domain.StreamID, sourceURL string) (domain.Checkpoint, error) {
	if err := s.fail(); err != nil {
		return domain.Checkpoint{}, err
	}
	return s.EventStore.Claim(ctx, stream, sourceURL)
}

func (s *awayStore) Commit(ctx context.Context, batch domain.Batch) (domain.CommitResult, error) {
	if err := s.fail(); err != nil {
		return domain.CommitResult{}, err
	}
	return s.EventStore.Commit(ctx, batch)
}

func (s *awayStore) Checkpoint(ctx context.Context, stream domain.StreamID) (domain.Checkpoint, error) {
	if err := s.fail(); err != nil {
		return domain.Checkpoint{}, err
	}
	return s.EventStore.Checkpoint(ctx, stream)
}

// pauses is a source that waits before its second and third page, so that a test can place an outage between two pages.
type pauses struct {
	domain.EventSource

	pause    time.Duration
	requests int
}

func (p *pauses) FetchPage(ctx context.Context, req domain.PageRequest) (domain.Page, error) {
	if p.requests++; p.requests > 1 {
		select {
		case <-time.After(p.pause):
		case <-ctx.Done():
		}
	}
	return p.EventSource.FetchPage(ctx, req)
}

// TestOutage checks how long a run tries again while its database is away. Time alone limits it, from the first failure until something is
// stored. Each run reads three pages of one record, with a minute before the second and the third.
func TestOutage(t *testing.T) {
	t.Parallel()
	const soon = time.Second
	tests := []struct {
		name    string
		outages []outage
		delay   time.Duration
		want    domain.Kind
		wantAt  time.Duration // for a run that gives up: when its last attempt begins
		stored  []int
	}{
		{name: "at the claim", outages: []outage{{0, maxOutage - soon, domain.Transient}}, want: domaintest.NoError, stored: []int{0, 1, 2}},
		{name: "at the claim, too long", outages: []outage{{0, time.Hour, domain.Transient}}, want: domain.Transient, wantAt: maxOutage},
		{
			name:    "the second page",
			outages: []outage{{time.Minute, time.Minute + maxOutage - soon, domain.Transient}},
			want:    domaintest.NoError, stored: []int{0, 1, 2},
		},
		{
			name:    "the second page, too long",
			outages: []outage{{time.Minute, time.Hour, domain.Transient}},
			want:    domain.Transient, wantAt: time.Minute + maxOutage, stored: []int{0},
		},
		{
			name:    "the second page, with commits whose answers are lost",
			outages: []outage{{time.Minute, time.Minute + maxOutage - soon, domain.Uncertain}},
			want:    domaintest.NoError, stored: []int{0, 1, 2},
		},
		{
			name:    "only answers are lost, too long",
			outages: []outage{{time.Minute, time.Hour, domain.Uncertain}},
			want:    domain.Uncertain, wantAt: time.Minute + maxOutage, stored: []int{0},
		},
		{
			name: "two outages, with a stored page between them",
			outages: []outage{
				{time.Minute, time.Minute + maxOutage - soon, domain.Transient},
				{2*time.Minute + maxOutage - soon, 2*time.Minute + 2*maxOutage - 2*soon, domain.Transient},
			},
			want: domaintest.NoError, stored: []int{0, 1, 2},
		},
		{
			name:    "each attempt takes long",
			outages: []outage{{time.Minute, time.Hour, domain.Transient}}, delay: 75 * time.Second,
			// The first failure ends 75 s after it began. After that, the time of the outage begins.
			want: domain.Transient, wantAt: time.Minute + 75*time.Second + maxOutage, stored: []int{0},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixture()
				store := &awayStore{EventStore: f.store, began: time.Now(), outages: tt.outages, delay: tt.delay}
				f.store = store
				_, err := f.run(t.Context(), &pauses{EventSource: domaintest.NewCleanStream(3, 1), pause: time.Minute})
				domaintest.CheckKind(t, err, tt.want)
				f.wantStored(t, tt.stored...)
				if tt.want == domaintest.NoError {
					return
				}
				// The last attempt begins when the time has passed, unless the attempt before it took longer.
				took := time.Since(store.began)
				if earliest, latest := tt.wantAt, tt.wantAt+2*tt.delay; took < earliest || took > latest {
					t.Errorf("got the end after %s, want it after %s to %s", took, earliest, latest)
				}
				if domain.RemedyOf(err) != domain.AllowLongerOutage || domain.HintOf(err) == "" || domain.CodeOf(err) != domain.CodeDatabaseReadOnly {
					t.Errorf("got remedy %d, hint %q, code %s; want AllowLongerOutage with the hint and code of the cause",
						domain.RemedyOf(err), domain.HintOf(err), domain.CodeOf(err))
				}
			})
		})
	}
}

// TestOutage_SharedByBatches checks that the time of an outage goes on when a batch of several pages fails and its pages are then stored
// one by one.
func TestOutage_SharedByBatches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		f.opts.MaxBufferBytes = 1 << 20
		slow := &slowStore{EventStore: f.store, commitTime: time.Second} // so that several pages are ready for the second batch
		store := &awayStore{
			EventStore: slow, began: time.Now(), outages: []outage{{time.Second, time.Hour, domain.Transient}}, delay: 10 * time.Second,
		}
		f.store = store
		_, err := f.run(t.Context(), &freeSource{records: 60, pageBytes: []int64{10}})
		domaintest.CheckKind(t, err, domain.Transient)
		// The first failure ends 11 s after the start. The last attempt begins at most 10 s after the time has passed.
		if took, earliest := time.Since(store.began), 11*time.Second+maxOutage; took < earliest || took > earliest+20*time.Second {
			t.Errorf("got the end after %s, want it %s to %s after the start", took, earliest, earliest+20*time.Second)
		}
	})
}

// TestOutage_State checks that the observer hears until when the run tries again, and that the state lasts until a page is stored.
func TestOutage_State(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		began := time.Now()
		f.store = &awayStore{EventStore: f.store, began: began, outages: []outage{{time.Minute, 2 * time.Minute, domain.Transient}}}
		var states []domain.RunnerState
		observer := ingest.NewStates(f.seen, func(s domain.RunnerState) { states = append(states, s) })
		source := &pauses{EventSource: domaintest.NewCleanStream(2, 1), pause: time.Minute}
		if _, err := ingest.New(source, domaintest.LineDecoder{}, f.store, observer, f.opts).Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(f.seen.waits) < 2 {
			t.Fatalf("got %d waits, want several", len(f.seen.waits))
		}
		for _, w := range f.seen.waits {
			if want := began.Add(time.Minute + maxOutage); !w.ByTimeAlone() || !w.GivesUpAt.Equal(want) {
				t.Errorf("got a wait with Tries %d, end %s; want time alone until %s", w.Tries, w.GivesUpAt, want)
			}
		}
		var activities []domain.Activity
		for _, s := range states {
			if len(activities) == 0 || activities[len(activities)-1] != s.Activity {
				activities = append(activities, s.Activity)
			}
		}
		want := []domain.Activity{domain.ActivityWorking, domain.ActivityWaitingToStore, domain.ActivityWorking}
		if !slices.Equal(activities, want) {
			t.Errorf("got states %q, want %q", activities, want)
		}
	})
}
