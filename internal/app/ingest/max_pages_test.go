package ingest_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/pawldata/pawl/internal/app/ingest"
	"github.com/pawldata/pawl/internal/domain"
)

// TestRun_MaxPages checks that a run stops after MaxPages pages, that it sends no request for a further page, and that the next run
// continues behind them.
func TestRun_MaxPages(t *testing.T) {
	t.Parallel()
	const records = 10 // five pages
	tests := []struct {
		name         string
		maxPages     int
		bufferBytes  int64
		fail         bool // the last page that is allowed is no page at first
		wantRequests int
		wantStored   int
		wantErr      string // a part of the error; empty if the stream is complete
	}{
		{name: "one page", maxPages: 1, wantRequests: 1, wantStored: 2, wantErr: "20 % read"},
		{name: "three pages ahead", maxPages: 3, bufferBytes: 1000, wantRequests: 3, wantStored: 6, wantErr: "60 % read"},
		{name: "a bad answer among them", maxPages: 3, bufferBytes: 1000, fail: true, wantRequests: 4, wantStored: 6, wantErr: "60 % read"},
		{name: "exactly all pages", maxPages: 5, bufferBytes: 1000, wantRequests: 5, wantStored: 10},
		{name: "more than all pages", maxPages: 6, wantRequests: 5, wantStored: 10},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixture()
				f.opts.MaxPages, f.opts.MaxBufferBytes = tt.maxPages, tt.bufferBytes
				source := &freeSource{records: records, pageBytes: []int64{10}}
				hasFailed := !tt.fail
				source.fail = func(first int) (*domain.Page, error) {
					if first != 4 || hasFailed {
						return nil, nil
					}
					hasFailed = true
					return nil, &domain.Error{Kind: domain.BadPage, Op: "fetch page", Err: errors.New("not a page")}
				}
				sum, err := f.run(t.Context(), source)
				isAsked := errors.Is(err, ingest.ErrMaxPages) && domain.KindOf(err) == domain.Stopped && strings.Contains(err.Error(), tt.wantErr)
				if isAsked == (tt.wantErr == "") || tt.wantErr == "" && err != nil {
					t.Errorf("got error %v, want %q", err, tt.wantErr)
				}
				if got := source.requestCount(); got != tt.wantRequests || sum.Inserted != int64(tt.wantStored) {
					t.Errorf("got %d requests and %d events, want %d and %d", got, sum.Inserted, tt.wantRequests, tt.wantStored)
				}
				f.opts.MaxPages = 0
				if _, err := f.run(t.Context(), source); err != nil {
					t.Fatal(err)
				}
				f.wantAllStored(t, source)
			})
		})
	}
}
