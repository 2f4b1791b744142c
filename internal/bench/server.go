package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pawldata/pawl/internal/adapters/embeddedpg"
)

// A database is the PostgreSQL server of the benchmark, with PostgreSQL's defaults for durability. It has a database for each measured
// program.
type database struct {
	server     *embeddedpg.Server
	postmaster int // the process id of the server's first process, the parent of all others
}

const (
	template      = "pawl_template" // the database with pawl's schema; each measured program gets a copy
	adminDatabase = "postgres"      // a database that every server has
)

// startDatabase starts the server with its data in dir. The caller must call Close.
func startDatabase(ctx context.Context, dir string) (*database, error) {
	server, err := embeddedpg.Open(ctx, dir, func(line string) { fmt.Fprintln(os.Stderr, line) }, func(string) error { return nil })
	if err != nil {
		return nil, err
	}
	d := &database{server: server}
	if d.postmaster, err = d.findPostmaster(ctx); err != nil {
		_ = d.Close() //nolint:contextcheck // Close must stop the server even if ctx has ended
		return nil, err
	}
	return d, nil
}

// Close stops the server. Its folder stays.
func (d *database) Close() error { return d.server.Close() }

// findPostmaster returns the process id of the server's first process, from the pid file in the data directory.
func (d *database) findPostmaster(ctx context.Context) (int, error) {
	conn, err := pgx.Connect(ctx, d.server.URL())
	if err != nil {
		return 0, err
	}
	defer conn.Close(ctx) //nolint:errcheck // only a query was made
	var dir string
	if err := conn.QueryRow(ctx, "SHOW data_directory").Scan(&dir); err != nil {
		return 0, err
	}
	text, err := os.ReadFile(filepath.Join(dir, "postmaster.pid"))
	if err != nil {
		return 0, err
	}
	first, _, _ := strings.Cut(string(text), "\n")
	return strconv.Atoi(first)
}

// url returns the connection URL of a database of the server.
func (d *database) url(name string) string {
	u, err := url.Parse(d.server.URL())
	if err != nil {
		return ""
	}
	u.Path = "/" + name
	return u.String()
}

// create creates a database from the template. The statement CHECKPOINT writes all pending changes to disk, so that no measured program
// pays for the one before.
func (d *database) create(ctx context.Context, name string) error {
	return d.exec(ctx, "DROP DATABASE IF EXISTS "+name, "CREATE DATABASE "+name+" TEMPLATE "+template, "CHECKPOINT")
}

func (d *database) drop(ctx context.Context, name string) error {
	return d.exec(ctx, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)")
}

// exec executes statements that concern the whole server.
func (d *database) exec(ctx context.Context, statements ...string) error {
	return d.execIn(ctx, adminDatabase, statements...)
}

// execIn executes statements in one database.
func (d *database) execIn(ctx context.Context, db string, statements ...string) error {
	conn, err := pgx.Connect(ctx, d.url(db))
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // the statements have succeeded or failed by then
	for _, sql := range statements {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	return nil
}

// query runs a query in one database, and stores the columns of its only row in dest.
func (d *database) query(ctx context.Context, db, sql string, dest ...any) error {
	conn, err := pgx.Connect(ctx, d.url(db))
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // only a query was made
	return conn.QueryRow(ctx, sql).Scan(dest...)
}

// waitForBackends waits until no session uses the database. Each session is a process of the server, and the method cpu may miss the time
// of a process while that process ends.
func (d *database) waitForBackends(ctx context.Context, name string) error {
	conn, err := pgx.Connect(ctx, d.server.URL())
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // only queries were made
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		var sessions int
		err := conn.QueryRow(ctx, "SELECT count(*) FROM pg_stat_activity WHERE datname = $1", name).Scan(&sessions)
		if err != nil || sessions == 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// clockTicks is USER_HZ, which is 100 on Linux for every architecture that Go supports.
const clockTicks = 100

// cpu returns the CPU time that the server's processes have used so far: those that run, and those that have ended. When a process ends,
// Linux adds its time to the children's time of its parent.
func (d *database) cpu() time.Duration {
	postmaster := readStat(d.postmaster)
	total := postmaster.own + postmaster.children
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			continue
		}
		if process := readStat(pid); process.parent == d.postmaster {
			total += process.own
		}
	}
	return total
}

type processStat struct {
	parent        int           // the process id of the parent
	own, children time.Duration // CPU time of the process, and of its children that have ended
}

// readStat reads /proc/PID/stat, whose fields proc(5) describes. It returns zeros for a process that has ended.
func readStat(pid int) processStat {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return processStat{}
	}
	_, afterName, _ := strings.Cut(string(text), ") ") // field 2 is the name in brackets; it may contain spaces
	fields := strings.Fields(afterName)
	const firstField = 3 // the number of fields[0] in proc(5), which counts from 1
	number := func(field int) int64 {
		if field-firstField >= len(fields) {
			return 0
		}
		n, _ := strconv.ParseInt(fields[field-firstField], 10, 64)
		return n
	}
	toDuration := func(ticks int64) time.Duration { return time.Duration(ticks) * time.Second / clockTicks }
	const ppid, utime, stime, cutime, cstime = 4, 14, 15, 16, 17 // the names in proc(5)
	return processStat{
		parent: int(number(ppid)), own: toDuration(number(utime) + number(stime)), children: toDuration(number(cutime) + number(cstime)),
	}
}
