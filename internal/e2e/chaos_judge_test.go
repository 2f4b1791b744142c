//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// judge checks the result of the round: the stored data against the truth (truth_test.go), and the requests and claims against the
// attacks that were made.
func (rd *round) judge() {
	rd.t.Helper()
	rd.judgeRows()
	rd.explainRequests()
	rd.follower.finish(rd.db)
	rd.judgeVerify()
	rd.judgeClaims()
	rd.judgeLeftovers()
	rd.report.rounds++
	rd.report.newPasses += rd.db.queryInt("SELECT pass - 1 FROM checkpoints") // each pass after the first
}

// judgeRows checks that no record is lost, doubled, altered or invented, that the ledger agrees with the stored data, and that
// the stream is done and at its end.
func (rd *round) judgeRows() {
	rd.t.Helper()
	rows := rd.db.compareRows()
	repeatedRequests := rd.db.queryInt("SELECT count(*) - count(DISTINCT request_id) FROM pages WHERE kind = 'page'")
	repeatedPositions := rd.db.queryInt(
		"SELECT count(*) - count(DISTINCT (pass, position)) FROM pages WHERE kind = 'page' AND received > 0")
	repeatedPages := repeatedRequests + repeatedPositions
	rd.report.lost += rows.lost
	rd.report.doubled += rows.doubled + repeatedPages
	deadLetters := rd.db.compareDeadLetters()
	rd.report.lost += deadLetters.lost
	rd.report.unexplained += rows.invented + rows.altered + deadLetters.invented + deadLetters.unseen
	if rows != (rowComparison{}) {
		rd.t.Errorf("rows: got differences from the truth %+v, want none", rows)
	}
	if deadLetters != (deadLetterComparison{}) {
		rd.t.Errorf("dead letters: got differences from the truth %+v, want none", deadLetters)
	}
	if repeatedPages > 0 {
		rd.t.Errorf("got %d pages that were stored twice in a pass, want 0", repeatedPages)
	}
	rd.db.checkLedger()
	rd.db.checkPasses()
	if rd.db.queryInt("SELECT count(*) FROM checkpoints WHERE done") != 1 {
		rd.t.Error("the stream is not done")
	}
	if offset := rd.db.offset(); offset != roundEvents {
		rd.t.Errorf("the stream: got offset %d, want %d", offset, roundEvents)
	}
}

// judgeVerify checks that `pawl verify` finds no difference that was not expected.
func (rd *round) judgeVerify() {
	rd.t.Helper()
	ctx, cancel := context.WithTimeout(rd.t.Context(), roundTimeout)
	defer cancel()
	p := start(rd.t, rd.env, "pawl", "verify")
	rd.processes = append(rd.processes, p)
	code := p.wait(ctx)
	if code != exitDone && !differsOnlyFromAnnounced(p, code) {
		rd.t.Errorf("pawl verify: exit %d: %s%s", code, p.stdout.String(), p.stderr.String())
	}
}

// differsOnlyFromAnnounced reports whether `pawl verify` found only one difference: fewer records are stored and parked than the
// API announced. This difference is expected, because the mock sends some records twice. judgeRows compares every row with the
// truth, without `pawl verify`.
func differsOnlyFromAnnounced(verify *process, code int) bool {
	return code == exitData && strings.Contains(verify.stderr.String(), "1 difference in 1 check: announced;")
}

// judgeClaims checks that the epoch is the number of claims. After a restored backup, it is the backup's epoch plus the number
// of claims since.
func (rd *round) judgeClaims() {
	rd.t.Helper()
	if epoch := rd.db.epoch(); epoch != rd.wantEpoch {
		rd.t.Errorf("got epoch %d, want %d, which is one for each claim", epoch, rd.wantEpoch)
	}
}

// judgeLeftovers checks that no session of pawl is left on the server, that no output shows a secret, and that the race
// detector found nothing.
func (rd *round) judgeLeftovers() {
	rd.t.Helper()
	eventually(rd.t, "pawl has no connection to the database any more", func() bool {
		return rd.db.queryInt(`SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND application_name LIKE 'pawl/%'`) == 0
	})
	for _, p := range rd.processes {
		for _, secret := range rd.secrets {
			if p.stderr.count(secret)+p.stdout.count(secret) > 0 {
				rd.t.Errorf("the output shows a secret: %s", strings.ReplaceAll(p.stderr.String(), secret, "[secret]"))
			}
		}
		if p.stderr.count("DATA RACE") > 0 {
			rd.t.Errorf("the race detector found a data race: %s", p.stderr.String())
		}
	}
}

