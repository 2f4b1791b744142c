package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

// A freeSource is a source of records in pages of recordsPerPage records. The payloads are the numbers from 0 to records-1, and the
// cursor of a page is the number of its first record. Unlike a script, a freeSource accepts a request for any page at any time.
type freeSource struct {
	records   int
	pageBytes []int64       // the size of each page, as its receipt has it; the last size is also that of all further pages
	lifetime  time.Duration // the lifetime of each cursor; 0 if cursors do not expire

	// fail, if not nil, may return another answer than the page that begins at the record first: a page, or an error.
	fail func(first int) (*domain.Page, error)

	mu       sync.Mutex
	requests int
	issued   map[domain.Cursor]time.Time // when each cursor was last returned
	released []string                    // the payloads of the pages that were released
}

const (
	recordsPerPage = 2
	fetchTime      = time.Millisecond // the time of each request; much shorter than the commits of the tests
)

func (s *freeSource) FetchPage(ctx context.Context, req domain.PageRequest) (domain.Page, error) {
	if ctx.Err() != nil {
		return domain.Page{}, &domain.Error{Kind: domain.Stopped, Op: "fetch page", Err: ctx.Err(), Unsent: true}
	}
	time.Sleep(fetchTime)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	first := 0
	if req.Cursor != "" {
		first, _ = strconv.Atoi(string(req.Cursor))
		if s.lifetime > 0 && time.Since(s.issued[req.Cursor]) > s.lifetime {
			return domain.Page{}, &domain.Error{Kind: domain.CursorExpired, Op: "fetch page", Err: errors.New("expired")}
		}
	}
	if s.fail != nil {
		if page, err := s.fail(first); page != nil || err != nil {
			return s.owned(page), err
		}
	}
	page := s.pageAt(first)
	return s.owned(&page), nil
}

// owned returns the page, with a function Release that overwrites its records. It returns an empty page if page is nil.
func (s *freeSource) owned(page *domain.Page) domain.Page {
	if page == nil {
		return domain.Page{}
	}
	page.Release = func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, record := range page.Records {
			s.released = append(s.released, string(record.Payload))
			clear(record.Payload)
		}
	}
	return *page
}

// pageAt returns the page that begins at the record first, without a fault.
func (s *freeSource) pageAt(first int) domain.Page {
	page := domain.Page{Total: domain.Total{N: int64(s.records), Known: true}, ExpiresIn: s.lifetime}
	end := min(first+recordsPerPage, s.records)
	for n := first; n < end; n++ {
		page.Records = append(page.Records, domain.Record{Payload: []byte(strconv.Itoa(n)), Index: n - first})
	}
	page.Last = end == s.records
	if !page.Last {
		page.Next = domain.Cursor(strconv.Itoa(end))
		if s.issued == nil {
			s.issued = map[domain.Cursor]time.Time{}
		}
		s.issued[page.Next] = time.Now()
	}
	page.Receipt.FetchedAt = time.Now()
	if len(s.pageBytes) > 0 {
		page.Receipt.Bytes = s.pageBytes[min(first/recordsPerPage, len(s.pageBytes)-1)]
	}
	return page
}

func (s *freeSource) requestCount() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests
}

// A slowStore is a store whose commits take time. It records the number of pages in each committed batch, and checks that each batch has the
// pages that the batch before it has announced.
type slowStore struct {
	domain.EventStore

	announced  []domain.DecodedPage // by the last batch
	mismatches []string             // batches with other pages

	commitTime   time.Duration
	timePerPage  time.Duration    // the further time for each page of a batch
	maxTime      time.Duration    // a commit that would take longer fails after this time; 0 if there is no limit
	duringCommit func(commit int) // is called at the end of each commit, with its number from 1; may be nil
	batchSizes   []int
	following    []int // the number of pages that each committed batch announces
}

func (s *slowStore) Commit(ctx context.Context, b domain.Batch) (domain.CommitResult, error) {
	took := s.commitTime + time.Duration(len(b.Pages))*s.timePerPage
	if s.maxTime > 0 && took > s.maxTime {
		time.Sleep(s.maxTime)
		return domain.CommitResult{}, &domain.Error{Kind: domain.Transient, Op: "commit", Err: errors.New("too slow")}
	}
	time.Sleep(took)
	if len(s.announced) > 0 && !samePages(s.announced, b.Pages) {
		s.mismatches = append(s.mismatches, fmt.Sprintf("batch %d has %d other pages than announced", len(s.batchSizes)+1, len(b.Pages)))
	}
	s.announced = b.Next
	s.batchSizes, s.following = append(s.batchSizes, len(b.Pages)), append(s.following, len(b.Next))
	if s.duringCommit != nil {
		s.duringCommit(len(s.batchSizes))
	}
	return s.EventStore.Commit(ctx, b)
}

