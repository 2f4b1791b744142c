package ingest_test

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/pawldata/pawl/internal/app/ingest"
	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

// TestRun_OtherAPI checks how a run ends if the answers have nothing of a page. Before the first record, the address is probably wrong, and
// two answers are enough. In a stream with records, a broken proxy may have sent them, so the run makes all attempts.
func TestRun_OtherAPI(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name         string
		failAt       int // the first record of the page that gets such answers
		tries        int // Policy.Tries; 0 stands for maxTries
		wantKind     domain.Kind
		wantRequests int
	}{
		{name: "the first page", failAt: 0, wantKind: domain.Invalid, wantRequests: 2},
		{name: "the first page, one attempt", failAt: 0, tries: 1, wantKind: domain.Invalid, wantRequests: 1},
		{name: "a later page", failAt: 4, wantKind: domain.BadPage, wantRequests: 2 + maxTries},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixture()
				if tt.tries > 0 {
					f.opts.Retry.Tries = tt.tries
				}
				source := &freeSource{records: 10}
				source.fail = func(first int) (*domain.Page, error) {
					if first != tt.failAt {
						return nil, nil
					}
					return nil, &domain.Error{Kind: domain.BadPage, Op: "fetch page", Err: errors.New("a web page"), OtherAPI: true}
				}
				_, err := f.run(t.Context(), source)
				if domain.KindOf(err) != tt.wantKind || source.requestCount() != tt.wantRequests {
					t.Errorf("got %v after %d requests, want %s after %d", err, source.requestCount(), tt.wantKind, tt.wantRequests)
				}
			})
		})
	}
}

// TestWalk_OtherAPI checks the same for a walk. A walk begins at the head even if the stream has records, so its caller says so.
func TestWalk_OtherAPI(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		knownStream  bool
		wantKind     domain.Kind
		wantRequests int
	}{
		{knownStream: false, wantKind: domain.Invalid, wantRequests: 2},
		{knownStream: true, wantKind: domain.BadPage, wantRequests: maxTries},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := newFixture()
			source := &freeSource{records: 10, fail: func(int) (*domain.Page, error) {
				return nil, &domain.Error{Kind: domain.BadPage, Op: "fetch page", Err: errors.New("a web page"), OtherAPI: true}
			}}
			opts := ingest.WalkOptions{PageSize: recordsPerPage, Retry: f.opts.Retry, KnownStream: tt.knownStream}
			for _, err := range ingest.Walk(t.Context(), source, domaintest.LineDecoder{}, f.seen, opts) {
				if domain.KindOf(err) != tt.wantKind || source.requestCount() != tt.wantRequests {
					t.Errorf("known stream %t: got %v after %d requests, want %s after %d",
						tt.knownStream, err, source.requestCount(), tt.wantKind, tt.wantRequests)
				}
			}
		})
	}
}
