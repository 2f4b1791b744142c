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

// terminateFetching ends pawl's sessions on the server while pawl fetches.
func terminateFetching(rd *round, r *run, _ *rand.Rand) bool {
	return rd.disturbFetching(r, rd.db.terminatePawl)
}

// terminateBeforeCommit ends pawl's sessions on the server while a transaction has written its rows.
func terminateBeforeCommit(rd *round, r *run, _ *rand.Rand) bool {
	return rd.disturbBeforeCommit(r, rd.db.terminatePawl)
}

// cutFetching cuts the connections to the database while pawl fetches.
func cutFetching(rd *round, r *run, _ *rand.Rand) bool { return rd.disturbFetching(r, rd.dbProxy.cut) }

// cutBeforeCommit cuts the connections to the database while a transaction has written its rows.
func cutBeforeCommit(rd *round, r *run, _ *rand.Rand) bool {
	return rd.disturbBeforeCommit(r, rd.dbProxy.cut)
}

// disturbFetching calls disturb while a request is in flight. The run must go on.
func (rd *round) disturbFetching(r *run, disturb func()) bool {
	rd.t.Helper()
	if !rd.waitFetching(r, "500ms") {
		return false
	}
	seq := rd.db.seq() // read now: the page before must not count as progress
	r.locked = false
	disturb()
	hit := rd.isRequestInFlight() && rd.db.seq() == seq
	return rd.waitForPageAfter(r, seq) && hit
}

// disturbBeforeCommit calls disturb while a transaction has written its rows. The run must go on.
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

// cutAPI cuts the connection to the API before it answers. The run must try again.
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

// cutAnswers cuts the connection to the API within each answer until pawl has tried again.
func cutAnswers(rd *round, r *run, random *rand.Rand) bool {
	const maxBytes = 15_000 // bytes; a page has some 17,000
	seq, tried := rd.db.seq(), r.logCount(logRetry)
	rd.apiProxy.limitAnswers(random.IntN(maxBytes))
	hit := rd.waitUntil(r, "pawl tries again", func() bool { return r.logCount(logRetry) > tried })
	rd.apiProxy.reset()
	hit = rd.waitForPageAfter(r, seq+1) && hit // seq+1, since the page in flight was perhaps already complete
	*r.unstored += r.logCount(logRetry) - tried
	return hit
}

// waitAtBarrier waits until the run has sent a COMMIT that the barrier stops. seq is that of the page. The caller must
// release the barrier.
func (rd *round) waitAtBarrier(r *run) (seq int, waiting bool) {
	rd.t.Helper()
	rd.barrier.block()
	waiting = rd.waitUntil(r, "a COMMIT waits", rd.barrier.hasWaitingCommit)
	return rd.db.seq() + 1, waiting
}

