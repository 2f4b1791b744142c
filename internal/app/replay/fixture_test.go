package replay_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/pawldata/pawl/internal/app/replay"
	"github.com/pawldata/pawl/internal/app/retry"
	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

var stream = domain.StreamID{Source: "test"} //nolint:gochecknoglobals // a constant that Go cannot have

// newDecoder is the decoder of a replay. It decodes the payload "no.17" as event 17. The decoder of [fixture.park] rejects this
// payload. Both decoders reject the payload "x".
var newDecoder = domaintest.LineDecoder{Accepts: "no."} //nolint:gochecknoglobals // a constant that Go cannot have

// A fixture has all that a replay needs, with a database in memory.
type fixture struct {
	db    *domaintest.MemDatabase
	store *flakyStore
	opts  replay.Options
	seen  observerLog
}

const (
	batchSize = 3 // the greatest number of dead letters in one batch
	maxTries  = 5 // the greatest number of attempts for one batch
)

// newFixture returns a fixture whose database has a dead letter for each of the payloads, with ids from 1. Equal payloads
// share one dead letter.
func newFixture(t *testing.T, payloads ...string) *fixture {
	t.Helper()
	f := &fixture{db: domaintest.NewMemDatabase()}
	f.store = &flakyStore{Store: f.db.Replays(batchSize)}
	f.opts = replay.Options{
		Stream: stream, Letters: domain.DeadLetterSelection{All: true},
		Outage: retry.Policy{Tries: maxTries, Jitter: func() float64 { return 1 }},
	}
	f.park(t, payloads...)
	return f
}

// park adds dead letters with these payloads to the database, in the way of a run. The decoder of this run rejects all of them,
// because it accepts only numbers.
func (f *fixture) park(t *testing.T, payloads ...string) {
	t.Helper()
	store := f.db.Store()
	defer store.Close()
	checkpoint, err := store.Claim(t.Context(), stream, "https://api.example")
	if err != nil {
		t.Fatal(err)
	}
	var page domain.Page
	for i, payload := range payloads {
		page.Records = append(page.Records, domain.Record{Payload: []byte(payload), Index: i})
	}
	fetched := domain.FetchedPage{From: checkpoint.Position, To: checkpoint.After(page), Page: page}
	decoded, err := fetched.Decode(t.Context(), domaintest.LineDecoder{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	decoded.MaxParked = decoded.Received // every record may be parked
	if _, err := store.Commit(t.Context(), domain.Batch{Start: checkpoint, Pages: []domain.DecodedPage{decoded}}); err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) run(ctx context.Context) (replay.Report, error) {
	return replay.New(f.store, newDecoder, &f.seen, f.opts).Run(ctx)
}

// describeLetters describes each dead letter by its payload, its number of replays and its state, for example
// "no.1: 1 replay, resolved as replayed; x: 2 replays, open".
func (f *fixture) describeLetters() string {
	var descriptions []string
	for _, l := range f.db.Letters() {
		state := "open"
		if l.Resolved != nil {
			state = "resolved as " + l.Resolved.How
		}
		noun := "replays"
		if l.Replays == 1 {
			noun = "replay"
		}
		descriptions = append(descriptions, fmt.Sprintf("%s: %d %s, %s", l.Payload, l.Replays, noun, state))
	}
	return strings.Join(descriptions, "; ")
}

// An observerLog records the calls of an observer.
type observerLog struct {
	surveys          []domain.SelectionCount
	waits            []retry.Wait
	totalsAfterBatch []int64 // for each batch, the number of dead letters that were replayed up to its end
}

func (l *observerLog) Surveyed(s domain.SelectionCount) { l.surveys = append(l.surveys, s) }
func (l *observerLog) Waiting(w retry.Wait)             { l.waits = append(l.waits, w) }
func (l *observerLog) Replayed(r replay.Report) {
	l.totalsAfterBatch = append(l.totalsAfterBatch, r.Received)
}

// A flakyStore replaces the first calls of Replay and Open. All other calls go to the Store inside.
type flakyStore struct {
	replay.Store

	replayScript    []replayFunc // the functions that replace the first calls of Replay
	openErrs        []error      // the errors of the first calls of Open
	replayCallCount int
}

// A replayFunc replaces one call of Replay. It may call callStore, which is Replay of the Store inside with the same batch.
type replayFunc = func(callStore func() (domain.ReplayResult, error)) (domain.ReplayResult, error)

func (s *flakyStore) Replay(ctx context.Context, batch domain.ReplayBatch) (domain.ReplayResult, error) {
	s.replayCallCount++
	callStore := func() (domain.ReplayResult, error) { return s.Store.Replay(ctx, batch) }
	if len(s.replayScript) == 0 {
		return callStore()
	}
	replacement := s.replayScript[0]
	s.replayScript = s.replayScript[1:]
	return replacement(callStore)
}

func (s *flakyStore) Open(
	ctx context.Context, stream domain.StreamID, selection domain.DeadLetterSelection, after, last int64,
) ([]domain.DeadLetter, error) {
	if len(s.openErrs) > 0 {
		err := s.openErrs[0]
		s.openErrs = s.openErrs[1:]
		return nil, err
	}
	return s.Store.Open(ctx, stream, selection, after, last)
}

// scriptedError returns the error of a method that fails as the test prescribes.
func scriptedError(kind domain.Kind) error {
	return &domain.Error{Kind: kind, Op: "replay", Err: errors.New("scripted " + kind.String())}
}

// loseAnswer is a replayFunc that stores the batch, but loses the answer to COMMIT.
func loseAnswer(callStore func() (domain.ReplayResult, error)) (domain.ReplayResult, error) {
	if _, err := callStore(); err != nil {
		return domain.ReplayResult{}, err
	}
	return domain.ReplayResult{}, scriptedError(domain.Uncertain)
}

// loseCommit is a replayFunc that does not store the batch. It returns the same error as loseAnswer.
func loseCommit(func() (domain.ReplayResult, error)) (domain.ReplayResult, error) {
	return domain.ReplayResult{}, scriptedError(domain.Uncertain)
}

// replayAfter returns a replayFunc that calls do and then replays the batch.
func replayAfter(do func()) replayFunc {
	return func(callStore func() (domain.ReplayResult, error)) (domain.ReplayResult, error) {
		do()
		return callStore()
	}
}

// failTransiently is a replayFunc that stores nothing and returns Transient.
func failTransiently(func() (domain.ReplayResult, error)) (domain.ReplayResult, error) {
	return domain.ReplayResult{}, scriptedError(domain.Transient)
}
