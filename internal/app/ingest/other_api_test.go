package ingest_test

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/pawldata/pawl/internal/domain"
)

// TestRun_OtherAPI checks how a run ends if the answers have nothing of a page. Before the first record, the address is probably wrong, and
// two answers are enough. In a stream with records, a broken proxy may have sent them, so the run makes all attempts.
func TestRun_OtherAPI(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name         string
		failAt       int // the first record of the page that gets such answers
		wantKind     domain.Kind
		wantRequests int
	}{
		{name: "the first page", failAt: 0, wantKind: domain.Invalid, wantRequests: 2},
		{name: "a later page", failAt: 4, wantKind: domain.BadPage, wantRequests: 2 + maxTries},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixture()
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
