package ingest_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

// A circleSource is an API whose cursors lead in a circle of three. Each answer has other records of a small set.
type circleSource struct {
	random   *rand.Rand
	requests int
}

const maxCircleRequests = 2000 // more than a run should make

func (c *circleSource) FetchPage(_ context.Context, req domain.PageRequest) (domain.Page, error) {
	c.requests++
	if c.requests > maxCircleRequests {
		return domain.Page{}, &domain.Error{Kind: domain.Unauthorized, Op: "fetch page", Err: errors.New("too many requests")}
	}
	next := map[domain.Cursor]domain.Cursor{"": "a", "a": "b", "b": "c", "c": "a"}
	page := domain.Page{Next: next[req.Cursor], Receipt: domain.Receipt{Status: 200, FetchedAt: time.Now()}}
	const records, perPage = 40, 4
	for i, n := range c.random.Perm(records)[:perPage] {
		page.Records = append(page.Records, domain.Record{Payload: []byte(strconv.Itoa(n)), Index: i})
	}
	return page, nil
}

// TestRun_Circle checks that a run ends if the cursors lead in a circle, even if the number of received records grows all the time.
func TestRun_Circle(t *testing.T) {
	t.Parallel()
	for seed := range uint64(5) {
		synctest.Test(t, func(t *testing.T) {
			source := &circleSource{random: rand.New(rand.NewPCG(seed, 0))}
			_, err := newFixture().run(t.Context(), source)
			domaintest.CheckKind(t, err, domain.CursorInvalid)
			t.Logf("seed %d: %d requests", seed, source.requests)
		})
	}
}
