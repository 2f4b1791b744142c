package main

import (
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// commandRuns is how often each measured command runs.
const commandRuns = 10

// measureStart measures the time from the start of pawl run to its first request. The stream has been read once. pawl gets a database
// with its schema, so it starts no server and migrates nothing.
func measureStart(ctx context.Context, b *bench) ([]figure, error) {
	const db = "bench_start"
	if err := b.db.create(ctx, db); err != nil {
		return nil, err
	}
	journalLimit := 10 * commandRuns // far more requests than the runs need, so that the journal has all of them
	api, err := b.startAPI(ctx, pageSize, "--journal-limit", strconv.Itoa(journalLimit))
	if err != nil {
		return nil, err
	}
	defer api.stop()
	if err := runQuietly(b.pawlCommand(ctx, b.workingTree(), db, api.url, "run")); err != nil {
		return nil, err
	}
	firstPass, err := api.journal(ctx, 0) // all requests so far, since they count from 1
	if err != nil {
		return nil, err
	}
	requests := len(firstPass) // the number of requests so far
	var times []float64
	for range commandRuns {
		start := time.Now()
		if err := runQuietly(b.pawlCommand(ctx, b.workingTree(), db, api.url, "run", "--new-pass")); err != nil {
			return nil, err
		}
		entries, err := api.journal(ctx, requests)
		if err != nil {
			return nil, err
		}
		requests += len(entries)
		times = append(times, milliseconds(entries[0].At.Sub(start)))
	}
	untilRequest := figure{
		Name: "`pawl run`, from its start to its first request", Unit: "ms", Value: estimateOf(times), Goal: &goal{atMost, 300},
	}
	return []figure{untilRequest}, b.db.drop(ctx, db)
}

// measureCommands measures the times of status and dlq list, on a large database with many dead letters.
func measureCommands(ctx context.Context, b *bench) ([]figure, error) {
	const db = "bench_commands"
	if err := b.db.create(ctx, db); err != nil {
		return nil, err
	}
	events, letters := longFactor*b.opts.events, b.opts.events/5
	api, err := b.startAPI(ctx, events)
	if err != nil {
		return nil, err
	}
	defer api.stop()
	if err := runQuietly(b.pawlCommand(ctx, b.workingTree(), db, api.url, "run")); err != nil {
		return nil, err
	}
	if err := b.db.execIn(ctx, db, fmt.Sprintf(insertLetters, letters), "VACUUM ANALYZE", "CHECKPOINT"); err != nil {
		return nil, err
	}
	var figures []figure
	for _, args := range [][]string{{"status"}, {"dlq", "list"}} {
		var times []float64
		for range commandRuns {
			start := time.Now()
			if err := runQuietly(b.pawlCommand(ctx, b.workingTree(), db, api.url, args...)); err != nil {
				return nil, err
			}
			times = append(times, milliseconds(time.Since(start)))
		}
		figures = append(figures, figure{
			Name: fmt.Sprintf("`pawl %s`, %s events, %s dead letters", strings.Join(args, " "), formatCount(events), formatCount(letters)),
			Unit: "ms", Value: estimateOf(times), Goal: &goal{atMost, 100},
		})
	}
	return figures, b.db.drop(ctx, db)
}

// insertLetters inserts open dead letters, spread over all pages. Each is a record that was parked because it has no id. The verb %d is the
// number of dead letters.
const insertLetters = `
INSERT INTO dead_letters (stream, key, page_id, index_in_page, reason, field, detail, payload, payload_sha256, seen)
SELECT p.stream, 'bench-' || n, p.id, n %% 5000, 'missing field', 'id', 'the record has no id', r.bytes, sha256(r.bytes), 1
FROM (SELECT stream, min(id) AS first, count(*) AS count FROM pages GROUP BY stream) AS all_pages,
	generate_series(1, %d) AS n,
	LATERAL (SELECT convert_to('{"name":"' || repeat('x', 300) || n || '"}', 'UTF8') AS bytes) AS r,
	LATERAL (SELECT stream, id FROM pages WHERE id >= first + n %% count ORDER BY id LIMIT 1) AS p`

// runQuietly runs a command. If the command fails, the error contains its output.
func runQuietly(cmd *exec.Cmd) error {
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%v: %w: %s", cmd.Args, err, text)
	}
	return nil
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
