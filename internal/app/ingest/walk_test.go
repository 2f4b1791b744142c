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

// TestWalk_SameRequestsAsRun: a walk makes the same requests, waits and new passes as a run.
func TestWalk_SameRequestsAsRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		newSource := func() *domaintest.ScriptedSource {
			return domaintest.NewCleanStream(6, 2).
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
		if len(seen.waits) != 2 || len(f.seen.waits) != 2 || seen.waits[1].For != f.seen.waits[1].For || len(seen.passes) != 1 {
			t.Errorf("got waits %v, want the run's %v", seen.waits, f.seen.waits)
		}
		if !slices.Equal(walkSource.Requests(), runSource.Requests()) {
			t.Errorf("got requests %v, want the run's %v", walkSource.Requests(), runSource.Requests())
		}
		if got, want := offsets(t, walk), []int64{2, 4, 6}; !slices.Equal(got, want) { // each use is a new walk
			t.Errorf("second walk: got offsets %v, want %v", got, want)
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

func TestWalk_EndsAfterError(t *testing.T) {
	t.Parallel()
	source := domaintest.NewCleanStream(4, 2).At("2", domaintest.FailWith(domain.Unauthorized))
	var kinds []domain.Kind
	for _, err := range newWalk(t, source, false) {
		kinds = append(kinds, domain.KindOf(err))
	}
	if want := []domain.Kind{domain.Unknown, domain.Unauthorized}; !slices.Equal(kinds, want) {
		t.Errorf("got kinds %v, want %v", kinds, want)
	}
}

// newWalk returns a walk of a source in pages of two records.
func newWalk(t *testing.T, source domain.EventSource, acceptShortEnd bool) iter.Seq2[domain.DecodedPage, error] {
	t.Helper()
	return ingest.Walk(t.Context(), source, domaintest.LineDecoder{}, &observerLog{}, ingest.WalkOptions{
		PageSize: 2, Retry: newFixture().opts.Retry, AcceptShortEnd: acceptShortEnd,
	})
}

// TestWalk_RepeatedPage: an earlier page of the pass, as from a cache, is fetched again.
func TestWalk_RepeatedPage(t *testing.T) {
	t.Parallel()
	cached := domaintest.PageOf("4", "0", "1").WithTotal(6).NotAccepted()
	for _, tt := range []struct {
		name   string
		source *domaintest.ScriptedSource
		want   []int64 // nil: the walk ends with BadPage
	}{
		{"once", domaintest.NewCleanStream(6, 2).At("2", cached), []int64{2, 4, 6}},
		{"again and again", domaintest.NewCleanStream(6, 2).At("2", slices.Repeat([]domaintest.Answer{cached}, 50)...), nil},
		{"a last page", domaintest.NewCleanStream(6, 2).At("4", domaintest.LastPageOf("2", "3").WithTotal(6)), []int64{2, 4, 6}},
		{
			"pages without a record may repeat",
			domaintest.NewScriptedSource(domaintest.PageOf("a"), domaintest.PageOf("b"), domaintest.LastPageOf("1").WithTotal(1)),
			[]int64{0, 0, 1},
		},
		{"in another pass", domaintest.NewCleanStream(6, 2).At("4", domaintest.FailWith(domain.CursorExpired)), []int64{2, 4, 2, 4, 6}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				if tt.want != nil {
					if got := offsets(t, newWalk(t, tt.source, false)); !slices.Equal(got, tt.want) {
						t.Errorf("got offsets %v, want %v", got, tt.want)
					}
					return
				}
				var last error
				for _, err := range newWalk(t, tt.source, false) {
					last = err
				}
				if domain.KindOf(last) != domain.BadPage {
					t.Errorf("got last error %v, want BadPage", last)
				}
			})
		})
	}
}

// TestWalk_AcceptShortEnd: the API announces one record more than it has.
func TestWalk_AcceptShortEnd(t *testing.T) {
	t.Parallel()
	for _, accept := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			end := domaintest.LastPageOf("2", "3").WithTotal(5)
			answers := append([]domaintest.Answer{domaintest.PageOf("2", "0", "1").WithTotal(5)}, slices.Repeat([]domaintest.Answer{end}, 50)...)
			var pages int
			var last error
			for _, err := range newWalk(t, domaintest.NewScriptedSource(answers...), accept) {
				pages, last = pages+1, err
			}
			if pages != 2 || accept && last != nil || !accept && domain.KindOf(last) != domain.BadPage {
				t.Errorf("accept %v: got %d pages and last error %v", accept, pages, last)
			}
		})
	}
}
