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

// A database is the server of the benchmark: PostgreSQL with its own defaults for durability.
type database struct {
	server     *embeddedpg.Server
	postmaster int // process id
}

// template is the database that has pawl's schema; each measured program gets a copy.
const template = "pawl_template"

// adminDatabase is a database of every server.
const adminDatabase = "postgres"

func startDatabase(ctx context.Context, dir string) (*database, error) {
	server, err := embeddedpg.Open(ctx, dir, func(line string) { fmt.Fprintln(os.Stderr, line) })
	if err != nil {
		return nil, err
	}
	d := &database{server: server}
	if d.postmaster, err = d.findPostmaster(ctx); err != nil {
		_ = d.Close() //nolint:contextcheck // it must stop the server although ctx has ended
		return nil, err
	}
	return d, nil
}

// Close stops the server. Its folder stays.
func (d *database) Close() error { return d.server.Close() }

// findPostmaster returns the process id of the server, from the pid file in its data directory.
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

// create makes a new database from the template, and writes all that is pending to disk so that no measured program pays for the
// one before.
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

// query stores the values of a row with one column or more in dest.
func (d *database) query(ctx context.Context, db, sql string, dest ...any) error {
	conn, err := pgx.Connect(ctx, d.url(db))
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // only a query was made
	return conn.QueryRow(ctx, sql).Scan(dest...)
}

// waitForBackends waits until no session uses the database. Linux adds the CPU time of a process to its parent's when it ends.
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

// cpu returns the CPU time that the server's processes have used so far: those that live, and those that have ended.
func (d *database) cpu() time.Duration {
	own := readStat(d.postmaster)
	total := own.own + own.children
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			continue
		}
		if s := readStat(pid); s.parent == d.postmaster {
			total += s.own
		}
	}
	return total
}

type processStat struct {
	parent        int
	own, children time.Duration // CPU time of the process, and of its children that have ended
}

// readStat reads /proc/PID/stat (proc(5)). It returns zeros for a process that is gone.
func readStat(pid int) processStat {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return processStat{}
	}
	_, after, _ := strings.Cut(string(text), ") ") // the name may hold anything but this
	fields := strings.Fields(after)                // from field 3 of proc(5) on
	number := func(field int) int64 {
		if field-3 >= len(fields) {
			return 0
		}
		n, _ := strconv.ParseInt(fields[field-3], 10, 64)
		return n
	}
	ticks := func(n int64) time.Duration { return time.Duration(n) * time.Second / clockTicks }
	return processStat{int(number(4)), ticks(number(14) + number(15)), ticks(number(16) + number(17))}
}