// samePages reports whether a and b are the same pages.
func samePages(a, b []domain.DecodedPage) bool {
	return slices.EqualFunc(a, b, func(a, b domain.DecodedPage) bool { return a.From == b.From && a.To == b.To })
}

// wantAllStored checks that the stream is complete: each record of the source is stored once.
func (f *fixture) wantAllStored(t *testing.T, source *freeSource) {
	t.Helper()
	want := make([]int, source.records)
	for i := range want {
		want[i] = i
	}
	f.wantStored(t, want...)
	released := map[string]bool{}
	for _, payload := range source.released {
		if strings.Trim(payload, "\x00") == "" {
			t.Error("a page was released twice")
		}
		released[payload] = true
	}
	if len(released) != source.records {
		t.Errorf("got %d released records, want all %d: each stored page must be released", len(released), source.records)
	}
}

// TestRun_FetchesAhead checks how many pages a run fetches while it stores the first page, and how many of them it then stores together.
func TestRun_FetchesAhead(t *testing.T) {
	t.Parallel()
	const pages = 100
	const maxBatchPages, maxPagesAhead = 8, 64 // as in the package
	tests := []struct {
		name          string
		maxBytes      int64 // Options.MaxBufferBytes
		pageBytes     []int64
		wantRequests  int // the requests until the first page is stored: one, and one for each page ahead
		wantNextBatch int // the pages in the second batch, which has at most half of the buffer, but at least one page
		wantFollowing int // the pages that the second batch announces to the store
	}{
		{name: "no buffer", maxBytes: 0, pageBytes: []int64{10}, wantRequests: 1, wantNextBatch: 1},
		{name: "no buffer, empty bodies", maxBytes: 0, pageBytes: []int64{0}, wantRequests: 1, wantNextBatch: 1},
		{name: "a buffer that is smaller than a page", maxBytes: 9, pageBytes: []int64{10}, wantRequests: 1, wantNextBatch: 1},
		{name: "a buffer for one page", maxBytes: 10, pageBytes: []int64{10}, wantRequests: 1 + 1, wantNextBatch: 1},
		{name: "a buffer for three pages", maxBytes: 39, pageBytes: []int64{10}, wantRequests: 1 + 3, wantNextBatch: 1, wantFollowing: 1},
		{name: "a buffer for four pages", maxBytes: 40, pageBytes: []int64{10}, wantRequests: 1 + 4, wantNextBatch: 2, wantFollowing: 2},
		{
			name: "a buffer for 50 pages", maxBytes: 500, pageBytes: []int64{10},
			wantRequests: 1 + 50, wantNextBatch: maxBatchPages, wantFollowing: maxBatchPages,
		},
		{
			name: "a buffer for more than maxPagesAhead", maxBytes: 1 << 20, pageBytes: []int64{1},
			wantRequests: 1 + maxPagesAhead, wantNextBatch: maxBatchPages, wantFollowing: maxBatchPages,
		},
		{name: "a large second page", maxBytes: 39, pageBytes: []int64{10, 1000, 10}, wantRequests: 1 + 1, wantNextBatch: 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixture()
				f.opts.MaxBufferBytes = tt.maxBytes
				source := &freeSource{records: pages * recordsPerPage, pageBytes: tt.pageBytes}
				requests := 0
				store := &slowStore{EventStore: f.store, commitTime: 200 * time.Millisecond}
				store.duringCommit = func(commit int) {
					if commit == 1 {
						requests = source.requestCount()
					}
				}
				f.store = store
				sum, err := f.run(t.Context(), source)
				if err != nil || sum.Pages != pages {
					t.Fatalf("got %d pages, error %v; want %d", sum.Pages, err, pages)
				}
				if requests != tt.wantRequests {
					t.Errorf("got %d requests until the first page was stored, want %d", requests, tt.wantRequests)
				}
				if got := store.batchSizes[1]; got != tt.wantNextBatch {
					t.Errorf("got %d pages in the second batch, want %d", got, tt.wantNextBatch)
				}
				if got := store.following[1]; got != tt.wantFollowing {
					t.Errorf("got %d pages announced with the second batch, want %d", got, tt.wantFollowing)
				}
				if len(store.mismatches) > 0 {
					t.Errorf("got %q, want the pages that were announced", store.mismatches)
				}
				f.wantAllStored(t, source)
			})
		})
	}
}

