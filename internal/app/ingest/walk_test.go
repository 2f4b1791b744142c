package ingest_test

import (
	"iter"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pawldata/pawl/internal/app/ingest"
	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

// newSixRecords returns a source with the records 0 to 5 in pages of two records. The cursor of a page is the number of its first record.
func newSixRecords() *domaintest.ScriptedSource { return domaintest.NewCleanStream(6, 2) }

// TestWalk_SameRequestsAsRun checks that a walk makes the same requests, waits and new passes as a run.
func TestWalk_SameRequestsAsRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		newSource := func() *domaintest.ScriptedSource {
			return newSixRecords().
				At("2", domaintest.FailWith(domain.Transient), domaintest.RefuseFor(time.Minute)).
				At("4", domaintest.FailWith(domain.CursorExpired))
		}
		runSource, walkSource := newSource(), newSource()
		f := newFixture()
		if _, err := f.run(t.Context(), runSource); err != nil {
			t.Fatal(err)
		}
		seen := &observerLog{}
		walk := ingest.Walk(t.Context(), walkSource, domaintest.LineDecoder{}, seen,
			ingest.WalkOptions{PageSize: f.opts.PageSize, Retry: f.opts.Retry})
		if got, want := offsets(t, walk), []int64{2, 4, 2, 4, 6}; !slices.Equal(got, want) {
			t.Errorf("got offsets %v, want %v", got, want)
		}
		if len(seen.waits) != 2 || len(f.seen.waits) != 2 { // one after the failure, and one for the rate limit
			t.Fatalf("got waits %v of the walk, %v of the run; want 2 of each", seen.waits, f.seen.waits)
		}
		if got, want := seen.waits[1].For, f.seen.waits[1].For; got != want {
			t.Errorf("got a wait of %s for the rate limit, want the run's wait of %s", got, want)
		}
		if len(seen.passes) != 1 {
			t.Errorf("got new passes %v, want one", seen.passes)
		}
		if !slices.Equal(walkSource.Requests(), runSource.Requests()) {
			t.Errorf("got requests %v, want the run's requests %v", walkSource.Requests(), runSource.Requests())
		}
		if got, want := offsets(t, walk), []int64{2, 4, 6}; !slices.Equal(got, want) { // the source has no failures left
			t.Errorf("second use of the iterator: got offsets %v, want %v", got, want)
		}
	})
}

// offsets returns the offset after each page of a walk.
func offsets(t *testing.T, walk iter.Seq2[domain.DecodedPage, error]) (all []int64) {
	t.Helper()
	for page, err := range walk {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, page.To.Offset)
	}
	return all
}

// TestWalk_EndsAfterError checks that a walk yields a final error once and then ends.
func TestWalk_EndsAfterError(t *testing.T) {
	t.Parallel()
	source := newSixRecords().At("2", domaintest.FailWith(domain.Unauthorized))
	var kinds []domain.Kind
	for _, err := range newWalk(t, source, ingest.WalkOptions{}) {
		kinds = append(kinds, domain.KindOf(err))
	}
	if want := []domain.Kind{domaintest.NoError, domain.Unauthorized}; !slices.Equal(kinds, want) {
		t.Errorf("got kinds of errors %v, want %v", kinds, want)
	}
}

// newWalk returns a walk of a source in pages of two records, with the attempts and waits of a fixture.
func newWalk(t *testing.T, source domain.EventSource, opts ingest.WalkOptions) iter.Seq2[domain.DecodedPage, error] {
	t.Helper()
	opts.PageSize, opts.Retry = 2, newFixture().opts.Retry
	return ingest.Walk(t.Context(), source, domaintest.LineDecoder{}, &observerLog{}, opts)
}

// runWalk reads a walk to its end. It returns how often the walk yields a page or an error, and the last error.
func runWalk(walk iter.Seq2[domain.DecodedPage, error]) (yields int, lastErr error) {
	for _, err := range walk {
		yields++
		lastErr = err
	}
	return yields, lastErr
}

// repeatAnswer returns the same answer more often than a walk asks for it.
func repeatAnswer(answer domaintest.Answer) []domaintest.Answer {
	return slices.Repeat([]domaintest.Answer{answer}, 10*maxTries)
}

// TestWalk_RepeatedPage checks that a walk fetches a page again if the answer has the records of an earlier page of the pass. An
// answer from a cache may be so.
func TestWalk_RepeatedPage(t *testing.T) {
	t.Parallel()
	firstPageAgain := domaintest.PageOf("4", "0", "1").WithTotal(6).NotAccepted()
	for _, tt := range []struct {
		name        string
		source      *domaintest.ScriptedSource
		wantOffsets []int64 // nil if the walk must end with CursorInvalid
	}{
		{
			name:        "a page repeats once",
			source:      newSixRecords().At("2", firstPageAgain),
			wantOffsets: []int64{2, 4, 6},
		},
		{
			name:        "a page repeats in every answer",
			source:      newSixRecords().Always("2", firstPageAgain),
			wantOffsets: nil,
		},
		{
			name:        "a page repeats as the last page",
			source:      newSixRecords().At("4", domaintest.LastPageOf("2", "3").WithTotal(6)),
			wantOffsets: []int64{2, 4, 6},
		},
		{
			name:        "pages without a record may repeat",
			source:      domaintest.NewScriptedSource(domaintest.PageOf("a"), domaintest.PageOf("b"), domaintest.LastPageOf("1").WithTotal(1)),
			wantOffsets: []int64{0, 0, 1},
		},
		{
			name:        "pages may repeat in another pass",
			source:      newSixRecords().At("4", domaintest.FailWith(domain.CursorExpired)),
			wantOffsets: []int64{2, 4, 2, 4, 6},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				walk := newWalk(t, tt.source, ingest.WalkOptions{})
				if tt.wantOffsets == nil {
					_, err := runWalk(walk)
					domaintest.CheckKind(t, err, domain.CursorInvalid)
					return
				}
				if got := offsets(t, walk); !slices.Equal(got, tt.wantOffsets) {
					t.Errorf("got offsets %v, want %v", got, tt.wantOffsets)
				}
			})
		})
	}
}

// TestWalk_AcceptShortEnd checks how a walk ends if the API announces one record more than it returns. With AcceptShortEnd the walk
// must accept the end, and without it the walk must end with BadPage.
func TestWalk_AcceptShortEnd(t *testing.T) {
	t.Parallel()
	for accept, want := range map[bool]domain.Kind{false: domain.BadPage, true: domaintest.NoError} {
		synctest.Test(t, func(t *testing.T) {
			firstPage := domaintest.PageOf("2", "0", "1").WithTotal(5)
			lastPages := repeatAnswer(domaintest.LastPageOf("2", "3").WithTotal(5))
			source := domaintest.NewScriptedSource(append([]domaintest.Answer{firstPage}, lastPages...)...)
			yields, err := runWalk(newWalk(t, source, ingest.WalkOptions{AcceptShortEnd: accept}))
			domaintest.CheckKind(t, err, want)
			if yields != 2 { // the first page, and then the last page or the error
				t.Errorf("AcceptShortEnd %v: got %d pages and errors, want 2", accept, yields)
			}
		})
	}
}
