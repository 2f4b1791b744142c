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

// A quotaUse says how well one run used the quota, which is the number of requests that the rate limit allows in each window.
type quotaUse struct {
	percent float64 // the used part of the quota
	refused float64 // the number of requests that got the status 429
}

// measureQuota runs pawl once with the usual buffer and once without a buffer in each round. The rate limit of the API is so low that
// a run needs about four windows.
func measureQuota(ctx context.Context, b *bench) ([]figure, error) {
	w := workload{events: b.opts.events, pageSize: pageSize}
	limit := max(w.pages()/4, 1)
	journalLimit := 10 * w.pages() // far more requests than a run needs, so that the journal has all of them
	w.api = []string{
		"--rate-limit", strconv.Itoa(limit), "--rate-window", quotaWindow.String(), "--journal-limit", strconv.Itoa(journalLimit),
	}
	unbuffered := w
	unbuffered.pawl = []string{"--max-buffer-bytes", "0"}
	variants := []workload{w, unbuffered}
	uses := make([][]quotaUse, len(variants)) // the uses of each variant, by round
	for round := range b.opts.rounds {
		for i := range variants {
			variant := (i + round) % len(variants) // each round begins with another variant
			use, err := b.runWithQuota(ctx, variants[variant], limit)
			if err != nil {
				return nil, err
			}
			uses[variant] = append(uses[variant], use)
		}
		fmt.Fprintf(os.Stderr, "  round %d of %d: %.1f %% with the usual buffer, %.1f %% without\n", round+1, b.opts.rounds,
			uses[0][round].percent, uses[1][round].percent)
	}
	return quotaFigures(uses[0], uses[1]), nil
}

// quotaFigures returns the figures about runs with and without a buffer. Both slices have one element for each round.
func quotaFigures(buffered, unbuffered []quotaUse) []figure {
	estimateRounds := func(value func(round int) float64) estimate {
		values := make([]float64, len(buffered))
		for round := range values {
			values[round] = value(round)
		}
		return estimateOf(values)
	}
	return []figure{
		{
			Name: "quota used with the usual buffer", Unit: "%", Decimals: 1,
			Value: estimateRounds(func(i int) float64 { return buffered[i].percent }),
		},
		{
			Name: "quota used with `--max-buffer-bytes 0`", Unit: "%", Decimals: 1,
			Value: estimateRounds(func(i int) float64 { return unbuffered[i].percent }),
		},
		{
			Name: "ratio of the two", Decimals: 2, Goal: &goal{notClearlyBelow, 1},
			Value: estimateRounds(func(i int) float64 { return buffered[i].percent / unbuffered[i].percent }),
		},
		{
			Name: "answers with 429", Goal: &goal{atMostInEachRound, 0},
			Value: estimateRounds(func(i int) float64 { return buffered[i].refused + unbuffered[i].refused }),
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
	if _, err := b.runPawl(ctx, b.workingTree(), w, db, api); err != nil {
		return quotaUse{}, err
	}
	entries, err := api.journal(ctx, 0) // all requests, since they count from 1
	if err != nil {
		return quotaUse{}, err
	}
	use, err := useOfQuota(entries, limit, quotaWindow)
	if err != nil {
		return use, err
	}
	return use, b.db.drop(ctx, db)
}

// useOfQuota returns how well a run used a quota of limit requests in each window. A window begins with its first request. A client that
// loses no time sends this request exactly when the previous window ends. The time from the first request of the run to the first request
// of the last window is then the length of the windows before the last one. The used part of the quota is this length, divided by the
// time that really passed.
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
	lastIndex := len(allowed) - 1
	fullWindows := lastIndex / limit // each window before the last one has limit requests
	if fullWindows < 1 {
		return use, fmt.Errorf("%d requests do not use up a quota of %d", len(allowed), limit)
	}
	slices.SortFunc(allowed, func(a, b mockapi.Entry) int { return cmp.Compare(a.N, b.N) })
	firstOfRun, firstOfLastWindow := allowed[0], allowed[fullWindows*limit]
	took := firstOfLastWindow.At.Sub(firstOfRun.At)
	use.percent = 100 * float64(fullWindows) * window.Seconds() / took.Seconds()
	return use, nil
}
