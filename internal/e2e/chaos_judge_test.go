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

// judge holds everything that a lap has left against the truth and against what was done to it.
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

// judgeRows: nothing lost, nothing twice, nothing invented, and every page did what it says.
func (rd *round) judgeRows() {
	rd.t.Helper()
	c := rd.db.compare()
	twice := rd.db.count("SELECT count(*) - count(DISTINCT request_id) FROM pages WHERE kind = 'page'") +
		rd.db.count("SELECT count(*) - count(DISTINCT (pass, position)) FROM pages WHERE kind = 'page' AND received > 0")
	rd.report.lost += c.lost
	rd.report.doubled += c.doubled + twice
	letters := rd.db.compareDeadLetters()
	rd.report.lost += letters.lost
	rd.report.unexplained += c.invented + c.altered + letters.invented + letters.unseen
	if c != (comparison{}) || letters != (deadLetterComparison{}) || twice > 0 {
		rd.t.Errorf("against the truth the rows are %+v, the dead letters %+v; %d pages were stored twice in a pass", c, letters, twice)
	}
	rd.db.checkLedger()
	rd.db.checkPasses()
	if rd.db.count("SELECT count(*) FROM checkpoints WHERE done") != 1 || rd.db.position() != roundEvents {
		rd.t.Errorf("the stream is not done, or not at its end: position %d", rd.db.position())
	}
}

// judgeByVerify: pawl proves the same by itself.
func (rd *round) judgeVerify() {
	rd.t.Helper()
	ctx, cancel := context.WithTimeout(rd.t.Context(), roundTimeout)
	defer cancel()
	p := start(rd.t, rd.env, "pawl", "verify")
	rd.processes = append(rd.processes, p)
	if code := p.wait(ctx); code != 0 && !hasOnlyAnnounced(code, p) {
		rd.t.Errorf("pawl verify ends %d: %s%s", code, p.stdout.String(), p.stderr.String())
	}
}

// isOnlyAnnounced reports whether verify found nothing but fewer records stored and parked than announced: some records of
// these APIs come twice, and the test holds every row against the truth by itself.
func hasOnlyAnnounced(code int, verify *process) bool {
	return code == 4 && strings.Contains(verify.stderr.String(), "1 difference in 1 check: announced;")
}

// judgeClaims: an epoch for each run that had the stream, and for nobody else. A restored backup takes its own back.
func (rd *round) judgeClaims() {
	rd.t.Helper()
	if epoch := rd.db.epoch(); epoch != rd.claims {
		rd.t.Errorf("epoch %d after %d runs that claimed the stream", epoch, rd.claims)
	}
}

// judgeLeftovers: no connection of a run's stays on the server, and no secret in what was said.
func (rd *round) judgeLeftovers() {
	rd.t.Helper()
	eventually(rd.t, "no connection of pawl's is left", func() bool {
		return rd.db.count(`SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND application_name LIKE 'pawl/%'`) == 0
	})
	for _, p := range rd.processes {
		for _, secret := range rd.secrets {
			if p.stderr.count(secret)+p.stdout.count(secret) > 0 {
				rd.t.Errorf("it shows a secret: %s", strings.ReplaceAll(p.stderr.String(), secret, "[secret]"))
			}
		}
		if p.stderr.count("DATA RACE") > 0 {
			rd.t.Errorf("a data race: %s", p.stderr.String())
		}
	}
}

// What a request may have been for. Everything else is unexplained.
const (
	forPage      = "for a page stored"
	forRereading = "for a page stored again by a later pass"
	forFault     = "struck by a fault"
	forUndone    = "for a page that a restored backup took away"
	forEnd       = "for an end that was asked for once more"
	forLimit     = "refused by the rate limit"
	forCursor    = "with a cursor that was given up"
	forNothing   = "lost with a run or a connection"
)

