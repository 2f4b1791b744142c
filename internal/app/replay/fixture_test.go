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

// newDecoder decodes payloads such as "no.17", which the decoder of the run has rejected. It still rejects payloads such
// as "x".
var newDecoder = domaintest.LineDecoder{Accepts: "no."} //nolint:gochecknoglobals // a constant that Go cannot have

// A fixture has all that a replay needs, with a database in memory.
type fixture struct {
	db    *domaintest.MemDatabase
	store *flakyStore
	opts  replay.Options
	seen  observerLog
}

const (
	batchSize = 3 // the number of dead letters that the store returns for one batch
	maxTries  = 5 // the number of attempts for one batch
)

// newFixture returns a fixture whose database has one dead letter for each of the payloads, with ids from 1.
func newFixture(t *testing.T, payloads ...string) *fixture {
	t.Helper()
	f := &fixture{db: domaintest.NewMemDatabase()}
	f.store = &flakyStore{Store: f.db.Replays(batchSize)}
	f.opts = replay.Options{
		Stream: stream, Letters: domain.DeadLetterSelection{All: true},
		Retry: retry.Policy{Tries: maxTries, Jitter: func() float64 { return 1 }},
	}
	f.park(t, payloads...)
	return f
}

// park adds dead letters with these payloads to the database, as a run with an older decoder does.
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
	decoded, err := fetched.Decode(t.Context(), domaintest.LineDecoder{})
	if err != nil {
		t.Fatal(err)
	}
	decoded.MaxParked = decoded.Received
	if _, err := store.Commit(t.Context(), domain.Batch{Start: checkpoint, Pages: []domain.DecodedPage{decoded}}); err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) run(ctx context.Context) (replay.Report, error) {
	return replay.New(f.store, newDecoder, &f.seen, f.opts).Run(ctx)
}

// describeLetters describes each dead letter by its payload, its number of replays and its resolution, if it has one.
func (f *fixture) describeLetters() string {
	var words []string
	for _, l := range f.db.Letters() {
		word := fmt.Sprintf("%s: %d", l.Payload, l.Replays)
		if l.Resolved != nil {
			word += " " + l.Resolved.How
		}
		words = append(words, word)
	}
	return strings.Join(words, ", ")
}

// An observerLog records the calls of an observer.
type observerLog struct {
	surveys []domain.SelectionCount
	waits   []retry.Wait
	batches []int64 // the number of dead letters replayed so far, after each batch
}

func (l *observerLog) Surveyed(s domain.SelectionCount) { l.surveys = append(l.surveys, s) }
func (l *observerLog) Waiting(w retry.Wait)             { l.waits = append(l.waits, w) }
func (l *observerLog) Replayed(r replay.Report)         { l.batches = append(l.batches, r.Received) }

// A flakyStore replaces the first calls of its methods. Later calls go to the store inside.
type flakyStore struct {
	replay.Store

	replays         []replayFunc // replace the first calls of Replay, one each
	openErrs        []error      // the errors of the first calls of Open
	replayCallCount int
}

func (s *flakyStore) Replay(ctx context.Context, batch domain.ReplayBatch) (domain.ReplayResult, error) {
	s.replayCallCount++
	callStore := func() (domain.ReplayResult, error) { return s.Store.Replay(ctx, batch) }
	if len(s.replays) == 0 {
		return callStore()
	}
	first := s.replays[0]
	s.replays = s.replays[1:]
	return first(callStore)
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

func scriptedError(kind domain.Kind) error {
	return &domain.Error{Kind: kind, Op: "replay", Err: errors.New("scripted " + kind.String())}
}

// A replayFunc replaces one call of Replay. It may call callStore, which is Replay of the store inside with the same batch.
type replayFunc = func(callStore func() (domain.ReplayResult, error)) (domain.ReplayResult, error)

// loseAnswer stores the batch, but loses the answer.
func loseAnswer(callStore func() (domain.ReplayResult, error)) (domain.ReplayResult, error) {
	if _, err := callStore(); err != nil {
		return domain.ReplayResult{}, err
	}
	return domain.ReplayResult{}, scriptedError(domain.Uncertain)
}

// loseCommit does not store the batch, and returns the same error as loseAnswer.
func loseCommit(func() (domain.ReplayResult, error)) (domain.ReplayResult, error) {
	return domain.ReplayResult{}, scriptedError(domain.Uncertain)
}

func failTransiently(func() (domain.ReplayResult, error)) (domain.ReplayResult, error) {
	return domain.ReplayResult{}, scriptedError(domain.Transient)
}
