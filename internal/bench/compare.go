package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"time"
)

// A comparison is a [workload] with its measurements.
type comparison struct {
	workload

	rounds []round
}

// A round holds the measurements of one workload in one round.
type round struct {
	first, last measurement   // the two runs of workload.reference; zero if there is none
	limit       measurement   // the limit, see limitName; zero if the workload does not run it
	pawl        []measurement // one for each build of pawl
}

// referenceTime returns the mean of the reference's two times in the round.
func (r round) referenceTime() time.Duration { return (r.first.elapsed + r.last.elapsed) / 2 }

// compare runs all workloads in each round, and returns the lines of the table. Long workloads run in the first round only.
func (b *bench) compare(ctx context.Context, workloads []workload) ([]line, error) {
	comparisons := make([]comparison, len(workloads))
	for i, w := range workloads {
		comparisons[i].workload = w
	}
	for i := range b.opts.rounds {
		for j := range comparisons {
			c := &comparisons[j]
			if c.isLong && i > 0 {
				continue
			}
			r, err := b.runRound(ctx, c.workload, i)
			if err != nil {
				return nil, err
			}
			c.rounds = append(c.rounds, r)
			fmt.Fprintf(os.Stderr, "  round %d of %d: %d events, %s\n", i+1, b.opts.rounds, c.events, c.describe(r))
		}
	}
	var lines []line
	for _, c := range comparisons {
		lines = append(lines, c.lines(b.programs)...)
	}
	return lines, nil
}

// describe returns the times of a round as text.
func (w workload) describe(r round) string {
	text := fmt.Sprintf("pawl %.2f s", r.pawl[0].elapsed.Seconds())
	if w.reference == "" {
		return text
	}
	return fmt.Sprintf("%s %.2f s and %.2f s, %s", w.reference, r.first.elapsed.Seconds(), r.last.elapsed.Seconds(), text)
}

// runRound runs every build of pawl once, and the reference first and last. The difference of the reference's two times shows how noisy
// the machine is. Their mean is what the other times of the round are compared with.
func (b *bench) runRound(ctx context.Context, w workload, number int) (round, error) {
	r := round{pawl: make([]measurement, len(b.programs))}
	var steps []func() error
	addStep := func(m *measurement, run func() (measurement, error)) {
		steps = append(steps, func() (err error) { *m, err = run(); return err })
	}
	reference := func() (measurement, error) { return b.measureReference(ctx, w) }
	if w.reference != "" {
		addStep(&r.first, reference)
	}
	if w.hasLimit {
		addStep(&r.limit, func() (measurement, error) { return b.measureCopy(ctx, limitName, w) })
	}
	for i := range b.programs {
		build := (i + number) % len(b.programs) // each round begins with another build
		addStep(&r.pawl[build], func() (measurement, error) { return b.measurePawl(ctx, b.programs[build], w) })
	}
	if w.reference != "" {
		addStep(&r.last, reference)
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return r, err
		}
	}
	return r, nil
}

func (b *bench) measureReference(ctx context.Context, w workload) (measurement, error) {
	if w.reference == readerName {
		return b.measureReader(ctx, w)
	}
	return b.measureCopy(ctx, w.reference, w)
}

// measureReader measures the bare client of the API, see readerName, from the start of its process.
func (b *bench) measureReader(ctx context.Context, w workload) (measurement, error) {
	api, err := b.startAPI(ctx, w.events, w.api...)
	if err != nil {
		return measurement{}, err
	}
	defer api.stop()
	_, m, err := b.runSelf(ctx, readerName, readTask{URL: api.url, PageSize: w.pageSize, Pages: w.pages()})
	return m, err
}

// pages returns the number of pages that the API has.
func (w workload) pages() int { return (w.events + w.pageSize - 1) / w.pageSize }

// measureCopy measures the baseline or the limit on an empty database. name is baselineName or limitName. measureCopy leaves the peak
// memory out, because both programs hold all events.
func (b *bench) measureCopy(ctx context.Context, name string, w workload) (measurement, error) {
	const db = "bench_copy"
	if err := b.db.create(ctx, db); err != nil {
		return measurement{}, err
	}
	before := b.db.cpu()
	output, _, err := b.runSelf(ctx, name, copyTask{DatabaseURL: b.db.url(db), Events: w.events, PageSize: w.pageSize})
	if err != nil {
		return measurement{}, err
	}
	if err := b.db.waitForBackends(ctx, db); err != nil {
		return measurement{}, err
	}
	var result copyResult
	if err := json.Unmarshal(output, &result); err != nil {
		return measurement{}, err
	}
	return measurement{elapsed: result.Elapsed, cpu: result.CPU, postgres: b.db.cpu() - before}, b.db.drop(ctx, db)
}

// measurePawl measures pawl from the start of its process, on a database of its own. Before, it stores w.stored per cent of the events.
func (b *bench) measurePawl(ctx context.Context, p program, w workload) (measurement, error) {
	const db = "bench_pawl"
	if err := b.db.create(ctx, db); err != nil {
		return measurement{}, err
	}
	if w.stored > 0 {
		task := copyTask{DatabaseURL: b.db.url(db), Events: w.events, PageSize: w.pageSize, Stored: w.stored, OnlyStored: true}
		if _, _, err := b.runSelf(ctx, baselineName, task); err != nil {
			return measurement{}, err
		}
		if err := b.db.exec(ctx, "CHECKPOINT"); err != nil {
			return measurement{}, err
		}
	}
	api, err := b.startAPI(ctx, w.events, w.api...)
	if err != nil {
		return measurement{}, err
	}
	defer api.stop()
	m, err := b.runPawl(ctx, p, w, db, api)
	if err != nil {
		return m, fmt.Errorf("%s: %w", p.name, err)
	}
	return m, b.db.drop(ctx, db)
}

// runPawl runs pawl from the first page to the last, and checks what it stored.
func (b *bench) runPawl(ctx context.Context, p program, w workload, db string, api *mockProcess) (measurement, error) {
	args := append([]string{"run", "--json", "--page-size", strconv.Itoa(w.pageSize)}, w.pawl...)
	cmd := b.pawlCommand(ctx, p, db, api.url, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	before := b.db.cpu()
	m, err := measureProcess(cmd)
	if err != nil {
		return m, fmt.Errorf("%w: %s", err, stderr.String())
	}
	if err := b.db.waitForBackends(ctx, db); err != nil {
		return m, err
	}
	m.postgres = b.db.cpu() - before
	var summary struct{ Received, Inserted, Duplicate int }
	if err := json.Unmarshal(stdout.Bytes(), &summary); err != nil {
		return m, err
	}
	if summary.Received != w.events || summary.Inserted+summary.Duplicate != w.events {
		return m, fmt.Errorf("it stored %+v of %d events", summary, w.events)
	}
	// xmin is the transaction that wrote a row, so the distinct values are the commits.
	err = b.db.query(ctx, db, "SELECT count(*)::float8 / count(DISTINCT xmin::text) FROM pages", &m.pagesPerCommit)
	return m, err
}