// withPagesAhead returns a fixture that fetches pages ahead, and whose commits take a second. So pages wait while others are stored.
func withPagesAhead() *fixture {
	f := newFixture()
	f.opts.MaxBufferBytes = 1 << 20
	f.store = &slowStore{EventStore: f.store, commitTime: time.Second}
	return f
}

// TestRun_RejectedPageAmongPagesAhead checks that a run fetches a page again that the store does not accept, and drops the pages that
// it has fetched after this page.
func TestRun_RejectedPageAmongPagesAhead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := withPagesAhead()
		const records, wrongAt = 40, 20
		source := &freeSource{records: records}
		wasWrong := false
		source.fail = func(first int) (*domain.Page, error) {
			if first != wrongAt || wasWrong {
				return nil, nil
			}
			wasWrong = true
			page := source.pageAt(0) // the records of the first page again, and then a cursor that leaves out four records
			page.Next = domain.Cursor(strconv.Itoa(wrongAt + recordsPerPage + 4))
			return &page, nil
		}
		sum, err := f.run(t.Context(), source)
		if want := (domain.Counts{Received: records, Inserted: records}); err != nil || sum.Counts != want || sum.Retries != 1 {
			t.Errorf("got counts %+v, %d retries, error %v; want %+v, 1 retry", sum.Counts, sum.Retries, err, want)
		}
		f.wantAllStored(t, source)
		const pagesAndWrongAnswer = records/recordsPerPage + 1
		if sum.Requests <= pagesAndWrongAnswer { // the dropped pages were fetched twice
			t.Errorf("got %d requests, want more than %d", sum.Requests, pagesAndWrongAnswer)
		}
	})
}

// TestRun_TooManyRejectsAmongPagesAhead checks that a run stores the pages before a page with too many rejects, and nothing else.
func TestRun_TooManyRejectsAmongPagesAhead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := withPagesAhead()
		source := &freeSource{records: 40}
		source.fail = func(first int) (*domain.Page, error) {
			if first != 5*recordsPerPage {
				return nil, nil
			}
			page := source.pageAt(first)
			const manyRejects = 20
			for i := range manyRejects {
				page.Records = append(page.Records, domain.Record{Payload: []byte("bad" + strconv.Itoa(i)), Index: recordsPerPage + i})
			}
			return &page, nil
		}
		sum, err := f.run(t.Context(), source)
		domaintest.CheckKind(t, err, domain.TooManyRejects)
		if sum.Seq != 5 {
			t.Errorf("got seq %d, want 5, because page 6 has the rejects", sum.Seq)
		}
		f.wantStored(t, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
	})
}

// TestRun_CancelledWithPagesAhead checks that a run whose ctx ends during a commit still stores the pages that it has fetched.
func TestRun_CancelledWithPagesAhead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		f := newFixture()
		const pageBytes, pagesAhead = 10, 3
		f.opts.MaxBufferBytes = pagesAhead * pageBytes
		f.store = &slowStore{EventStore: f.store, commitTime: time.Second, duringCommit: func(int) { cancel() }}
		source := &freeSource{records: 40, pageBytes: []int64{pageBytes}}
		sum, err := f.run(ctx, source)
		domaintest.CheckKind(t, err, domain.Stopped)
		const want = 1 + pagesAhead // the page in the commit, and the pages that waited
		if sum.Seq != want || sum.Requests != want {
			t.Errorf("got seq %d and %d requests, want %d of each", sum.Seq, sum.Requests, want)
		}
		f.wantStored(t, 0, 1, 2, 3, 4, 5, 6, 7)
	})
}

// TestRun_CursorExpiresWhilePagesWait checks a run whose database is so slow that the cursor expires before the next request. The run
// must store the pages that wait, and then read the stream again from its head.
func TestRun_CursorExpiresWhilePagesWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		const records, pageBytes, cursorLifetime = 40, 10, 2 * time.Minute
		f.opts.MaxBufferBytes = 3 * pageBytes
		store := &slowStore{EventStore: f.store, commitTime: cursorLifetime + time.Minute}
		store.duringCommit = func(int) { store.commitTime = 0 } // only the first commit is slow, so that the second pass reaches the end
		f.store = store
		source := &freeSource{records: records, pageBytes: []int64{pageBytes}, lifetime: cursorLifetime}
		sum, err := f.run(t.Context(), source)
		isSecondPass := sum.Pass == 2 && sum.Duplicate > 0
		if err != nil || sum.Inserted != records || !isSecondPass {
			t.Errorf("got summary %+v, error %v; want pass 2, %d inserted and some duplicates", sum, err, records)
		}
		f.wantAllStored(t, source)
	})
}