// explainRequests gives every request its cause: by its id the page that is stored, by the journal what the API did to
// it, and else that its run was ended, or its connection, with that page in hand.
func (rd *round) explainRequests() {
	rd.t.Helper()
	rateLimited := 0
	stored := rd.db.pagesByRequest()
	journal := rd.mock.journal(0)
	if n := rd.mock.summary().Dropped; n > 0 {
		rd.t.Errorf("the journal has dropped %d requests", n)
	}
	for i, e := range journal {
		again, isStored := stored[e.RequestID]
		delete(stored, e.RequestID)
		switch {
		case isStored && !e.Sound:
			rd.addUnexplained("a page is stored that was none: %+v", e)
		case isStored && again:
			rd.report.causes[forRereading]++
		case isStored:
			rd.report.causes[forPage]++
		case rd.undone[e.RequestID] && !e.Sound:
			rd.addUnexplained("a page was stored that was none, and taken away by a restored backup: %+v", e)
		case rd.undone[e.RequestID]:
			rd.report.causes[forUndone]++
		case e.Fault != "":
			rd.report.causes[forFault]++
		case e.Last && i+1 < len(journal) && journal[i+1].Cursor == e.Cursor && rd.runOf(e.Seq) == rd.runOf(journal[i+1].Seq):
			rd.report.causes[forEnd]++ // a record that comes twice counts once: the store may have fewer than were announced
		case e.RateLimited:
			rd.report.causes[forLimit]++
			rateLimited++
		case e.Status == 400:
			rd.report.causes[forCursor]++
		case rd.takeUnstored(e.Seq):
			rd.report.causes[forNothing]++
		default:
			r := rd.runOf(e.Seq)
			rd.addUnexplained("a page was asked for and not stored: %+v; its run suffered only %q and said: …%s", e, r.attacks, r.tail())
		}
		if e.Fault != "" {
			rd.report.faults[e.Fault]++
		}
	}
	// A run is told of a limit by its first answer, and of one that is set later by the next.
	if rateLimited > len(rd.runs)+rd.rateLimits {
		rd.addUnexplained("%d requests were refused by the rate limit of %d runs", rateLimited, len(rd.runs))
	}
	for id := range stored {
		rd.addUnexplained("page %q is stored, and was never handed out", id)
	}
	if n := rd.mock.summary().Followed; n > 0 {
		rd.t.Errorf("%d redirects were followed", n)
	}
	rd.report.requests += len(journal)
	rd.report.idealRequests += (roundEvents + roundPageSize - 1) / roundPageSize
}

// lostInHand takes one from the pages that the run of a request may have lost.
func (rd *round) takeUnstored(seq int) bool {
	r := rd.runOf(seq)
	*r.unstored--
	return *r.unstored >= 0
}

// runOf is the run that sent a request.
func (rd *round) runOf(seq int) *run {
	for _, r := range slices.Backward(rd.runs) {
		if r.after < seq {
			return r
		}
	}
	return &run{unstored: new(int)}
}

func (rd *round) addUnexplained(format string, args ...any) {
	rd.t.Helper()
	rd.report.unexplained++
	rd.t.Errorf("unexplained: %s", fmt.Sprintf(format, args...))
}

// pagesByRequest says of every page stored, by the request that brought it, whether a pass before had come as far.
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

// A follower reads a stream's events as somebody downstream would: it remembers the last page_id it has read, and asks for
// what came behind it, again and again, while runs are killed and letters replayed.
type follower struct {
	url    string
	last   int64
	counts map[string]int // by event id, how often
	cancel context.CancelFunc
	done   chan struct{}
}

// follow begins to read, until the test ends or finish is called.
func follow(t *testing.T, databaseURL string) *follower {
	t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	f := &follower{url: databaseURL, counts: map[string]int{}, cancel: stop, done: make(chan struct{})}
	go func() {
		defer close(f.done)
		for ctx.Err() == nil {
			f.poll(ctx) // until its connection is lost: the server is crashed now and then
		}
	}()
	t.Cleanup(f.stop)
	return f
}

// readOn asks again and again over one connection.
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

// read takes what came behind the last page. An answer that breaks off is not taken at all.
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

// finish reads to the end and fails the test unless each event that is stored was met, and met once.
func (f *follower) finish(d *database) {
	d.t.Helper()
	f.stop()
	if err := f.readNew(d.ctx, d.conn); err != nil {
		d.t.Fatal(err)
	}
	again := 0
	for _, n := range f.counts {
		if n > 1 {
			again++
		}
	}
	if events := d.count("SELECT count(*) FROM events"); len(f.counts) != events || again > 0 {
		d.t.Errorf("who follows page_id met %d of %d events, %d of them more than once", len(f.counts), events, again)
	}
}
