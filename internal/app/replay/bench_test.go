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

// today is a decoder that has learnt one kind of record more, "no. 17".
var today = domaintest.LineDecoder{Accepts: "no."} //nolint:gochecknoglobals // the same

// A bench is a replay with everything around it in reach of the test.
type bench struct {
	db    *domaintest.MemDatabase
	store *shaky
	opts  replay.Options
	seen  log
}

// newBench has letters of these payloads, with ids from 1, and replays three at once.
func newBench(t *testing.T, payloads ...string) *bench {
	t.Helper()
	b := &bench{db: domaintest.NewMemDatabase()}
	b.store = &shaky{Store: b.db.Replays(3)}
	b.opts = replay.Options{
		Stream: stream, Letters: domain.DeadLetterSelection{All: true},
		Retry: retry.Policy{Tries: 5, Jitter: func() float64 { return 1 }},
	}
	b.park(t, payloads...)
	return b
}

func (b *bench) park(t *testing.T, payloads ...string) {
	t.Helper()
	runner := b.db.Store()
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

func (b *bench) run(ctx context.Context) (replay.Report, error) {
	return replay.New(b.store, today, &b.seen, b.opts).Run(ctx)
}

// became is each letter in a word: replays, and how it was resolved.
func (b *bench) became() string {
	var words []string
	for _, l := range b.db.Letters() {
		word := fmt.Sprintf("%s: %d", l.Payload, l.Replays)
		if l.Resolved != nil {
			word += " " + l.Resolved.How
		}
		words = append(words, word)
	}
	return strings.Join(words, ", ")
}

// A log notes what an observer is told.
type log struct {
	surveys []domain.SelectionCount
	waits   []retry.Wait
	batches []int64 // how many were replayed by the end of each
}

func (l *log) Surveyed(s domain.SelectionCount) { l.surveys = append(l.surveys, s) }
func (l *log) Waiting(w retry.Wait)             { l.waits = append(l.waits, w) }
func (l *log) Replayed(r replay.Report)         { l.batches = append(l.batches, r.Received) }

// A shaky store does to chosen calls what networks and databases do.
type shaky struct {
	replay.Store

	replays  []func(replay func() (domain.ReplayResult, error)) (domain.ReplayResult, error)
	opens    []error
	attempts int
}

func (s *shaky) Replay(ctx context.Context, batch domain.Replay) (domain.ReplayResult, error) {
	s.attempts++
	call := func() (domain.ReplayResult, error) { return s.Store.Replay(ctx, batch) }
	if len(s.replays) == 0 {
		return call()
	}
	first := s.replays[0]
	s.replays = s.replays[1:]
	return first(call)
}

func (s *shaky) Open(
	ctx context.Context, stream domain.StreamID, chosen domain.DeadLetterSelection, after, last int64,
) ([]domain.DeadLetter, error) {
	if len(s.opens) > 0 {
		err := s.opens[0]
		s.opens = s.opens[1:]
		return nil, err
	}
	return s.Store.Open(ctx, stream, chosen, after, last)
}

func failed(kind domain.Kind) error {
	return &domain.Error{Kind: kind, Op: "replay", Err: errors.New("scripted " + kind.String())}
}

type attempt = func(func() (domain.ReplayResult, error)) (domain.ReplayResult, error)

// happens loses the answer to a COMMIT that was carried out; vanishes loses the COMMIT itself.
func happens(call func() (domain.ReplayResult, error)) (domain.ReplayResult, error) {
	if _, err := call(); err != nil {
		return domain.ReplayResult{}, err
	}
	return domain.ReplayResult{}, failed(domain.Uncertain)
}

func vanishes(func() (domain.ReplayResult, error)) (domain.ReplayResult, error) {
	return domain.ReplayResult{}, failed(domain.Uncertain)
}

func breaks(func() (domain.ReplayResult, error)) (domain.ReplayResult, error) {
	return domain.ReplayResult{}, failed(domain.Transient)
}
