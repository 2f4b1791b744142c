package ingest_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/app/ingest"
	"github.com/pawldata/pawl/internal/app/retry"
	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

const sourceURL = "https://api.example/v1"

// head is the cursor in a request for the first page of the stream.
const head domain.Cursor = ""

var stream = domain.StreamID{Source: "test"} //nolint:gochecknoglobals // a constant that Go cannot have

// A fixture has all that a run needs, with a database in memory.
type fixture struct {
	db    *domaintest.MemDatabase
	store domain.EventStore
	opts  ingest.Options
	seen  *observerLog
}

const (
	// maxTries is the number of attempts that a run of a fixture makes for each page.
	maxTries = 5

	// maxOutage is the time for which a run of a fixture tries again while the store fails.
	maxOutage = 5 * time.Minute

	firstBackoff      = 500 * time.Millisecond         // the wait after the first failure; each further wait is twice as long
	backoffOfAllTries = (1 + 2 + 4 + 8) * firstBackoff // the waits between maxTries attempts
)

// newFixture returns a fixture with an empty database. The random waits of its runs always have their greatest length.
func newFixture() *fixture {
	f := &fixture{db: domaintest.NewMemDatabase(), seen: &observerLog{}}
	f.store = f.db.Store()
	f.opts = ingest.Options{
		Stream: stream, SourceURL: sourceURL, PageSize: 2,
		Retry:  retry.Policy{Tries: maxTries, MaxWait: time.Hour, Jitter: func() float64 { return 1 }},
		Grace:  10 * time.Second,
		Outage: retry.Policy{MaxTime: maxOutage, Jitter: func() float64 { return 1 }, Remedy: domain.AllowLongerOutage},
	}
	return f
}

// newFixtureOn returns a fixture for another runner that uses the database db.
func newFixtureOn(db *domaintest.MemDatabase) *fixture {
	f := newFixture()
	f.db, f.store = db, db.Store()
	return f
}

// run makes one run and returns its result. It also returns an error if the run succeeds, but the stream is not done after the run.
func (f *fixture) run(ctx context.Context, source domain.EventSource) (domain.Summary, error) {
	sum, err := ingest.New(source, domaintest.LineDecoder{}, f.store, f.seen, f.opts).Run(ctx)
	if err != nil {
		return sum, err
	}
	durable, err := f.db.Store().Checkpoint(context.WithoutCancel(ctx), f.opts.Stream)
	isDone := durable.Done && sum.Done
	if err == nil && !isDone {
		err = fmt.Errorf("the run returned no error, but the stream is not done: checkpoint %+v, summary %+v", durable, sum)
	}
	return sum, err
}

// runPart makes a run that begins at the cursor start, stores the pages in the answers, and then gets an error that ends the run.
func (f *fixture) runPart(t *testing.T, start domain.Cursor, answers ...domaintest.Answer) {
	t.Helper()
	answers = append(slices.Clone(answers), domaintest.FailWith(domain.Invalid))
	if _, err := f.run(t.Context(), newScript(t, answers...).startingAt(start)); domain.KindOf(err) != domain.Invalid {
		t.Fatalf("got error %v, want kind Invalid", err)
	}
}

// storedNumbers returns the numbers of the stored events, sorted. [domaintest.LineDecoder] decodes the record "7" as
// event 7.
func (f *fixture) storedNumbers() []int {
	var numbers []int
	for id := range f.db.Events() {
		numbers = append(numbers, int(binary.BigEndian.Uint64(id[8:])))
	}
	slices.Sort(numbers)
	return numbers
}

// wantStored checks that exactly the events with these numbers are stored.
func (f *fixture) wantStored(t *testing.T, want ...int) {
	t.Helper()
	if got := f.storedNumbers(); !slices.Equal(got, want) {
		t.Errorf("got stored events %v, want %v", got, want)
	}
}

// A script is a source that gives its answers in order, one for each request. The test fails if a request does not have the cursor of the
// answer before it, or if an answer is left at the end. A script can call functions during requests.
type script struct {
	*domaintest.ScriptedSource

	t     *testing.T
	calls map[int]func() // the functions to call, by the number of the request, from 1
}

// newScript returns a script whose first request must be for the head of the stream.
func newScript(t *testing.T, answers ...domaintest.Answer) *script {
	t.Helper()
	s := &script{ScriptedSource: domaintest.NewScriptedSource(answers...), t: t, calls: map[int]func(){}}
	t.Cleanup(s.wantUsedUp)
	return s
}

// startingAt makes the script expect the cursor in the first request. A run that continues at a checkpoint sends such a request.
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
	wasExpected := err == nil || domain.KindOf(err) != domain.Unknown
	if !wasExpected {
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
		s.t.Errorf("after %d requests: got %d unused answers, want 0", len(s.Requests()), left)
	}
}

// page returns an answer with these records, and with the cursor of the next page. The answer announces that the stream has total records.
func page(total int64, next domain.Cursor, records ...string) domaintest.Answer {
	return announce(total, domaintest.PageOf(next, records...))
}

// lastPage returns an answer with these records, which ends the stream. The answer announces that the stream has total records.
func lastPage(total int64, records ...string) domaintest.Answer {
	return announce(total, domaintest.LastPageOf(records...))
}

// unknownTotal makes page and lastPage return an answer that announces no total.
const unknownTotal = -1

func announce(total int64, answer domaintest.Answer) domaintest.Answer {
	if total == unknownTotal {
		return answer
	}
	return answer.WithTotal(total).WithExpiry(2 * time.Minute)
}

// An observerLog records the calls of an observer.
type observerLog struct {
	mu      sync.Mutex // the methods are called from two goroutines
	claims  []domain.Checkpoint
	waits   []retry.Wait // the waits for the API and for the store
	passes  []domain.Position
	commits []domain.CommitResult
	calls   []string // the names of all methods that were called, except Claimed
}

func (l *observerLog) Claimed(checkpoint domain.Checkpoint) { l.claims = append(l.claims, checkpoint) }

func (l *observerLog) Fetching(domain.Position) { l.record("Fetching", func() {}) }

func (l *observerLog) Storing(domain.Batch) { l.record("Storing", func() {}) }

func (l *observerLog) Waiting(w retry.Wait) {
	l.record("Waiting", func() { l.waits = append(l.waits, w) })
}

func (l *observerLog) WaitingToStore(w retry.Wait) {
	l.record("WaitingToStore", func() { l.waits = append(l.waits, w) })
}

func (l *observerLog) CursorLost(position domain.Position) {
	l.record("CursorLost", func() { l.passes = append(l.passes, position) })
}

func (l *observerLog) Committed(_ domain.Batch, res domain.CommitResult) {
	l.record("Committed", func() { l.commits = append(l.commits, res) })
}

// record adds the name of a method to calls, and calls save under the lock.
func (l *observerLog) record(method string, save func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls = append(l.calls, method)
	save()
}
