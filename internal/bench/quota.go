package main

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/pawldata/pawl/mockapi"
)

// quotaWindow is the window of the rate limit that measureQuota sets.
const quotaWindow = 5 * time.Second

// A quotaUse says what one run did with the rate limit's quota.
type quotaUse struct {
	share   float64 // of the quota, per cent
	refused float64 // requests that got a 429
}

// measureQuota runs pawl with the usual buffer and without a buffer in alternating rounds, against an API with a rate limit that the
// pages use up about four times.
func measureQuota(ctx context.Context, b *bench) ([]figure, error) {
	w := workload{events: b.opts.events, pageSize: pageSize}
	limit := max(w.pages()/4, 1)
	w.api = []string{
		"--rate-limit", strconv.Itoa(limit), "--rate-window", quotaWindow.String(), "--journal-limit", strconv.Itoa(10 * w.pages()),
	}
	unbuffered := w
	unbuffered.pawl = []string{"--max-buffer-bytes", "0"}
	buffers := []workload{w, unbuffered}
	uses := make([][]quotaUse, len(buffers))
	for i := range b.opts.rounds {
		for j := range buffers {
			j := (j + i) % len(buffers) // none is always the first
			use, err := b.runWithQuota(ctx, buffers[j], limit)
			if err != nil {
				return nil, err
			}
			uses[j] = append(uses[j], use)
		}
		fmt.Fprintf(os.Stderr, "  round %d of %d: %.1f %% with the usual buffer, %.1f %% without\n", i+1, b.opts.rounds,
			uses[0][i].share, uses[1][i].share)
	}
	return quotaFigures(uses[0], uses[1]), nil
}

// quotaFigures returns what the table says about runs with and without a buffer.
func quotaFigures(buffered, unbuffered []quotaUse) []figure {
	rounds := func(value func(i int) float64) estimate {
		values := make([]float64, len(buffered))
		for i := range values {
			values[i] = value(i)
		}
		return estimateOf(values)
	}
	return []figure{
		{Name: "quota used with the usual buffer", Unit: "%", Decimals: 1, Value: rounds(func(i int) float64 { return buffered[i].share })},
		{
			Name: "quota used with `--max-buffer-bytes 0`", Unit: "%", Decimals: 1,
			Value: rounds(func(i int) float64 { return unbuffered[i].share }),
		},
		{
			Name: "ratio of the two", Decimals: 2, Value: rounds(func(i int) float64 { return buffered[i].share / unbuffered[i].share }),
			Bar: &bar{notBelow, 1},
		},
		{
			Name: "answers with 429", Value: rounds(func(i int) float64 { return buffered[i].refused + unbuffered[i].refused }),
			Bar: &bar{alwaysAtMost, 0},
		},
	}
}

func (b *bench) runWithQuota(ctx context.Context, w workload, limit int) (quotaUse, error) {
	const db = "bench_quota"
	if err := b.db.create(ctx, db); err != nil {
		return quotaUse{}, err
	}
	api, err := b.startAPI(ctx, w.events, w.api...)
	if err != nil {
		return quotaUse{}, err
	}
	defer api.stop()
	if _, err := b.runPawl(ctx, b.programs[0], w, db, api); err != nil {
		return quotaUse{}, err
	}
	entries, err := api.journal(ctx, 0)
	if err != nil {
		return quotaUse{}, err
	}
	use, err := useOfQuota(entries, limit, quotaWindow)
	if err != nil {
		return use, err
	}
	return use, b.db.drop(ctx, db)
}

// useOfQuota returns what requests did with a quota of limit requests in each window. A client that loses no time sends the first
// request of a window exactly when the window before it ends, so the share is the length of all windows but the last one, divided
// by the time that the client took for their requests.
func useOfQuota(entries []mockapi.Entry, limit int, window time.Duration) (quotaUse, error) {
	var use quotaUse
	var allowed []mockapi.Entry
	for _, e := range entries {
		if e.Status == http.StatusTooManyRequests {
			use.refused++
			continue
		}
		allowed = append(allowed, e)
	}
	windows := (len(allowed) - 1) / limit
	if windows < 1 {
		return use, fmt.Errorf("%d requests do not use up a quota of %d", len(allowed), limit)
	}
	slices.SortFunc(allowed, func(a, b mockapi.Entry) int { return cmp.Compare(a.N, b.N) })
	took := allowed[windows*limit].At.Sub(allowed[0].At)
	use.share = 100 * float64(windows) * window.Seconds() / took.Seconds()
	return use, nil
}
