//go:build e2e

package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pawldata/pawl/internal/pgtest"
)

// crashes bring the whole server down, so that it has to recover.
func crashes() []attack {
	return []attack{
		{groupBackend, "server crash, before COMMIT", 1, crashBeforeCommit},
		{groupBackend, "server crash, in COMMIT", 1, crashInCommit},
	}
}

// cannotCrash says why crashes cannot be run here, "" if they can.
func cannotCrash(t *testing.T) (why string) {
	t.Helper()
	if os.Getenv("TEST_DATABASE_URL") != "" {
		return "the server of TEST_DATABASE_URL is somebody's"
	}
	if connect(t, pgtest.Empty(t)).count("SELECT count(*) FROM pg_roles WHERE rolname = current_user AND rolsuper") != 1 {
		return "it takes a superuser"
	}
	return ""
}

func crashBeforeCommit(l *lap, r *run, _ *rand.Rand) bool {
	letGo := l.db.holdLedger(l.direct)
	if !l.until(r, "a transaction is open", l.written) {
		letGo()
		return false
	}
	return l.crash(r)
}

func crashInCommit(l *lap, r *run, _ *rand.Rand) bool {
	if _, waiting := l.beforeGate(r); !waiting {
		l.gate.open()
		return false
	}
	return l.crash(r)
}

// crash kills a server process of pawl's: PostgreSQL then ends all the others and recovers from its log.
func (l *lap) crash(r *run) bool {
	l.t.Helper()
	seq := l.db.seq()
	pid := l.db.count(`SELECT max(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'pawl/%'`)
	r.locked = false
	l.db.killServerProcess(pid)
	eventually(l.t, "the server is down", func() bool { return l.db.conn.Ping(l.db.ctx) != nil })
	l.reconnectAll()
	return l.goesOn(r, seq)
}

// killServerProcess has the server do it, which may be in a container. Its own session does not survive that either.
func (d *database) killServerProcess(pid int) {
	_, _ = d.conn.Exec(d.ctx, fmt.Sprintf("COPY (SELECT 1) TO PROGRAM 'kill -9 %d'", pid))
}

// reconnect waits until the server takes connections again.
func (l *lap) reconnect() *database {
	l.t.Helper()
	var conn *pgx.Conn
	eventually(l.t, "the server has recovered", func() (is bool) {
		var err error
		conn, err = pgx.Connect(l.db.ctx, l.direct)
		return err == nil
	})
	l.t.Cleanup(func() { _ = conn.Close(l.db.ctx) })
	return &database{l.t, l.db.ctx, conn}
}
