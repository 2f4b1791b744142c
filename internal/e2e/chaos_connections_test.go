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

// terminateFetching ends the server side of every connection while nothing is asked of it.
func terminateFetching(l *lap, r *run, _ *rand.Rand) bool {
	return l.disturbFetching(r, l.db.terminatePawl)
}

// terminateBeforeCommit ends the server side of a transaction that has written its rows.
func terminateBeforeCommit(l *lap, r *run, _ *rand.Rand) bool {
	return l.disturbBeforeCommit(r, l.db.terminatePawl)
}

// cutFetching ends the connections to the database while nothing is asked of it.
func cutFetching(l *lap, r *run, _ *rand.Rand) bool { return l.disturbFetching(r, l.pg.cut) }

// cutBeforeCommit ends the connection of a transaction that has written its rows.
func cutBeforeCommit(l *lap, r *run, _ *rand.Rand) bool { return l.disturbBeforeCommit(r, l.pg.cut) }

func (l *lap) disturbFetching(r *run, disturb func()) bool {
	l.t.Helper()
	if !l.fetches(r, "500ms") {
		return false
	}
	seq := l.db.seq() // now, as the page before must not count as going on
	r.locked = false
	disturb()
	hit := l.requested() && l.db.seq() == seq
	return l.goesOn(r, seq) && hit
}

func (l *lap) disturbBeforeCommit(r *run, disturb func()) bool {
	l.t.Helper()
	letGo := l.db.holdLedger(l.direct)
	written := l.until(r, "a transaction is open", l.written)
	seq := l.db.seq()
	if written {
		r.locked = false
		disturb()
	}
	letGo()
	return written && l.goesOn(r, seq)
}

// cutAPI ends the connection to the API while it is about to answer. Pawl gets no page then without trying again.
func cutAPI(l *lap, r *run, _ *rand.Rand) bool {
	if !l.fetches(r, "1s") {
		return false
	}
	seq, tried := l.db.seq(), r.said(saysRetry)
	*r.inHand++
	l.api.cut()
	l.mock.play(l.usual)
	return l.goesOn(r, seq) && r.said(saysRetry) > tried
}

// cutAnswers ends the connection to the API within each answer, until pawl has tried again at least once.
func cutAnswers(l *lap, r *run, dice *rand.Rand) bool {
	const mostOfAPage = 15_000 // bytes; a page has some 17,000
	seq, tried := l.db.seq(), r.said(saysRetry)
	l.api.limitAnswers(dice.IntN(mostOfAPage))
	hit := l.until(r, "pawl tries again", func() bool { return r.said(saysRetry) > tried })
	l.api.heal()
	hit = l.goesOn(r, seq+1) && hit // the page under way was perhaps whole already
	*r.inHand += r.said(saysRetry) - tried
	return hit
}

// beforeGate brings a run to where it has sent a COMMIT that the server has not carried out. seq is that of the page.
func (l *lap) beforeGate(r *run) (seq int, waiting bool) {
	l.t.Helper()
	l.gate.shut()
	waiting = l.until(r, "a COMMIT waits", l.gate.waiting)
	return l.db.seq() + 1, waiting
}

// commitUnanswered brings a run to where its page is committed and the answer is lost. heal must follow.
func (l *lap) commitUnanswered(r *run) (seq int, held bool) {
	l.t.Helper()
	seq, waiting := l.beforeGate(r)
	if waiting {
		l.pg.swallowAnswers()
	}
	l.gate.open()
	if !waiting {
		return seq, false
	}
	eventually(l.t, "the page is committed", func() bool { return l.db.seq() >= seq })
	return seq, true
}

// cutUnanswered ends the connection on which a COMMIT was carried out and not answered: pawl must find that out.
func cutUnanswered(l *lap, r *run, _ *rand.Rand) bool {
	seq, held := l.commitUnanswered(r)
	if !held {
		return false
	}
	hit := !r.stored(seq)
	r.locked = false
	l.pg.heal()
	return l.until(r, "pawl knows of the COMMIT", func() bool { return r.stored(seq) }) && hit && l.goesOn(r, seq)
}

// cutUndecided ends the connection of a COMMIT that the server carries out after pawl has come back to ask.
func cutUndecided(l *lap, r *run, _ *rand.Rand) bool {
	seq, waiting := l.beforeGate(r)
	asked := false
	if waiting {
		r.locked = false
		l.pg.leave()
		tried := r.said(saysRetry)
		// pgx asks the server to cancel what it has left behind; after the first vain try that has failed too.
		l.until(r, "pawl has tried to come back", func() bool { return r.said(saysRetry) > tried+1 })
		l.pg.comeBack()
		asked = l.until(r, "pawl asks what became of the COMMIT", l.gate.doubted) && l.db.seq() == seq-1
	}
	l.gate.open()
	return asked && l.until(r, "pawl knows of the COMMIT", func() bool { return r.stored(seq) }) && l.goesOn(r, seq)
}

// terminateInCommit ends the server side within COMMIT, which then did not happen: pawl must commit the page again.
func terminateInCommit(l *lap, r *run, _ *rand.Rand) bool {
	seq, waiting := l.beforeGate(r)
	if waiting {
		r.locked = false
		l.db.terminatePawl()
	}
	undone := l.db.seq() == seq-1
	l.gate.open()
	return waiting && undone && l.goesOn(r, seq-1)
}

// goesOn waits until a run has stored a page behind one.
func (l *lap) goesOn(r *run, seq int) bool {
	l.t.Helper()
	return l.until(r, "pawl goes on", func() bool { return l.db.seq() > seq })
}

// A gate stands inside COMMIT. While it is shut, a transaction that wrote to the ledger waits in the server after it was
// told to commit and before it has.
type gate struct {
	db  *database // whoever looks at the gate
	key *database // its session holds the gate shut
}

// newGate adds the gate to a database: a constraint that is checked at COMMIT and waits for a lock.
func newGate(t *testing.T, databaseURL string) *gate {
	t.Helper()
	g := &gate{db: connect(t, databaseURL), key: connect(t, databaseURL)}
	g.db.exec(`CREATE FUNCTION pass_gate() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NULL; END $$`)
	g.db.exec(`CREATE CONSTRAINT TRIGGER gate AFTER INSERT ON pages DEFERRABLE INITIALLY DEFERRED
		FOR EACH ROW EXECUTE FUNCTION pass_gate()`)
	return g
}

func (g *gate) shut() { g.key.exec("SELECT pg_advisory_lock(1)") }

func (g *gate) open() { g.key.exec("SELECT pg_advisory_unlock(1)") }

// waiting reports whether a COMMIT of pawl's stands before the gate.
func (g *gate) waiting() bool {
	return g.db.count(`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
		AND application_name LIKE 'pawl/%' AND wait_event = 'advisory' AND query ILIKE 'commit%'`) == 1
}

// doubted reports whether pawl asks what became of a COMMIT that the server has not finished.
func (g *gate) doubted() bool {
	return g.db.count(`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
		AND application_name LIKE 'pawl/%' AND wait_event_type = 'Lock' AND query ILIKE '%FOR UPDATE%'`) == 1
}

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
