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

// The attacks of this file return whether they have hit, see attack.

// terminateFetching ends pawl's sessions on the server while pawl fetches.
func terminateFetching(rd *round, r *run, _ *rand.Rand) bool {
	return rd.disturbFetching(r, rd.db.terminatePawl)
}

// terminateBeforeCommit ends pawl's sessions on the server while a transaction has written its rows and is not committed.
func terminateBeforeCommit(rd *round, r *run, _ *rand.Rand) bool {
	return rd.disturbBeforeCommit(r, rd.db.terminatePawl)
}

// cutFetching cuts the connections to the database while pawl fetches.
func cutFetching(rd *round, r *run, _ *rand.Rand) bool { return rd.disturbFetching(r, rd.dbProxy.cut) }

// cutBeforeCommit cuts the connections to the database while a transaction has written its rows and is not committed.
func cutBeforeCommit(rd *round, r *run, _ *rand.Rand) bool {
	return rd.disturbBeforeCommit(r, rd.dbProxy.cut)
}

// disturbFetching calls disturb while a request is in flight. It returns true if the request is still in flight afterwards,
// and if the run then stores another page.
func (rd *round) disturbFetching(r *run, disturb func()) bool {
	rd.t.Helper()
	if !rd.waitUntilFetching(r, slowAnswer) {
		return false
	}
	seq := rd.db.seq() // read only now, since the page before this request must not count as progress
	r.holdsLock = false
	disturb()
	isStillFetching := rd.isRequestInFlight() && rd.db.seq() == seq
	hasGoneOn := rd.waitForPageAfter(r, seq)
	return isStillFetching && hasGoneOn
}

// disturbBeforeCommit calls disturb while a transaction has written its rows and is not committed. It returns true if the
// run then stores another page.
func (rd *round) disturbBeforeCommit(r *run, disturb func()) bool {
	rd.t.Helper()
	unlock := rd.db.lockLedger(rd.databaseURL)
	if !rd.waitUntil(r, "a transaction is open", rd.hasOpenTransaction) {
		unlock()
		return false
	}
	seq := rd.db.seq()
	r.holdsLock = false
	disturb()
	unlock()
	return rd.waitForPageAfter(r, seq)
}

// cutAPI cuts the connection to the API before the API answers. The run must send the request again.
func cutAPI(rd *round, r *run, _ *rand.Rand) bool {
	if !rd.waitUntilFetching(r, verySlowAnswer) {
		return false
	}
	seq, retriesBefore := rd.db.seq(), r.logCount(logRetry)
	r.allowUnstored(1) // the page of the request in flight
	rd.apiProxy.cut()
	rd.mock.play(rd.usual)
	return rd.waitForPageAfter(r, seq) && r.logCount(logRetry) > retriesBefore
}

// cutAnswers cuts the connection to the API within each answer until pawl has tried again.
func cutAnswers(rd *round, r *run, random *rand.Rand) bool {
	const maxBytes = 15_000 // less than the size of a page, which is about 17,000 bytes
	seq, retriesBefore := rd.db.seq(), r.logCount(logRetry)
	rd.apiProxy.limitAnswers(random.IntN(maxBytes))
	hasRetried := rd.waitUntil(r, "pawl tries again", func() bool { return r.logCount(logRetry) > retriesBefore })
	rd.apiProxy.removeFaults()
	// The page in flight may have been complete before the cut. So only the page after it proves that the run goes on.
	hasGoneOn := rd.waitForPageAfter(r, seq+1)
	r.allowUnstored(r.logCount(logRetry) - retriesBefore) // each retry is for one cut answer
	return hasRetried && hasGoneOn
}

// waitAtBarrier waits until the run has sent a COMMIT, which the commitBarrier stops. It returns the seq of the COMMIT's page.
// waiting is false if the run has ended instead. The barrier blocks until the caller releases it, in both cases.
func (rd *round) waitAtBarrier(r *run) (seq int, waiting bool) {
	rd.t.Helper()
	rd.barrier.block()
	waiting = rd.waitUntil(r, "a COMMIT waits", rd.barrier.hasWaitingCommit)
	return rd.db.seq() + 1, waiting
}

