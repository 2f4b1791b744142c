//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// judge compares everything that the round has left with the truth and with the attacks that were made.
func (rd *round) judge() {
	rd.t.Helper()
	rd.judgeRows()
	rd.explainRequests()
	rd.follower.finish(rd.db)
	rd.judgeVerify()
	rd.judgeClaims()
	rd.judgeLeftovers()
	rd.report.rounds++
	rd.report.passes += rd.db.count("SELECT pass - 1 FROM checkpoints")
}

// judgeRows checks that no record is lost, doubled, altered or invented, and that every page did what its ledger row says.
func (rd *round) judgeRows() {
	rd.t.Helper()
	c := rd.db.compare()
	twice := rd.db.count("SELECT count(*) - count(DISTINCT request_id) FROM pages WHERE kind = 'page'") +
		rd.db.count("SELECT count(*) - count(DISTINCT (pass, position)) FROM pages WHERE kind = 'page' AND received > 0")
	rd.report.lost += c.lost
	rd.report.doubled += c.doubled + twice
	deadLetters := rd.db.compareDeadLetters()
	rd.report.lost += deadLetters.lost
	rd.report.unexplained += c.invented + c.altered + deadLetters.invented + deadLetters.unseen
	if c != (comparison{}) || deadLetters != (deadLetterComparison{}) || twice > 0 {
		rd.t.Errorf("differences from the truth: rows %+v, dead letters %+v; %d pages were stored twice in a pass", c, deadLetters, twice)
	}
	rd.db.checkLedger()
	rd.db.checkPasses()
	if rd.db.count("SELECT count(*) FROM checkpoints WHERE done") != 1 || rd.db.position() != roundEvents {
		rd.t.Errorf("the stream is not done, or not at its end: offset %d, want %d", rd.db.position(), roundEvents)
	}
}

// judgeVerify checks that `pawl verify` finds no difference either.
func (rd *round) judgeVerify() {
	rd.t.Helper()
	ctx, cancel := context.WithTimeout(rd.t.Context(), roundTimeout)
	defer cancel()
	p := start(rd.t, rd.env, "pawl", "verify")
	rd.processes = append(rd.processes, p)
	if code := p.wait(ctx); code != 0 && !hasOnlyAnnounced(code, p) {
		rd.t.Errorf("pawl verify: exit %d: %s%s", code, p.stdout.String(), p.stderr.String())
	}
}

// hasOnlyAnnounced reports whether verify's only finding is that fewer records are stored and parked than announced. This is
// expected, since the mock sends some records twice. The test compares every row with the truth itself.
func hasOnlyAnnounced(code int, verify *process) bool {
	return code == 4 && strings.Contains(verify.stderr.String(), "1 difference in 1 check: announced;")
}

// judgeClaims checks that each run that claimed the stream added one epoch, and that nothing else did. After a restored
// backup, epochs count from the backup's.
func (rd *round) judgeClaims() {
	rd.t.Helper()
	if epoch := rd.db.epoch(); epoch != rd.claims {
		rd.t.Errorf("epoch: got %d, want %d, one for each claim", epoch, rd.claims)
	}
}

// judgeLeftovers checks that no session of pawl is left on the server, that no output shows a secret, and that the race
// detector found nothing.
func (rd *round) judgeLeftovers() {
	rd.t.Helper()
	eventually(rd.t, "no connection of pawl's is left", func() bool {
		return rd.db.count(`SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND application_name LIKE 'pawl/%'`) == 0
	})
	for _, p := range rd.processes {
		for _, secret := range rd.secrets {
			if p.stderr.count(secret)+p.stdout.count(secret) > 0 {
				rd.t.Errorf("the output shows a secret: %s", strings.ReplaceAll(p.stderr.String(), secret, "[secret]"))
			}
		}
		if p.stderr.count("DATA RACE") > 0 {
			rd.t.Errorf("data race: %s", p.stderr.String())
		}
	}
}

// The causes that a request can have. A request without one of them is unexplained.
const (
	forPage      = "for a stored page"
	forRereading = "for a page that a later pass read again"
	forFault     = "answered with a fault"
	forUndone    = "for a page that a restored backup removed"
	forEnd       = "for an end that was requested once more"
	forLimit     = "refused by the rate limit"
	forCursor    = "with a cursor that the API refused"
	forNothing   = "lost with a run or a connection"
)

