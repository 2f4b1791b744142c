package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/app/ingest"
	"github.com/pawldata/pawl/internal/app/retry"
	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

const origin = "https://api.example/v1"

var stream = domain.StreamID{Source: "test"} //nolint:gochecknoglobals // a constant that Go cannot have

// A bench is a run with everything around it in reach of the test.
type bench struct {
	db    *domaintest.MemDatabase
	store domain.EventStore
	opts  ingest.Options
	seen  *log
}

func newBench() *bench {
	b := &bench{db: domaintest.NewMemDatabase(), seen: &log{}}
	b.store = b.db.Store()
	b.opts = ingest.Options{
		Stream: stream, Origin: origin, PageSize: 2,
		Retry: retry.Policy{Tries: 5, MaxWait: time.Hour, Jitter: func() float64 { return 1 }},
	}
	return b
}

func (b *bench) run(ctx context.Context, source domain.EventSource) (domain.Summary, error) {
	return ingest.New(source, numbers{}, b.store, b.seen, b.opts).Run(ctx)
}

// stored is the numbers of the events stored, in order.
func (b *bench) stored() []int {
	var ids []int
	for id := range b.db.Events() {
		ids = append(ids, int(id[15]))
	}
	slices.Sort(ids)
	return ids
}

func (b *bench) wantStored(t *testing.T, want ...int) {
	t.Helper()
	if got := b.stored(); !slices.Equal(got, want) {
		t.Errorf("stored %v, want %v", got, want)
	}
}

// numbers decodes records that are numbers.
type numbers struct{}

func (numbers) Decode(r domain.Record) (domain.Event, []domain.Drift, error) {
	n, err := strconv.ParseUint(string(r.Payload), 10, 8)
	if err != nil {
		return domain.Event{}, nil, &domain.Rejection{Reason: "not a number", Field: "n", Detail: string(r.Payload)}
	}
	return domain.Event{ID: domain.UUID{15: byte(n)}}, nil, nil
}

// An answer is what a script's source says to one request.
type answer struct {
	page domain.Page
	err  error
	// before runs when the request comes in.
	before func()
}

// A script is a source that gives its answers in order and notes what it was asked.
type script struct {
	t       *testing.T
	answers []answer
	asked   []domain.Cursor
}

func (s *script) FetchPage(ctx context.Context, req domain.PageRequest) (domain.Page, error) {
	if err := ctx.Err(); err != nil {
		return domain.Page{}, &domain.Error{Kind: domain.Stopped, Op: "fetch page", Err: err}
	}
	s.asked = append(s.asked, req.Cursor)
	if len(s.answers) == 0 {
		s.t.Errorf("request %d was not expected: cursor %q", len(s.asked), req.Cursor)
		return domain.Page{}, errors.New("the script is at its end")
	}
	a := s.answers[0]
	s.answers = s.answers[1:]
	if a.before != nil {
		a.before()
	}
	a.page.Receipt.FetchedAt = time.Now()
	return a.page, a.err
}

// wantAsked fails unless the source was asked for these cursors and has nothing left to say.
func (s *script) wantAsked(cursors ...domain.Cursor) {
	s.t.Helper()
	if !slices.Equal(s.asked, cursors) {
		s.t.Errorf("asked for %q, want %q", s.asked, cursors)
	}
	if len(s.answers) > 0 {
		s.t.Errorf("%d answers were not asked for", len(s.answers))
	}
}

func says(t *testing.T, answers ...answer) *script { return &script{t: t, answers: answers} }

// of is a page of a stream of total records, the last one if next is empty.
func of(total int64, next domain.Cursor, records ...string) answer {
	page := domain.Page{
		Next: next, Last: next == "", ExpiresIn: 2 * time.Minute, Total: domain.Total{N: total, Known: total >= 0},
	}
	for i, r := range records {
		page.Records = append(page.Records, domain.Record{Payload: []byte(r), Index: i})
	}
	return answer{page: page}
}

const unannounced = -1

func fails(kind domain.Kind) answer {
	return answer{err: &domain.Error{Kind: kind, Op: "fetch page", Err: fmt.Errorf("scripted %s", kind)}}
}

func limited(wait time.Duration, unsent bool) answer {
	a := answer{}
	refusal := &domain.Error{Kind: domain.RateLimited, Op: "fetch page", Err: errors.New("scripted 429"), Unsent: unsent}
	a.err, a.before = refusal, func() { refusal.Until = time.Now().Add(wait) }
	return a
}

// A log notes what an observer is told.
type log struct {
	claims []domain.Checkpoint
	waits  []retry.Wait
	passes []domain.Place
	pages  []domain.CommitResult
}

func (l *log) Claimed(at domain.Checkpoint)                       { l.claims = append(l.claims, at) }
func (l *log) Waiting(w retry.Wait)                               { l.waits = append(l.waits, w) }
func (l *log) PassStarted(at domain.Place)                        { l.passes = append(l.passes, at) }
func (l *log) Committed(_ domain.ReadPage, r domain.CommitResult) { l.pages = append(l.pages, r) }
