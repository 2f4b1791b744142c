package ingest_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/app/ingest"
	"github.com/pawldata/pawl/internal/app/retry"
	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

const sourceURL = "https://api.example/v1"

var stream = domain.StreamID{Source: "test"} //nolint:gochecknoglobals // a constant that Go cannot have

// A fixture is a run with its fake database and observer.
type fixture struct {
	db    *domaintest.MemDatabase
	store domain.EventStore
	opts  ingest.Options
	seen  *observerLog
}

func newFixture() *fixture {
	f := &fixture{db: domaintest.NewMemDatabase(), seen: &observerLog{}}
	f.store = f.db.Store()
	f.opts = ingest.Options{
		Stream: stream, SourceURL: sourceURL, PageSize: 2,
		Retry: retry.Policy{Tries: 5, MaxWait: time.Hour, Jitter: func() float64 { return 1 }},
	}
	return f
}

// run makes one run. If the run succeeds and the stream is not done, it returns an error.
func (f *fixture) run(ctx context.Context, source domain.EventSource) (domain.Summary, error) {
	sum, err := ingest.New(source, domaintest.LineDecoder{}, f.store, f.seen, f.opts).Run(ctx)
	if err != nil {
		return sum, err
	}
	durable, err := f.db.Store().Checkpoint(context.WithoutCancel(ctx), f.opts.Stream)
	if err == nil && (!durable.Done || !sum.Done) {
		err = fmt.Errorf("the run succeeded at %+v, which is not done; its summary is %+v", durable, sum)
	}
	return sum, err
}

// storedIDs returns the numbers of the stored events, sorted.
func (f *fixture) storedIDs() []int {
	var ids []int
	for id := range f.db.Events() {
		ids = append(ids, int(binary.BigEndian.Uint64(id[8:])))
	}
	slices.Sort(ids)
	return ids
}

func (f *fixture) wantStored(t *testing.T, want ...int) {
	t.Helper()
	if got := f.storedIDs(); !slices.Equal(got, want) {
		t.Errorf("got events %v, want %v", got, want)
	}
}

// A script is a scripted source that fails its test when a request has another cursor than its answers lead to, or when
// answers are left at the end. It can call functions during requests.
type script struct {
	*domaintest.ScriptedSource

	t     *testing.T
	calls map[int]func() // by the number of the request, from 1
}

// says returns a script whose first request must be for the head.
func newScript(t *testing.T, answers ...domaintest.Answer) *script {
	t.Helper()
	s := &script{ScriptedSource: domaintest.NewScriptedSource(answers...), t: t, calls: map[int]func(){}}
	t.Cleanup(s.wantUsedUp)
	return s
}

// startingAt makes the script expect cursor in the first request: the run continues from a checkpoint.
func (s *script) startingAt(cursor domain.Cursor) *script {
	s.From(cursor)
	return s
}

// during makes the script call do during the n-th request.
func (s *script) during(n int, do func()) *script {
	s.calls[n] = do
	return s
}

func (s *script) FetchPage(ctx context.Context, req domain.PageRequest) (domain.Page, error) {
	page, err := s.ScriptedSource.FetchPage(ctx, req)
	if err != nil && domain.KindOf(err) == domain.Unknown {
		s.t.Error(err)
	}
	if do := s.calls[len(s.Requests())]; do != nil {
		do()
	}
	return page, err
}

// wantRequests checks the cursors of all requests, and that no answer is left.
func (s *script) wantRequests(cursors ...domain.Cursor) {
	s.t.Helper()
	var got []domain.Cursor
	for _, req := range s.Requests() {
		got = append(got, req.Cursor)
	}
	if !slices.Equal(got, cursors) {
		s.t.Errorf("got requests for %q, want %q", got, cursors)
	}
	s.wantUsedUp()
}

func (s *script) wantUsedUp() {
	s.t.Helper()
	if left := s.Left(); left > 0 {
		s.t.Errorf("after %d requests %d answers are left, want 0", len(s.Requests()), left)
	}
}

// page returns a page of a stream of total records, the last one if next is empty.
func page(total int64, next domain.Cursor, records ...string) domaintest.Answer {
	answer := domaintest.LastPageOf(records...)
	if next != "" {
		answer = domaintest.PageOf(next, records...)
	}
	if total == unknownTotal {
		return answer
	}
	return answer.WithTotal(total).WithExpiry(2 * time.Minute)
}

const unknownTotal = -1

// An observerLog records the calls of an observer.
type observerLog struct {
	claims []domain.Checkpoint
	waits  []retry.Wait
	passes []domain.Position
	pages  []domain.CommitResult
	course []string // a word for each call except Claimed
}

func (l *observerLog) Claimed(at domain.Checkpoint) { l.claims = append(l.claims, at) }

func (l *observerLog) Fetching(domain.Position) { l.course = append(l.course, "fetch") }

func (l *observerLog) Storing(domain.DecodedPage) { l.course = append(l.course, "store") }

func (l *observerLog) Waiting(w retry.Wait) {
	l.waits, l.course = append(l.waits, w), append(l.course, "wait")
}

func (l *observerLog) PassStarted(at domain.Position) {
	l.passes, l.course = append(l.passes, at), append(l.course, "restart")
}

func (l *observerLog) Committed(_ domain.DecodedPage, r domain.CommitResult) {
	l.pages, l.course = append(l.pages, r), append(l.course, "stored")
}