// explainRequests finds the cause of every request: the page that is stored with its id, the fault or refusal in the
// journal, or an attack that ended its run or its connection while the page was not stored yet.
func (rd *round) explainRequests() {
	rd.t.Helper()
	rateLimited := 0
	stored := rd.db.pagesByRequest()
	journal := rd.mock.journal(0)
	if n := rd.mock.summary().Dropped; n > 0 {
		rd.t.Errorf("the mock's journal has dropped %d requests", n)
	}
	for i, e := range journal {
		again, isStored := stored[e.RequestID]
		delete(stored, e.RequestID)
		switch {
		case isStored && !e.Sound:
			rd.addUnexplained("a page is stored, but the answer was not a valid page: %+v", e)
		case isStored && again:
			rd.report.causes[forRereading]++
		case isStored:
			rd.report.causes[forPage]++
		case rd.undone[e.RequestID] && !e.Sound:
			rd.addUnexplained("a page was stored until a restored backup removed it, but the answer was not a valid page: %+v", e)
		case rd.undone[e.RequestID]:
			rd.report.causes[forUndone]++
		case e.Fault != "":
			rd.report.causes[forFault]++
		case e.Last && i+1 < len(journal) && journal[i+1].Cursor == e.Cursor && rd.runOf(e.Seq) == rd.runOf(journal[i+1].Seq):
			rd.report.causes[forEnd]++ // fewer may be stored than announced, since some records come twice
		case e.RateLimited:
			rd.report.causes[forLimit]++
			rateLimited++
		case e.Status == 400:
			rd.report.causes[forCursor]++
		case rd.takeUnstored(e.Seq):
			rd.report.causes[forNothing]++
		default:
			r := rd.runOf(e.Seq)
			rd.addUnexplained("a page was requested and not stored: %+v; attacks on its run: %q; its log: …%s", e, r.attacks, r.tail())
		}
		if e.Fault != "" {
			rd.report.faults[e.Fault]++
		}
	}
	// A run learns the limit from its first answer, and a limit that is set later from the next answer.
	if rateLimited > len(rd.runs)+rd.rateLimits {
		rd.addUnexplained("the rate limit refused %d requests of %d runs", rateLimited, len(rd.runs))
	}
	for id := range stored {
		rd.addUnexplained("page %q is stored, but the API never sent it", id)
	}
	if n := rd.mock.summary().Followed; n > 0 {
		rd.t.Errorf("pawl followed %d redirects, want 0", n)
	}
	rd.report.requests += len(journal)
	rd.report.idealRequests += (roundEvents + roundPageSize - 1) / roundPageSize
}

// takeUnstored subtracts one from the pages that the request's run may have received and not stored. It returns false if
// there are none left.
func (rd *round) takeUnstored(seq int) bool {
	r := rd.runOf(seq)
	*r.unstored--
	return *r.unstored >= 0
}

// runOf returns the run that sent the request with this number in the journal.
func (rd *round) runOf(seq int) *run {
	for _, r := range slices.Backward(rd.runs) {
		if r.after < seq {
			return r
		}
	}
	return &run{unstored: new(int)}
}

// addUnexplained counts something that has no cause, and fails the test.
func (rd *round) addUnexplained(format string, args ...any) {
	rd.t.Helper()
	rd.report.unexplained++
	rd.t.Errorf("unexplained: %s", fmt.Sprintf(format, args...))
}

// pagesByRequest returns the stored pages by request id. The value reports whether an earlier pass had reached the page's
// position.
func (d *database) pagesByRequest() map[string]bool {
	d.t.Helper()
	rows, err := d.conn.Query(d.ctx, `SELECT request_id, EXISTS (SELECT FROM pages AS b WHERE b.pass < p.pass AND b.position >= p.position)
		FROM pages AS p WHERE p.kind = 'page'`)
	if err != nil {
		d.t.Fatal(err)
	}
	defer rows.Close()
	pages := map[string]bool{}
	for rows.Next() {
		var id string
		var again bool
		if err := rows.Scan(&id, &again); err != nil {
			d.t.Fatal(err)
		}
		pages[id] = again
	}
	if err := rows.Err(); err != nil {
		d.t.Fatal(err)
	}
	return pages
}

// A follower reads a stream's events as a downstream program would. It remembers the last page_id that it has read, and
// polls for events with a greater one, while runs are killed and dead letters are replayed.
type follower struct {
	url    string
	last   int64
	counts map[string]int // how often each event was read, by its id
	cancel context.CancelFunc
	done   chan struct{}
}

// follow starts a follower. It reads until the test ends or finish is called.
func follow(t *testing.T, databaseURL string) *follower {
	t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	f := &follower{url: databaseURL, counts: map[string]int{}, cancel: stop, done: make(chan struct{})}
	go func() {
		defer close(f.done)
		for ctx.Err() == nil {
			f.poll(ctx) // returns when its connection is lost, for example in a server crash
		}
	}()
	t.Cleanup(f.stop)
	return f
}

// poll reads new events over one connection, until the connection is lost or ctx ends.
func (f *follower) poll(ctx context.Context) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	conn, err := pgx.Connect(ctx, f.url)
	if err == nil {
		defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // it was only read
	}
	for err == nil {
		err = f.readNew(ctx, conn)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
	select {
	case <-tick.C:
	case <-ctx.Done():
	}
}

// readNew reads the events of the pages after the last one. If the answer breaks off, it counts none of them.
func (f *follower) readNew(ctx context.Context, conn *pgx.Conn) error {
	rows, err := conn.Query(ctx, `SELECT id::text, page_id FROM event_arrivals WHERE stream = 'datasync' AND page_id > $1`, f.last)
	if err != nil {
		return err
	}
	var ids []string
	var id string
	var page int64
	last := f.last
	_, err = pgx.ForEachRow(rows, []any{&id, &page}, func() error {
		ids, last = append(ids, id), max(last, page)
		return nil
	})
	if err != nil {
		return err
	}
	f.last = last
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
	if events := d.count("SELECT count(*) FROM events"); len(f.counts) != events || repeated > 0 {
		d.t.Errorf("the follower of page_id read %d of %d events, %d of them more than once", len(f.counts), events, repeated)
	}
}