// loseCommitAnswer waits until a page is committed, and drops the answer to its COMMIT. seq is that of the page. If lost is
// true, the caller must reset the proxy.
func (rd *round) loseCommitAnswer(r *run) (seq int, lost bool) {
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

// cutUnanswered cuts the connection after a COMMIT was executed and before its answer: pawl must find out that it
// happened.
func cutUnanswered(rd *round, r *run, _ *rand.Rand) bool {
	seq, lost := rd.loseCommitAnswer(r)
	if !lost {
		return false
	}
	hit := !r.hasStored(seq)
	r.locked = false
	rd.dbProxy.reset()
	return rd.waitUntil(r, "pawl knows of the COMMIT", func() bool { return r.hasStored(seq) }) && hit && rd.waitForPageAfter(r, seq)
}

// cutUndecided cuts the connection of a COMMIT that the server executes only after pawl has reconnected to look it up.
func cutUndecided(rd *round, r *run, _ *rand.Rand) bool {
	seq, waiting := rd.waitAtBarrier(r)
	asked := false
	if waiting {
		r.locked = false
		rd.dbProxy.stop()
		tried := r.logCount(logRetry)
		// After a lost connection, pgx asks the server to cancel the statement. After the first failed retry that has failed too.
		rd.waitUntil(r, "pawl has tried to reconnect", func() bool { return r.logCount(logRetry) > tried+1 })
		rd.dbProxy.restart()
		asked = rd.waitUntil(r, "pawl looks up the COMMIT", rd.barrier.isCommitQueried) && rd.db.seq() == seq-1
	}
	rd.barrier.release()
	return asked && rd.waitUntil(r, "pawl knows of the COMMIT", func() bool { return r.hasStored(seq) }) && rd.waitForPageAfter(r, seq)
}

// terminateInCommit ends pawl's session on the server within COMMIT. The COMMIT does not happen, and pawl must commit the
// page again.
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

// waitForPageAfter waits until the run has stored a page after the one with seq. It returns false if the run ends first.
func (rd *round) waitForPageAfter(r *run, seq int) bool {
	rd.t.Helper()
	return rd.waitUntil(r, "pawl goes on", func() bool { return rd.db.seq() > seq })
}

// A commitBarrier stops transactions inside COMMIT. While it blocks, a transaction that wrote to the ledger waits in the
// server after it has received COMMIT and before it has executed it.
type commitBarrier struct {
	db     *database // reads the server's activity
	holder *database // its session holds the lock that blocks
}

// newCommitBarrier adds a barrier to a database: a deferred constraint trigger, which waits for a lock at COMMIT.
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

// hasWaitingCommit reports whether a COMMIT of pawl waits at the barrier.
func (b *commitBarrier) hasWaitingCommit() bool {
	return b.db.count(`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
		AND application_name LIKE 'pawl/%' AND wait_event = 'advisory' AND query ILIKE 'commit%'`) == 1
}

// isCommitQueried reports whether pawl waits for the checkpoint's lock to look up a COMMIT that the server has not finished.
func (b *commitBarrier) isCommitQueried() bool {
	return b.db.count(`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
		AND application_name LIKE 'pawl/%' AND wait_event_type = 'Lock' AND query ILIKE '%FOR UPDATE%'`) == 1
}

// crashes returns the attacks that crash the whole server, so that it must recover.
func crashes() []attack {
	return []attack{
		{groupBackend, "server crash, before COMMIT", 1, crashBeforeCommit},
		{groupBackend, "server crash, in COMMIT", 1, crashInCommit},
	}
}

// cannotCrash returns the reason why crashes cannot be played on this server, "" if they can.
func cannotCrash(t *testing.T) (why string) {
	t.Helper()
	if os.Getenv("TEST_DATABASE_URL") != "" {
		return "others may use the server of TEST_DATABASE_URL"
	}
	if connect(t, pgtest.Empty(t)).count("SELECT count(*) FROM pg_roles WHERE rolname = current_user AND rolsuper") != 1 {
		return "the test's user is no superuser"
	}
	return ""
}

// crashBeforeCommit crashes the server while a transaction has written its rows.
func crashBeforeCommit(rd *round, r *run, _ *rand.Rand) bool {
	unlock := rd.db.lockLedger(rd.databaseURL)
	if !rd.waitUntil(r, "a transaction is open", rd.hasOpenTransaction) {
		unlock()
		return false
	}
	return rd.crash(r)
}

// crashInCommit crashes the server within COMMIT.
func crashInCommit(rd *round, r *run, _ *rand.Rand) bool {
	if _, waiting := rd.waitAtBarrier(r); !waiting {
		rd.barrier.release()
		return false
	}
	return rd.crash(r)
}

// crash kills the server process of one of pawl's sessions: PostgreSQL then ends all other processes and recovers from its
// log. The run must go on.
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

// killServerProcess lets the server kill one of its processes, since the server may be in a container. This ends d's
// session too.
func (d *database) killServerProcess(pid int) {
	_, _ = d.conn.Exec(d.ctx, fmt.Sprintf("COPY (SELECT 1) TO PROGRAM 'kill -9 %d'", pid))
}

// reconnect waits until the server accepts connections and returns a new one.
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
