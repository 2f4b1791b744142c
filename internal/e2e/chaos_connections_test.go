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
func terminateFetching(rd *round, r *run, _ *rand.Rand) bool {
	return rd.disturbFetching(r, rd.db.terminatePawl)
}

// terminateBeforeCommit ends the server side of a transaction that has written its rows.
func terminateBeforeCommit(rd *round, r *run, _ *rand.Rand) bool {
	return rd.disturbBeforeCommit(r, rd.db.terminatePawl)
}

// cutFetching ends the connections to the database while nothing is asked of it.
func cutFetching(rd *round, r *run, _ *rand.Rand) bool { return rd.disturbFetching(r, rd.dbProxy.cut) }

// cutBeforeCommit ends the connection of a transaction that has written its rows.
func cutBeforeCommit(rd *round, r *run, _ *rand.Rand) bool {
	return rd.disturbBeforeCommit(r, rd.dbProxy.cut)
}

func (rd *round) disturbFetching(r *run, disturb func()) bool {
	rd.t.Helper()
	if !rd.waitFetching(r, "500ms") {
		return false
	}
	seq := rd.db.seq() // now, as the page before must not count as going on
	r.locked = false
	disturb()
	hit := rd.isRequestInFlight() && rd.db.seq() == seq
	return rd.waitForPageAfter(r, seq) && hit
}

func (rd *round) disturbBeforeCommit(r *run, disturb func()) bool {
	rd.t.Helper()
	unlock := rd.db.lockLedger(rd.databaseURL)
	open := rd.waitUntil(r, "a transaction is open", rd.hasOpenTransaction)
	seq := rd.db.seq()
	if open {
		r.locked = false
		disturb()
	}
	unlock()
	return open && rd.waitForPageAfter(r, seq)
}

// cutAPI ends the connection to the API while it is about to answer. Pawl gets no page then without trying again.
func cutAPI(rd *round, r *run, _ *rand.Rand) bool {
	if !rd.waitFetching(r, "1s") {
		return false
	}
	seq, tried := rd.db.seq(), r.logCount(logRetry)
	*r.unstored++
	rd.apiProxy.cut()
	rd.mock.play(rd.usual)
	return rd.waitForPageAfter(r, seq) && r.logCount(logRetry) > tried
}

// cutAnswers ends the connection to the API within each answer, until pawl has tried again at least once.
func cutAnswers(rd *round, r *run, random *rand.Rand) bool {
	const maxBytes = 15_000 // bytes; a page has some 17,000
	seq, tried := rd.db.seq(), r.logCount(logRetry)
	rd.apiProxy.limitAnswers(random.IntN(maxBytes))
	hit := rd.waitUntil(r, "pawl tries again", func() bool { return r.logCount(logRetry) > tried })
	rd.apiProxy.reset()
	hit = rd.waitForPageAfter(r, seq+1) && hit // the page under way was perhaps whole already
	*r.unstored += r.logCount(logRetry) - tried
	return hit
}

// beforeGate brings a run to where it has sent a COMMIT that the server has not carried out. seq is that of the page.
func (rd *round) waitAtBarrier(r *run) (seq int, waiting bool) {
	rd.t.Helper()
	rd.barrier.block()
	waiting = rd.waitUntil(r, "a COMMIT waits", rd.barrier.hasWaitingCommit)
	return rd.db.seq() + 1, waiting
}

// commitUnanswered brings a run to where its page is committed and the answer is lost. heal must follow.
func (rd *round) loseCommitAnswer(r *run) (seq int, held bool) {
	rd.t.Helper()
	seq, waiting := rd.waitAtBarrier(r)
	if waiting {
		rd.dbProxy.dropAnswers()
	}
	rd.barrier.release()
	if !waiting {
		return seq, false
	}
	eventually(rd.t, "the page is committed", func() bool { return rd.db.seq() >= seq })
	return seq, true
}

// cutUnanswered ends the connection on which a COMMIT was carried out and not answered: pawl must find that out.
func cutUnanswered(rd *round, r *run, _ *rand.Rand) bool {
	seq, held := rd.loseCommitAnswer(r)
	if !held {
		return false
	}
	hit := !r.hasStored(seq)
	r.locked = false
	rd.dbProxy.reset()
	return rd.waitUntil(r, "pawl knows of the COMMIT", func() bool { return r.hasStored(seq) }) && hit && rd.waitForPageAfter(r, seq)
}