// loseCommitAnswer waits until a page is committed, and drops the answer to its COMMIT. It returns the page's seq. lost is
// false if the run has ended instead. If lost is true, the proxy drops answers until the caller removes the proxy's faults.
func (rd *round) loseCommitAnswer(r *run) (seq int, lost bool) {
	rd.t.Helper()
	seq, waiting := rd.waitAtBarrier(r)
	if !waiting {
		rd.barrier.release()
		return seq, false
	}
	rd.dbProxy.dropAnswers()
	rd.barrier.release()
	eventually(rd.t, "the page is committed", func() bool { return rd.db.seq() >= seq })
	return seq, true
}

// cutUnanswered cuts the connection after the server has executed a COMMIT and before pawl receives the answer. pawl must
// find out that the page is committed.
func cutUnanswered(rd *round, r *run, _ *rand.Rand) bool {
	seq, lost := rd.loseCommitAnswer(r)
	if !lost {
		return false
	}
	wasUnanswered := !r.hasLoggedPage(seq)
	r.holdsLock = false
	rd.dbProxy.removeFaults() // cuts the connection, because the proxy has dropped data
	return rd.waitUntilStored(r, seq) && wasUnanswered && rd.waitForPageAfter(r, seq)
}

// waitUntilStored waits until the run has logged that the page with this seq is stored. It returns false if the run ends first.
func (rd *round) waitUntilStored(r *run, seq int) bool {
	rd.t.Helper()
	return rd.waitUntil(r, "pawl knows that the page is committed", func() bool { return r.hasLoggedPage(seq) })
}

// cutUndecided cuts the connection of a COMMIT that waits at the barrier. The server executes the COMMIT only after pawl has
// reconnected and has begun to look up whether its page is committed.
func cutUndecided(rd *round, r *run, _ *rand.Rand) bool {
	seq, waiting := rd.waitAtBarrier(r)
	if !waiting {
		rd.barrier.release()
		return false
	}
	r.holdsLock = false
	rd.dbProxy.stop()
	retriesBefore := r.logCount(logRetry)
	// After a lost connection, pgx asks the server to cancel the statement. If the proxy were restarted too early, this request
	// would cancel the COMMIT. After the second logged retry, pgx has stopped asking.
	rd.waitUntil(r, "pawl has tried to reconnect", func() bool { return r.logCount(logRetry) >= retriesBefore+2 })
	rd.dbProxy.restart()
	isLookingUp := rd.waitUntil(r, "pawl looks up the COMMIT", rd.barrier.isCommitQueried)
	isUndecided := isLookingUp && rd.db.seq() == seq-1
	rd.barrier.release()
	return isUndecided && rd.waitUntilStored(r, seq) && rd.waitForPageAfter(r, seq)
}

// terminateInCommit ends pawl's session on the server while COMMIT waits at the barrier. The page is not committed, and pawl
// must commit it again.
func terminateInCommit(rd *round, r *run, _ *rand.Rand) bool {
	seq, waiting := rd.waitAtBarrier(r)
	if !waiting {
		rd.barrier.release()
		return false
	}
	r.holdsLock = false
	rd.db.terminatePawl()
	isUncommitted := rd.db.seq() == seq-1
	rd.barrier.release()
	return isUncommitted && rd.waitForPageAfter(r, seq-1)
}

// waitForPageAfter waits until the run has stored a page with a greater seq. It returns false if the run ends first.
func (rd *round) waitForPageAfter(r *run, seq int) bool {
	rd.t.Helper()
	return rd.waitUntil(r, "pawl goes on", func() bool { return rd.db.seq() > seq })
}

// A commitBarrier stops transactions inside COMMIT. While the barrier blocks, a transaction that has written to the ledger
// waits: the server has received its COMMIT and has not executed it yet.
type commitBarrier struct {
	db     *database // reads the server's activity
	holder *database // the session that holds the lock while the barrier blocks
}

// newCommitBarrier adds a barrier to a database. The barrier is a deferred constraint trigger on the ledger: PostgreSQL runs
// it inside COMMIT, and it waits there for an advisory lock.
func newCommitBarrier(t *testing.T, databaseURL string) *commitBarrier {
	t.Helper()
	b := &commitBarrier{db: connect(t, databaseURL), holder: connect(t, databaseURL)}
	b.db.exec(`CREATE FUNCTION wait_at_barrier() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN PERFORM pg_advisory_xact_lock_shared(` + barrierLock + `); RETURN NULL; END $$`)
	b.db.exec(`CREATE CONSTRAINT TRIGGER commit_barrier AFTER INSERT ON pages DEFERRABLE INITIALLY DEFERRED
		FOR EACH ROW EXECUTE FUNCTION wait_at_barrier()`)
	return b
}

