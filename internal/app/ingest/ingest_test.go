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
		Stream: stream, SourceURL: origin, PageSize: 2,
		Retry: retry.Policy{Tries: 5, MaxWait: time.Hour, Jitter: func() float64 { return 1 }},
	}
	return b
}

// run makes one run. One that ends without an error must have left a stream that is done; otherwise its error says so.
func (b *bench) run(ctx context.Context, source domain.EventSource) (domain.Summary, error) {
	sum, err := ingest.New(source, domaintest.LineDecoder{}, b.store, b.seen, b.opts).Run(ctx)
	if err != nil {
		return sum, err
	}
	durable, err := b.db.Store().Checkpoint(context.WithoutCancel(ctx), b.opts.Stream)
	if err == nil && (!durable.Done || !sum.Done) {
		err = fmt.Errorf("the run ended without an error at %+v, which is not done; its summary is %+v", durable, sum)
	}
	return sum, err
}

// stored is the numbers of the events stored, in order.
func (b *bench) stored() []int {
	var ids []int
	for id := range b.db.Events() {
		ids = append(ids, int(binary.BigEndian.Uint64(id[8:])))
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

// A script is a scripted source that fails its test when it is asked for a cursor that its answers do not lead to, or when
// it still has answers at the end. It has room for what happens meanwhile.
type script struct {
	*domaintest.ScriptedSource

	t      *testing.T
	before map[int]func() // by the number of the request, from 1
}

// says returns a script whose first request is for the head.
func says(t *testing.T, answers ...domaintest.Answer) *script {
	t.Helper()
	s := &script{ScriptedSource: domaintest.NewScriptedSource(answers...), t: t, before: map[int]func(){}}
	t.Cleanup(s.wantUsedUp)
	return s
}

// from has the first request be for cursor: a run goes on from a checkpoint.
func (s *script) from(cursor domain.Cursor) *script {
	s.From(cursor)
	return s
}

// meanwhile has something happen while the n-th request is under way.
func (s *script) meanwhile(n int, happens func()) *script {
	s.before[n] = happens
	return s
}

func (s *script) FetchPage(ctx context.Context, req domain.PageRequest) (domain.Page, error) {
	page, err := s.ScriptedSource.FetchPage(ctx, req)
	if err != nil && domain.KindOf(err) == domain.Unknown {
		s.t.Error(err)
	}
	if happens := s.before[len(s.Requests())]; happens != nil {
		happens()
	}
	return page, err
}

// wantAsked fails unless the source has been asked for these cursors, and has no answer left.
func (s *script) wantAsked(cursors ...domain.Cursor) {
	s.t.Helper()
	var asked []domain.Cursor
	for _, req := range s.Requests() {
		asked = append(asked, req.Cursor)
	}
	if !slices.Equal(asked, cursors) {
		s.t.Errorf("asked for %q, want %q", asked, cursors)
	}
	s.wantUsedUp()
}

func (s *script) wantUsedUp() {
	s.t.Helper()
	if left := s.Left(); left > 0 {
		s.t.Errorf("after %d requests there are %d answers left", len(s.Requests()), left)
	}
}

// of is a page of a stream of total records, the last one if next is empty.
func of(total int64, next domain.Cursor, records ...string) domaintest.Answer {
	answer := domaintest.LastPageOf(records...)
	if next != "" {
		answer = domaintest.PageOf(next, records...)
	}
	if total == unannounced {
		return answer
	}
	return answer.Announcing(total).ExpiringIn(2 * time.Minute)
}

const unannounced = -1

// A log notes what an observer is told.
type log struct {
	claims []domain.Checkpoint
	waits  []retry.Wait
	passes []domain.Position
	pages  []domain.CommitResult
	course []string // in words, but for claims
}

func (l *log) Claimed(at domain.Checkpoint) { l.claims = append(l.claims, at) }

func (l *log) Fetching(domain.Position) { l.course = append(l.course, "fetch") }

func (l *log) Storing(domain.DecodedPage) { l.course = append(l.course, "store") }

func (l *log) Waiting(w retry.Wait) {
	l.waits, l.course = append(l.waits, w), append(l.course, "wait")
}

func (l *log) PassStarted(at domain.Position) {
	l.passes, l.course = append(l.passes, at), append(l.course, "restart")
}

func (l *log) Committed(_ domain.DecodedPage, r domain.CommitResult) {
	l.pages, l.course = append(l.pages, r), append(l.course, "stored")
}