// The causes that a request can have, as the report names them. A request without one of these causes is unexplained.
const (
	causeStored    = "for a stored page"
	causeReread    = "for a page that a later pass has read again"
	causeFault     = "answered with a fault"
	causeRemoved   = "for a page that a restored backup has removed"
	causeEnd       = "for the last page, once more"
	causeRateLimit = "refused by the rate limit"
	causeCursor    = "with a cursor that the API refused"
	causeAttack    = "lost because an attack ended its run or connection"
	causeDropped   = "fetched ahead and dropped"
)

// explainRequests finds one of the causes above for every request in the journal, and counts the causes. Each request without a
// cause fails the test.
func (rd *round) explainRequests() {
	rd.t.Helper()
	rateLimited := 0
	stored := rd.db.pagesByRequest()
	journal := rd.mock.journal(0)
	if n := rd.mock.summary().Dropped; n > 0 {
		rd.t.Errorf("requests that the mock's journal has dropped: got %d, want 0", n)
	}
	dropped := newDroppedPages(rd, journal, func(e entry) bool {
		_, isStored := stored[e.RequestID]
		return isStored || rd.removedPages[e.RequestID]
	})
	for i, e := range journal {
		isReread, isStored := stored[e.RequestID]
		delete(stored, e.RequestID) // at the end, stored has the pages that no request explains
		isFollowed := i+1 < len(journal)
		switch {
		case isStored && !e.IsPage:
			rd.addUnexplained("the answer was no valid page, but a page is stored: %+v", e)
		case isStored && isReread:
			rd.report.causes[causeReread]++
		case isStored:
			rd.report.causes[causeStored]++
		case rd.removedPages[e.RequestID] && !e.IsPage:
			rd.addUnexplained("the answer was no valid page, but a page was stored until a restore removed it: %+v", e)
		case rd.removedPages[e.RequestID]:
			rd.report.causes[causeRemoved]++
		case e.Fault != "":
			rd.report.causes[causeFault]++
		case e.IsLastPage && isFollowed && rd.isRepeated(e, journal[i+1]):
			// pawl requests the last page once more if fewer records are stored and parked than announced. This happens here,
			// because the mock sends some records twice.
			rd.report.causes[causeEnd]++
		case e.RateLimited:
			rd.report.causes[causeRateLimit]++
			rateLimited++
		case e.Status == http.StatusBadRequest:
			rd.report.causes[causeCursor]++
		case dropped.take(e):
			rd.report.causes[causeDropped]++
		case rd.takeUnstored(e.Number): // tried last, because each call uses up one of the lost pages
			rd.report.causes[causeAttack]++
		default:
			r := rd.runOf(e.Number)
			rd.addUnexplained("a requested page is not stored: %+v; attacks on its run: %q; the end of the run's log: …%s",
				e, r.attacks, r.logTail())
		}
		if e.Fault != "" {
			rd.report.faults[e.Fault]++
		}
	}
	// A run does not know the limit before its first answer, and a changed limit not before the next answer. So each run and
	// each change may cost one refused request.
	if maxRefused := len(rd.runs) + rd.rateLimits; rateLimited > maxRefused {
		rd.addUnexplained("requests that the rate limit refused: got %d, want at most %d", rateLimited, maxRefused)
	}
	for id := range stored {
		rd.addUnexplained("page %q is stored, but the API never sent it", id)
	}
	if n := rd.mock.summary().Followed; n > 0 {
		rd.t.Errorf("redirects that pawl followed: got %d, want 0", n)
	}
	rd.report.requests += len(journal)
	rd.report.idealRequests += roundEvents / rd.pageSize()
}

// takeUnstored subtracts one from the number of pages that the run of a request may have received and not stored. It returns
// false if this number was already 0. requestNumber is the request's number in the journal.
func (rd *round) takeUnstored(requestNumber int) bool {
	r := rd.runOf(requestNumber)
	*r.unstored--
	return *r.unstored >= 0
}

// isRepeated reports whether next repeats the request e in the same run.
func (rd *round) isRepeated(e, next entry) bool {
	return next.Cursor == e.Cursor && rd.runOf(next.Number) == rd.runOf(e.Number)
}

// runOf returns the run that sent the request with this number in the journal. If no run was started before the request, runOf
// returns a run that may lose no page.
func (rd *round) runOf(requestNumber int) *run {
	for _, r := range slices.Backward(rd.runs) {
		if r.lastNumberBefore < requestNumber {
			return r
		}
	}
	return &run{unstored: new(int)}
}

