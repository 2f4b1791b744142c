package ingest

import (
	"context"
	"iter"
	"math"
	"sync"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

const (
	// maxBatchPages is the greatest number of pages that Run stores in one transaction. More pages would save little time.
	maxBatchPages = 8

	// maxBatchTime is the time that storing several pages together should not exceed. While a batch is stored and the buffer is full,
	// no page is fetched, and the cursor for the next page may expire. A database also has time limits for a statement.
	maxBatchTime = 2 * time.Second

	// maxPagesAhead is the greatest number of pages that wait to be stored. It bounds the memory for small pages, because a page
	// needs more memory than its bytes.
	maxPagesAhead = 64
)

// A prefetcher fetches and decodes pages while Run stores earlier pages. One goroutine fetches, and it sends the next request before
// the page is decoded. A second goroutine decodes. Both keep the order of the pages (I6). If the process is killed, the pages that
// wait are lost, and the next run fetches them again.
type prefetcher struct {
	fetcher *fetcher
	decode  decodeFunc
	grace   time.Duration // how long pages are decoded after the run was asked to stop
	waiting waitingPages

	stop     func()           // ends both goroutines and waits for their end
	decoded  chan decodedPage // the pages that wait, in order; closed after the last page of the pass
	next     pageBatch        // the pages that batches yields next, because the store may have begun to store them
	failed   error            // an error that decoded had after the last page of next; take returns it next
	singles  []decodedPage    // the pages that batches yields one by one before any other page
	rejected rejectedPage     // the page that must be fetched again
	decoding time.Duration    // the time that decoding took so far

	takenAt  time.Time // when take has taken the pages of the current batch out of the buffer
	maxPages int       // the greatest number of pages in the next batch, see batchStored
	maxTotal int       // the greatest number of pages in all batches together; 0 if there is no limit
	stored   int       // the number of pages in the batches that are stored
}

// A decodeFunc decodes a page. The page that it returns can be stored.
type decodeFunc func(context.Context, fetchedPage) (domain.DecodedPage, error)

// A decodedPage is a page that can be stored, with the request for it. If err is not nil, there is no page.
type decodedPage struct {
	domain.DecodedPage

	request *request
	err     error
}

// A pageBatch holds pages that are to be stored together.
type pageBatch struct {
	pages   []decodedPage
	takenAt time.Time // when they were taken out of the buffer
}

// A rejectedPage is a page that the store does not accept. The zero rejectedPage is no page.
type rejectedPage struct {
	request *request
	why     error
}

// newPrefetcher returns a prefetcher. Up to maxBytes of pages may wait to be stored, and the first page of any size. If maxBytes is
// 0, the prefetcher fetches a page only after the page before it is stored.
func newPrefetcher(fetcher *fetcher, decode decodeFunc, maxBytes int64, grace time.Duration) *prefetcher {
	return &prefetcher{
		fetcher: fetcher, decode: decode, grace: grace, waiting: waitingPages{maxBytes: maxBytes, changed: make(chan struct{}, 1)},
		maxPages: 1,
	}
}

// batches yields all pages up to the end of the pass, in order. A batch has the pages that are ready: at least one, and at most
// maxBatchPages, or fewer if storing is slow. The first batch has one page. If batches yields an error, the iteration ends. When the
// iteration has ended, both goroutines have ended.
//
// A consumer that cannot store a batch calls the method repeat before it asks for the next batch.
func (p *prefetcher) batches(ctx context.Context) iter.Seq2[[]decodedPage, error] {
	return func(yield func([]decodedPage, error) bool) {
		p.start(ctx)
		defer func() { p.stop() }()
		for {
			batch, err := p.take()
			if err != nil {
				yield(nil, err)
				return
			}
			if len(batch) == 0 || !yield(batch, nil) {
				return
			}
			if p.rejected.request != nil {
				p.refetch(ctx)
			}
		}
	}
}

// repeat makes batches continue with the pages of a batch that the consumer could not store because of err. It returns false if another
// attempt cannot help.
//   - If err concerns one page, but the batch has several pages, batches yields these pages one by one. It does the same if err is
//     Transient, because a smaller transaction may succeed.
//   - If the batch has one page and err is BadPage or Unconfirmed, batches yields another answer to the request for the page.
func (p *prefetcher) repeat(batch []decodedPage, err error) bool {
	kind := domain.KindOf(err)
	onePageMayHelp := needsOtherAnswer(err) || kind == domain.TooManyRejects || kind == domain.Transient
	switch {
	case onePageMayHelp && len(batch) > 1:
		p.singles = batch
		return true
	case needsOtherAnswer(err):
		p.rejected = rejectedPage{request: batch[0].request, why: err}
		return true
	}
	return false
}

// following returns the pages that batches will yield next, unless a page must be fetched again. It returns none while batches yields pages
// one by one.
func (p *prefetcher) following() []decodedPage {
	if len(p.singles) > 0 {
		return nil
	}
	return p.next.pages
}

// batchStored counts the pages of a batch that is stored. It also sets the greatest size of the next batch, by the time since the pages
// were taken out of the buffer.
func (p *prefetcher) batchStored(pages int) {
	p.stored += pages
	timePerPage := max(time.Since(p.takenAt)/time.Duration(pages), time.Nanosecond)
	p.maxPages = int(min(max(maxBatchTime/timePerPage, 1), maxBatchPages))
}

// take returns the next batch. It waits for the first page of the batch, but not for further pages. After the last page of the pass it
// returns an empty batch. take also takes the pages for the batch after this one, if they are ready, see following.
func (p *prefetcher) take() ([]decodedPage, error) {
	if len(p.singles) > 0 {
		batch := p.singles[:1]
		p.singles = p.singles[1:]
		p.takenAt = time.Now()
		return batch, nil
	}
	batch := p.next
	p.next = pageBatch{}
	if len(batch.pages) == 0 {
		if p.failed != nil {
			return nil, p.failed
		}
		p.waiting.setStored()
		first, ok := <-p.decoded
		if !ok {
			return nil, nil
		}
		batch = p.collect(first)
		if len(batch.pages) == 0 {
			return nil, p.failed
		}
	}
	p.takenAt = batch.takenAt
	if p.failed == nil {
		if first, ok := p.takeReady(); ok {
			p.next = p.collect(first)
		}
	}
	return batch.pages, nil
}

// collect returns a batch of the page first and of the pages that are ready. Together the pages have at most half of the bytes that may
// wait, because two batches are stored at the same time. But first may have any size. If decoded has an error instead of a page, collect
// stores it in failed and ends the batch, which then may be empty.
func (p *prefetcher) collect(first decodedPage) pageBatch {
	batch := pageBatch{takenAt: time.Now()}
	var bytes int64
	for page, ok := first, true; ok; page, ok = p.takeReady() {
		if page.err != nil {
			p.failed = page.err
			break
		}
		p.waiting.beginStoring(page.Receipt.Bytes)
		batch.pages = append(batch.pages, page)
		bytes += page.Receipt.Bytes
		isFull := len(batch.pages) == p.maxPages || bytes+page.Receipt.Bytes > p.waiting.maxBytes/2 // the next page is probably as large
		if isFull {
			break
		}
	}
	return batch
}

// takeReady returns the next decoded page, or false if no page is ready.
func (p *prefetcher) takeReady() (page decodedPage, ok bool) {
	select {
	case page, ok = <-p.decoded:
		return page, ok
	default:
		return decodedPage{}, false
	}
}

// refetch begins again at the rejected page. It drops all pages after that page, because they follow from an answer that may be wrong.
func (p *prefetcher) refetch(ctx context.Context) {
	p.stop()
	p.fetcher.refetch(p.rejected.request, p.rejected.why)
	p.rejected = rejectedPage{}
	p.singles, p.next, p.failed = nil, pageBatch{}, nil
	p.waiting.reset()
	p.start(ctx)
}

// start starts both goroutines. They end after the last page of the pass, after an error, or when stop is called. If ctx ends, the
// pages that were fetched before are still decoded, within the grace time.
func (p *prefetcher) start(ctx context.Context) {
	fetchCtx, stopFetching := context.WithCancel(ctx)
	decodeCtx, stopDecoding := withGrace(ctx, p.grace)
	const capacity = maxPagesAhead + 1 // the pages that may wait and an error, so that no goroutine ever waits to send
	allowed := p.pagesAllowed()
	fetched := make(chan fetchResult, capacity)
	decoded := make(chan decodedPage, capacity)
	var running sync.WaitGroup
	running.Go(func() {
		defer close(fetched)
		p.fetchAll(fetchCtx, fetched, allowed)
	})
	running.Go(func() {
		defer close(decoded)
		p.decodeAll(decodeCtx, fetched, decoded)
	})
	p.decoded = decoded
	p.stop = func() {
		stopFetching()
		stopDecoding()
		running.Wait()
	}
}

// A fetchResult is a fetched page or an error.
type fetchResult struct {
	page fetchedPage
	err  error
}

// pagesAllowed returns how many pages may still be stored. Pages that wait do not count as stored, because refetch drops them.
func (p *prefetcher) pagesAllowed() int {
	if p.maxTotal == 0 {
		return math.MaxInt
	}
	return p.maxTotal - p.stored
}

// fetchAll sends the pages up to the end of the pass, or up to an error, to fetched, but at most as many as are allowed.
func (p *prefetcher) fetchAll(ctx context.Context, fetched chan<- fetchResult, allowed int) {
	for page, err := range p.fetcher.pages(ctx) {
		if err == nil {
			p.waiting.addFetched(page.Page.Receipt.Bytes)
		}
		fetched <- fetchResult{page, err}
		allowed--
		if allowed == 0 {
			return
		}
		p.waiting.waitForRoom(ctx) // if ctx ends, the next request fails
	}
}

// decodeAll decodes the fetched pages up to an error, and sends them and the error to decoded.
func (p *prefetcher) decodeAll(ctx context.Context, fetched <-chan fetchResult, decoded chan<- decodedPage) {
	for result := range fetched {
		next := decodedPage{request: result.page.request, err: result.err}
		if next.err == nil {
			began := time.Now()
			next.DecodedPage, next.err = p.decode(ctx, result.page)
			p.decoding += time.Since(began)
		}
		decoded <- next
		if next.err != nil {
			return
		}
	}
}

// An eventMemory holds the slices of events of stored pages, so that later pages can use them. A page of events has so many pointers that
// a slice for each page would keep the garbage collector busy. Its methods may be called from several goroutines.
type eventMemory struct{ pool sync.Pool }

// take returns an empty slice with the memory of a stored page, or nil.
func (m *eventMemory) take() []domain.DecodedEvent {
	if events, ok := m.pool.Get().(*[]domain.DecodedEvent); ok {
		return *events
	}
	return nil
}

// put keeps the memory of events, which nothing may use any more.
func (m *eventMemory) put(events []domain.DecodedEvent) {
	clear(events) // otherwise the events would keep the bodies of their pages in memory
	empty := events[:0]
	m.pool.Put(&empty)
}

// waitingPages counts the pages that wait to be stored: those that are fetched, but that [prefetcher.take] has not returned yet. Its
// methods may be called from several goroutines.
type waitingPages struct {
	maxBytes int64
	changed  chan struct{} // receives a value when there may be more room

	mu        sync.Mutex
	count     int
	bytes     int64
	storing   bool  // prefetcher.take has returned pages that are not stored yet
	lastBytes int64 // the bytes of the last page that was fetched; the next page is probably as large
}

// waitForRoom waits until one more page may be fetched, or until ctx ends.
func (w *waitingPages) waitForRoom(ctx context.Context) {
	for !w.hasRoom() {
		select {
		case <-w.changed:
		case <-ctx.Done():
			return
		}
	}
}

// hasRoom reports whether one more page may be fetched. If no page waits and none is being stored, a page of any size may be fetched.
func (w *waitingPages) hasRoom() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	isIdle := w.count == 0 && !w.storing
	fitsNext := w.count < maxPagesAhead && w.bytes+w.lastBytes <= w.maxBytes
	return isIdle || fitsNext
}

// addFetched counts a page that was fetched.
func (w *waitingPages) addFetched(bytes int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.count++
	w.bytes += bytes
	w.lastBytes = max(bytes, 1) // at least 1, so that hasRoom never allows a page ahead if maxBytes is 0
}

// beginStoring counts a page that is being stored and no longer waits.
func (w *waitingPages) beginStoring(bytes int64) {
	w.update(func() {
		w.count--
		w.bytes -= bytes
		w.storing = true
	})
}

// setStored records that all pages that beginStoring has counted are stored.
func (w *waitingPages) setStored() { w.update(func() { w.storing = false }) }

// reset records that no page waits and none is being stored.
func (w *waitingPages) reset() { w.update(func() { w.count, w.bytes, w.storing = 0, 0, false }) }

// update calls change under the lock, and then lets waitForRoom look again.
func (w *waitingPages) update(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
	select {
	case w.changed <- struct{}{}:
	default: // waitForRoom has not received the last value yet, so it looks again anyway
	}
}
