package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A measurement is the time and memory that one program took for all events.
type measurement struct {
	elapsed  time.Duration
	cpu      time.Duration // of its own process
	postgres time.Duration // CPU time of PostgreSQL meanwhile
	peak     int64         // bytes of memory
}

// A bench holds what the rounds share.
type bench struct {
	opts   options
	dir    string // everything that is made for the benchmark
	self   string // this program
	db     *database
	apiURL string
}

// runBenchmark builds the programs, starts PostgreSQL and the mock API, runs the rounds and prints the ratios.
func runBenchmark(ctx context.Context, opts options, out io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "pawl-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)                      //nolint:errcheck // a leftover in the temporary folder harms nobody
	if err := os.Chmod(dir, 0o755); err != nil { // PostgreSQL runs as another user if this one is root
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	b := &bench{opts: opts, dir: dir, self: self}
	programs, err := b.build(ctx)
	if err != nil {
		return err
	}
	if b.db, err = startDatabase(ctx, filepath.Join(dir, "postgres")); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.db.Close()) }() //nolint:contextcheck // it must stop the server although ctx has ended
	if err := b.prepareTemplate(ctx, programs[0].path); err != nil {
		return err
	}
	stopAPI, err := b.startAPI(ctx)
	if err != nil {
		return err
	}
	defer stopAPI()
	results, err := b.rounds(ctx, programs)
	if err != nil {
		return err
	}
	return report(out, opts, programs, results)
}

// A program is one build of pawl.
type program struct {
	name, path string
}

// build builds mockapi and pawl of the working tree, and pawl of opts.against.
func (b *bench) build(ctx context.Context) ([]program, error) {
	if err := command(ctx, ".", "go", "build", "-o", b.dir+"/", "./cmd/pawl", "./cmd/mockapi"); err != nil {
		return nil, err
	}
	programs := []program{{"pawl", filepath.Join(b.dir, "pawl")}}
	if b.opts.against == "" {
		return programs, nil
	}
	tree := filepath.Join(b.dir, "against")
	if err := command(ctx, ".", "git", "worktree", "add", "--detach", tree, b.opts.against); err != nil {
		return nil, err
	}
	defer command(context.WithoutCancel(ctx), ".", "git", "worktree", "remove", "--force", tree) //nolint:errcheck // git prune removes it
	path := filepath.Join(b.dir, "pawl-against")
	if err := command(ctx, tree, "go", "build", "-o", path, "./cmd/pawl"); err != nil {
		return nil, err
	}
	return append(programs, program{"pawl " + b.opts.against, path}), nil
}

// prepareTemplate creates the database that has pawl's schema.
func (b *bench) prepareTemplate(ctx context.Context, pawl string) error {
	if err := b.db.exec(ctx, "CREATE DATABASE "+template); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, pawl, "migrate")
	cmd.Env = append(os.Environ(), "DATABASE_URL="+b.db.url(template))
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("pawl migrate: %w: %s", err, text)
	}
	return nil
}

// startAPI starts the mock API in a process of its own and waits until it answers.
func (b *bench) startAPI(ctx context.Context) (stop func(), err error) {
	port, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	address := "127.0.0.1:" + strconv.Itoa(port)
	cmd := exec.CommandContext(ctx, filepath.Join(b.dir, "mockapi"), "--listen", address, "--events", strconv.Itoa(b.opts.events),
		"--rate-limit", "0", "--max-limit", strconv.Itoa(max(b.opts.pageSize, 5000)), "--journal-limit", "0", "--latency", b.opts.latency.String())
	cmd.Stderr = io.Discard
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stop = func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	}
	b.apiURL = "http://" + address + "/api/v1"
	if err := waitForHTTP(ctx, b.apiURL); err != nil {
		stop()
		return nil, err
	}
	return stop, nil
}

// waitForHTTP returns once url is answered, whatever the answer.
func waitForHTTP(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
		if err != nil {
			return err
		}
		if res, err := http.DefaultClient.Do(req); err == nil {
			return res.Body.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer: %w", url, ctx.Err())
		case <-tick.C:
		}
	}
}