// barrierLock is the key of the advisory lock that the trigger waits for.
const barrierLock = "1"

func (b *commitBarrier) block() { b.holder.exec("SELECT pg_advisory_lock(" + barrierLock + ")") }

func (b *commitBarrier) release() { b.holder.exec("SELECT pg_advisory_unlock(" + barrierLock + ")") }

// hasWaitingCommit reports whether a COMMIT of pawl waits at the barrier.
func (b *commitBarrier) hasWaitingCommit() bool {
	return b.db.queryInt(`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
		AND application_name LIKE 'pawl/%' AND wait_event = 'advisory' AND query ILIKE 'commit%'`) == 1
}

// isCommitQueried reports whether pawl has begun to look up whether its page is committed. Then pawl waits for the lock of the
// checkpoint's row, which the unfinished COMMIT holds.
func (b *commitBarrier) isCommitQueried() bool {
	return b.db.queryInt(`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
		AND application_name LIKE 'pawl/%' AND wait_event_type = 'Lock' AND query ILIKE '%FOR UPDATE%'`) == 1
}

// crashes returns the attacks that crash the whole PostgreSQL server.
func crashes() []attack {
	return []attack{
		{group: groupBackend, name: "server crash, before COMMIT", times: 1, strike: crashBeforeCommit},
		{group: groupBackend, name: "server crash, in COMMIT", times: 1, strike: crashInCommit},
	}
}

// reasonNotToCrash returns the reason why TestChaos must not or cannot crash the server. It returns "" if there is no reason.
func reasonNotToCrash(t *testing.T) string {
	t.Helper()
	if os.Getenv("TEST_DATABASE_URL") != "" {
		return "others may use the server of TEST_DATABASE_URL"
	}
	db := connect(t, pgtest.Empty(t))
	if db.queryInt("SELECT count(*) FROM pg_roles WHERE rolname = current_user AND rolsuper") != 1 {
		return "the test's user is no superuser"
	}
	return ""
}

// crashBeforeCommit crashes the server while a transaction has written its rows and is not committed.
func crashBeforeCommit(rd *round, r *run, _ *rand.Rand) bool {
	unlock := rd.db.lockLedger(rd.databaseURL)
	if !rd.waitUntil(r, "a transaction is open", rd.hasOpenTransaction) {
		unlock()
		return false
	}
	return rd.crash(r)
}

// crashInCommit crashes the server while a COMMIT waits at the barrier.
func crashInCommit(rd *round, r *run, _ *rand.Rand) bool {
	if _, waiting := rd.waitAtBarrier(r); !waiting {
		rd.barrier.release()
		return false
	}
	return rd.crash(r)
}

// crash kills the server process of one of pawl's sessions. PostgreSQL then ends all its other processes and recovers from its
// write-ahead log. crash returns true if the run then stores another page.
func (rd *round) crash(r *run) bool {
	rd.t.Helper()
	seq := rd.db.seq()
	pid := rd.db.queryInt(`SELECT max(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'pawl/%'`)
	r.holdsLock = false
	rd.db.killServerProcess(pid)
	eventually(rd.t, "the server is down", func() bool { return rd.db.conn.Ping(rd.db.ctx) != nil })
	rd.reconnectAll()
	return rd.waitForPageAfter(r, seq)
}

// killServerProcess kills one of the server's processes. The server itself runs the kill command, because the server may be in
// a container. The kill ends d's session too, so the statement always fails.
func (d *database) killServerProcess(pid int) {
	_, _ = d.conn.Exec(d.ctx, fmt.Sprintf("COPY (SELECT 1) TO PROGRAM 'kill -9 %d'", pid))
}

// reconnect waits until the server accepts connections, and returns a new connection to the round's database.
func (rd *round) reconnect() *database {
	rd.t.Helper()
	var conn *pgx.Conn
	eventually(rd.t, "the server has recovered", func() bool {
		var err error
		conn, err = pgx.Connect(rd.db.ctx, rd.databaseURL)
		return err == nil
	})
	rd.t.Cleanup(func() { _ = conn.Close(rd.db.ctx) })
	return &database{rd.t, rd.db.ctx, conn}
}
