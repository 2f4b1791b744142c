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

// newDecoder accepts one form of record more than the decoder that parked it: "no. 17".
var newDecoder = domaintest.LineDecoder{Accepts: "no."} //nolint:gochecknoglobals // the same

// A fixture is a replay with its fake database and observer.
type fixture struct {
	db    *domaintest.MemDatabase
	store *flakyStore
	opts  replay.Options
	seen  observerLog
}

// newFixture returns a database with dead letters of these payloads, with ids from 1. A replay takes three at once.
func newFixture(t *testing.T, payloads ...string) *fixture {
	t.Helper()
	f := &fixture{db: domaintest.NewMemDatabase()}
	f.store = &flakyStore{Store: f.db.Replays(3)}
	f.opts = replay.Options{
		Stream: stream, Letters: domain.DeadLetterSelection{All: true},
		Retry: retry.Policy{Tries: 5, Jitter: func() float64 { return 1 }},
	}
	f.park(t, payloads...)
	return f
}

func (f *fixture) park(t *testing.T, payloads ...string) {
	t.Helper()
	runner := f.db.Store()
	defer runner.Close()
	at, err := runner.Claim(t.Context(), stream, "https://api.example")
	if err != nil {
		t.Fatal(err)
	}
	var page domain.Page
	for i, payload := range payloads {
		page.Records = append(page.Records, domain.Record{Payload: []byte(payload), Index: i})
	}
	read, err := domain.FetchedPage{From: at.Position, To: at.After(page), Page: page}.Decode(t.Context(), domaintest.LineDecoder{})
	if err != nil {
		t.Fatal(err)
	}
	read.MaxParked = read.Received
	if _, err := runner.Commit(t.Context(), domain.Batch{At: at, Pages: []domain.DecodedPage{read}}); err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) run(ctx context.Context) (replay.Report, error) {
	return replay.New(f.store, newDecoder, &f.seen, f.opts).Run(ctx)
}

// describeLetters returns payload, number of replays and resolution of each dead letter.
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
	batches []int64 // how many dead letters were replayed after each
}

func (l *observerLog) Surveyed(s domain.SelectionCount) { l.surveys = append(l.surveys, s) }
func (l *observerLog) Waiting(w retry.Wait)             { l.waits = append(l.waits, w) }
func (l *observerLog) Replayed(r replay.Report)         { l.batches = append(l.batches, r.Received) }

// A flakyStore fails chosen calls as networks and databases do.
type flakyStore struct {
	replay.Store

	replays  []attempt // of the first calls of Replay
	opens    []error
	attempts int
}

func (s *flakyStore) Replay(ctx context.Context, batch domain.Replay) (domain.ReplayResult, error) {
	s.attempts++
	call := func() (domain.ReplayResult, error) { return s.Store.Replay(ctx, batch) }
	if len(s.replays) == 0 {
		return call()
	}
	first := s.replays[0]
	s.replays = s.replays[1:]
	return first(call)
}

func (s *flakyStore) Open(
	ctx context.Context, stream domain.StreamID, chosen domain.DeadLetterSelection, after, last int64,
) ([]domain.DeadLetter, error) {
	if len(s.opens) > 0 {
		err := s.opens[0]
		s.opens = s.opens[1:]
		return nil, err
	}
	return s.Store.Open(ctx, stream, chosen, after, last)
}

func scriptedError(kind domain.Kind) error {
	return &domain.Error{Kind: kind, Op: "replay", Err: errors.New("scripted " + kind.String())}
}

// An attempt replaces a call of Replay. It may call replay to let it happen.
type attempt = func(func() (domain.ReplayResult, error)) (domain.ReplayResult, error)

// loseAnswer loses the answer to a COMMIT that happened; loseCommit loses the COMMIT itself.
func loseAnswer(call func() (domain.ReplayResult, error)) (domain.ReplayResult, error) {
	if _, err := call(); err != nil {
		return domain.ReplayResult{}, err
	}
	return domain.ReplayResult{}, scriptedError(domain.Uncertain)
}

func loseCommit(func() (domain.ReplayResult, error)) (domain.ReplayResult, error) {
	return domain.ReplayResult{}, scriptedError(domain.Uncertain)
}

func failOnce(func() (domain.ReplayResult, error)) (domain.ReplayResult, error) {
	return domain.ReplayResult{}, scriptedError(domain.Transient)
}