// rounds runs the limit and every program once in each round, and the baseline first and last. The two times of the baseline show
// how noisy the machine is. The other times of the round are compared with their mean.
func (b *bench) rounds(ctx context.Context, programs []program) ([]round, error) {
	var rounds []round
	for i := range b.opts.rounds {
		r := round{pawl: make([]measurement, len(programs))}
		steps := []func() error{
			func() (err error) { r.first, err = b.measureCopy(ctx, baselineName); return err },
			func() (err error) { r.limit, err = b.measureCopy(ctx, limitName); return err },
		}
		for p := range programs {
			p := (p + i) % len(programs) // no build is always the first
			steps = append(steps, func() (err error) { r.pawl[p], err = b.measurePawl(ctx, programs[p]); return err })
		}
		steps = append(steps, func() (err error) { r.last, err = b.measureCopy(ctx, baselineName); return err })
		for _, step := range steps {
			if err := step(); err != nil {
				return nil, err
			}
		}
		rounds = append(rounds, r)
		fmt.Fprintf(os.Stderr, "round %d of %d: baseline %.2f s and %.2f s, pawl %.2f s\n",
			i+1, b.opts.rounds, r.first.elapsed.Seconds(), r.last.elapsed.Seconds(), r.pawl[0].elapsed.Seconds())
	}
	return rounds, nil
}

// measureCopy runs the baseline or the limit, as name says, on an empty database.
func (b *bench) measureCopy(ctx context.Context, name string) (measurement, error) {
	const db = "bench_copy"
	if err := b.db.create(ctx, db); err != nil {
		return measurement{}, err
	}
	before := b.db.cpu()
	result, m, err := b.runCopyProcess(ctx, name, copyTask{DatabaseURL: b.db.url(db), Events: b.opts.events, PageSize: b.opts.pageSize})
	if err != nil {
		return measurement{}, err
	}
	if err := b.db.waitForBackends(ctx, db); err != nil {
		return measurement{}, err
	}
	m.elapsed, m.postgres = result.Elapsed, b.db.cpu()-before
	return m, b.db.drop(ctx, db)
}

func (b *bench) runCopyProcess(ctx context.Context, name string, task copyTask) (result copyResult, m measurement, err error) {
	input, err := json.Marshal(task)
	if err != nil {
		return result, m, err
	}
	cmd := exec.CommandContext(ctx, b.self, name)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(input), &stdout, &stderr
	if m, err = measureProcess(cmd); err != nil {
		return result, m, fmt.Errorf("%s: %w: %s", name, err, stderr.String())
	}
	err = json.Unmarshal(stdout.Bytes(), &result)
	return result, m, err
}

// measurePawl runs pawl from the first page to the last, process start included, and checks what it stored.
func (b *bench) measurePawl(ctx context.Context, p program) (measurement, error) {
	const db = "bench_pawl"
	if err := b.db.create(ctx, db); err != nil {
		return measurement{}, err
	}
	if b.opts.stored > 0 {
		task := copyTask{DatabaseURL: b.db.url(db), Events: b.opts.events, PageSize: b.opts.pageSize, Stored: b.opts.stored, OnlyStored: true}
		if _, _, err := b.runCopyProcess(ctx, baselineName, task); err != nil {
			return measurement{}, err
		}
		if err := b.db.exec(ctx, "CHECKPOINT"); err != nil {
			return measurement{}, err
		}
	}
	cmd := exec.CommandContext(ctx, p.path, "run", "--json", "--page-size", strconv.Itoa(b.opts.pageSize))
	cmd.Env = append(os.Environ(), "DATABASE_URL="+b.db.url(db), "API_BASE_URL="+b.apiURL, "API_KEY=demo-key")
	cmd.Dir = b.dir // no .env
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	before := b.db.cpu()
	m, err := measureProcess(cmd)
	if err != nil {
		return m, fmt.Errorf("%s: %w: %s", p.name, err, stderr.String())
	}
	if err := b.db.waitForBackends(ctx, db); err != nil {
		return m, err
	}
	m.postgres = b.db.cpu() - before
	var summary struct{ Received, Inserted, Duplicate int }
	if err := json.Unmarshal(stdout.Bytes(), &summary); err != nil {
		return m, fmt.Errorf("%s: %w", p.name, err)
	}
	if summary.Received != b.opts.events || summary.Inserted+summary.Duplicate != b.opts.events {
		return m, fmt.Errorf("%s stored %+v of %d events", p.name, summary, b.opts.events)
	}
	return m, b.db.drop(ctx, db)
}

// measureProcess runs cmd to its end.
func measureProcess(cmd *exec.Cmd) (measurement, error) {
	start := time.Now()
	err := cmd.Run()
	m := measurement{elapsed: time.Since(start)}
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		m.cpu = time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
		m.peak = usage.Maxrss << 10 // getrusage(2): kilobytes
	}
	return m, err
}

func command(ctx context.Context, dir, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, text)
	}
	return nil
}