// addUnexplained counts a request or a page without a cause, and fails the test.
func (rd *round) addUnexplained(format string, args ...any) {
	rd.t.Helper()
	rd.report.unexplained++
	rd.t.Errorf("unexplained: %s", fmt.Sprintf(format, args...))
}

// pagesByRequest returns the stored pages by request id. The value isReread is true if an earlier pass had already read to the
// end of the page.
func (d *database) pagesByRequest() map[string]bool {
	d.t.Helper()
	rows, err := d.conn.Query(d.ctx, `SELECT p.request_id, EXISTS (SELECT FROM pages AS earlier
			WHERE earlier.pass < p.pass AND earlier.position >= p.position) AS is_reread
		FROM pages AS p WHERE p.kind = 'page'`)
	if err != nil {
		d.t.Fatal(err)
	}
	defer rows.Close()
	pages := map[string]bool{}
	for rows.Next() {
		var id string
		var isReread bool
		if err := rows.Scan(&id, &isReread); err != nil {
			d.t.Fatal(err)
		}
		pages[id] = isReread
	}
	if err := rows.Err(); err != nil {
		d.t.Fatal(err)
	}
	return pages
}

// A follower reads a stream's events as a downstream program would. It remembers the greatest page_id that it has read, and
// polls for events with a greater page_id, while runs are killed and dead letters are replayed.
type follower struct {
	url        string
	lastPageID int64
	counts     map[string]int // how often each event was read, by its id
	cancel     context.CancelFunc
	done       chan struct{} // closed when the follower has stopped
}

// follow starts a follower. It reads until stop or finish is called, at the latest when the test ends.
func follow(t *testing.T, databaseURL string) *follower {
	t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	f := &follower{url: databaseURL, counts: map[string]int{}, cancel: stop, done: make(chan struct{})}
	go func() {
		defer close(f.done)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil {
			f.poll(ctx, tick) // returns when its connection is lost, for example because the server has crashed
			waitForTick(ctx, tick)
		}
	}()
	t.Cleanup(f.stop)
	return f
}

// poll reads new events over one connection, until the connection is lost or ctx ends.
func (f *follower) poll(ctx context.Context, tick *time.Ticker) {
	conn, err := pgx.Connect(ctx, f.url)
	if err != nil {
		return
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // it was only read
	for ctx.Err() == nil && f.readNew(ctx, conn) == nil {
		waitForTick(ctx, tick)
	}
}

// waitForTick waits for the next tick, or until ctx ends.
func waitForTick(ctx context.Context, tick *time.Ticker) {
	select {
	case <-tick.C:
	case <-ctx.Done():
	}
}

// readNew reads and counts the events of the pages after lastPageID. If the connection is lost before the end of the answer,
// readNew counts no event, and the next call reads all of them again.
func (f *follower) readNew(ctx context.Context, conn *pgx.Conn) error {
	const query = "SELECT id::text, page_id FROM event_arrivals WHERE stream = $1 AND page_id > $2"
	rows, err := conn.Query(ctx, query, defaultStream, f.lastPageID)
	if err != nil {
		return err
	}
	var ids []string
	var id string
	var pageID int64
	lastPageID := f.lastPageID
	_, err = pgx.ForEachRow(rows, []any{&id, &pageID}, func() error {
		ids = append(ids, id)
		lastPageID = max(lastPageID, pageID)
		return nil
	})
	if err != nil {
		return err
	}
	f.lastPageID = lastPageID
	for _, id := range ids {
		f.counts[id]++
	}
	return nil
}

func (f *follower) stop() {
	f.cancel()
	<-f.done
}

// finish stops the follower, reads the remaining events and checks that each stored event was read exactly once.
func (f *follower) finish(d *database) {
	d.t.Helper()
	f.stop()
	if err := f.readNew(d.ctx, d.conn); err != nil {
		d.t.Fatal(err)
	}
	repeated := 0
	for _, n := range f.counts {
		if n > 1 {
			repeated++
		}
	}
	if events := d.queryInt("SELECT count(*) FROM events"); len(f.counts) != events {
		d.t.Errorf("events that the follower has read: got %d, want %d", len(f.counts), events)
	}
	if repeated > 0 {
		d.t.Errorf("events that the follower has read more than once: got %d, want 0", repeated)
	}
}