// cutUndecided ends the connection of a COMMIT that the server carries out after pawl has come back to ask.
func cutUndecided(rd *round, r *run, _ *rand.Rand) bool {
	seq, waiting := rd.waitAtBarrier(r)
	asked := false
	if waiting {
		r.locked = false
		rd.dbProxy.stop()
		tried := r.logCount(logRetry)
		// pgx asks the server to cancel what it has left behind; after the first vain try that has failed too.
		rd.waitUntil(r, "pawl has tried to come back", func() bool { return r.logCount(logRetry) > tried+1 })
		rd.dbProxy.restart()
		asked = rd.waitUntil(r, "pawl asks what became of the COMMIT", rd.barrier.isCommitQueried) && rd.db.seq() == seq-1
	}
	rd.barrier.release()
	return asked && rd.waitUntil(r, "pawl knows of the COMMIT", func() bool { return r.hasStored(seq) }) && rd.waitForPageAfter(r, seq)
}

// terminateInCommit ends the server side within COMMIT, which then did not happen: pawl must commit the page again.
func terminateInCommit(rd *round, r *run, _ *rand.Rand) bool {
	seq, waiting := rd.waitAtBarrier(r)
	if waiting {
		r.locked = false
		rd.db.terminatePawl()
	}
	undone := rd.db.seq() == seq-1
	rd.barrier.release()
	return waiting && undone && rd.waitForPageAfter(r, seq-1)
}

// goesOn waits until a run has stored a page behind one.
func (rd *round) waitForPageAfter(r *run, seq int) bool {
	rd.t.Helper()
	return rd.waitUntil(r, "pawl goes on", func() bool { return rd.db.seq() > seq })
}

// A gate stands inside COMMIT. While it is shut, a transaction that wrote to the ledger waits in the server after it was
// told to commit and before it has.
type commitBarrier struct {
	db     *database // whoever looks at the gate
	holder *database // its session holds the gate shut
}

// newGate adds the gate to a database: a constraint that is checked at COMMIT and waits for a lock.
func newCommitBarrier(t *testing.T, databaseURL string) *commitBarrier {
	t.Helper()
	b := &commitBarrier{db: connect(t, databaseURL), holder: connect(t, databaseURL)}
	b.db.exec(`CREATE FUNCTION wait_at_barrier() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NULL; END $$`)
	b.db.exec(`CREATE CONSTRAINT TRIGGER commit_barrier AFTER INSERT ON pages DEFERRABLE INITIALLY DEFERRED
		FOR EACH ROW EXECUTE FUNCTION wait_at_barrier()`)
	return b
}

func (b *commitBarrier) block() { b.holder.exec("SELECT pg_advisory_lock(1)") }

func (b *commitBarrier) release() { b.holder.exec("SELECT pg_advisory_unlock(1)") }

// waiting reports whether a COMMIT of pawl's stands before the gate.
func (b *commitBarrier) hasWaitingCommit() bool {
	return b.db.count(`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
		AND application_name LIKE 'pawl/%' AND wait_event = 'advisory' AND query ILIKE 'commit%'`) == 1
}

// doubted reports whether pawl asks what became of a COMMIT that the server has not finished.
func (b *commitBarrier) isCommitQueried() bool {
	return b.db.count(`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
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

func crashBeforeCommit(rd *round, r *run, _ *rand.Rand) bool {
	unlock := rd.db.lockLedger(rd.databaseURL)
	if !rd.waitUntil(r, "a transaction is open", rd.hasOpenTransaction) {
		unlock()
		return false
	}
	return rd.crash(r)
}

func crashInCommit(rd *round, r *run, _ *rand.Rand) bool {
	if _, waiting := rd.waitAtBarrier(r); !waiting {
		rd.barrier.release()
		return false
	}
	return rd.crash(r)
}

// crash kills a server process of pawl's: PostgreSQL then ends all the others and recovers from its log.
func (rd *round) crash(r *run) bool {
	rd.t.Helper()
	seq := rd.db.seq()
	pid := rd.db.count(`SELECT max(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'pawl/%'`)
	r.locked = false
	rd.db.killServerProcess(pid)
	eventually(rd.t, "the server is down", func() bool { return rd.db.conn.Ping(rd.db.ctx) != nil })
	rd.reconnectAll()
	return rd.waitForPageAfter(r, seq)
}

// killServerProcess has the server do it, which may be in a container. Its own session does not survive that either.
func (d *database) killServerProcess(pid int) {
	_, _ = d.conn.Exec(d.ctx, fmt.Sprintf("COPY (SELECT 1) TO PROGRAM 'kill -9 %d'", pid))
}

// reconnect waits until the server takes connections again.
func (rd *round) reconnect() *database {
	rd.t.Helper()
	var conn *pgx.Conn
	eventually(rd.t, "the server has recovered", func() (is bool) {
		var err error
		conn, err = pgx.Connect(rd.db.ctx, rd.databaseURL)
		return err == nil
	})
	rd.t.Cleanup(func() { _ = conn.Close(rd.db.ctx) })
	return &database{rd.t, rd.db.ctx, conn}
}
