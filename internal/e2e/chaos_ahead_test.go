//go:build e2e

package e2e

import (
	"context"
	"os/exec"
	"strconv"
	"testing"
)

// The runs of a round with an odd seed fetch as many pages ahead as pawl allows. The runs of the other rounds fetch no page ahead, so that
// each request can be explained exactly.
const (
	widestBufferBytes = 64 << 20 // so many bytes that only maxPagesAhead limits the pages that wait
	noBufferBytes     = 0
)

// fetchesAhead reports whether the runs of the round fetch pages ahead.
func (rd *round) fetchesAhead() bool { return rd.seed%2 == 1 }

// pageSize returns the page size of the round's runs. A run that fetches pages ahead stores more pages from one attack to the next, so its
// pages are smaller. Otherwise the stream would end before all attacks have been made.
func (rd *round) pageSize() int {
	if rd.fetchesAhead() {
		return roundPageSize / 2
	}
	return roundPageSize
}

// maxBufferBytes returns the value of --max-buffer-bytes for the runs of the round.
func (rd *round) maxBufferBytes() string {
	if rd.fetchesAhead() {
		return strconv.Itoa(widestBufferBytes)
	}
	return strconv.Itoa(noBufferBytes)
}

// fetchedOffset returns the offset that the stream has reached: that of the checkpoint, or that of the API's last valid page if it is
// greater.
func (rd *round) fetchedOffset() int {
	rd.t.Helper()
	offset := rd.db.offset()
	const maxEntries = 20
	for _, e := range rd.mock.journal(max(0, rd.mock.summary().LastNumber-maxEntries)) {
		if e.IsPage {
			offset = max(offset, e.From+e.Returned)
		}
	}
	return offset
}

// The limits of pawl for the pages that are requested and not stored. They are documented in docs/adr/0011-pages-are-fetched-ahead.md.
const (
	maxPagesAhead = 64 // pages that wait to be stored, with the one that is being fetched
	maxBatchPages = 8  // pages that are being stored
)

// A droppedPages explains the requests of a round whose pages were fetched ahead and not stored because their run ended.
type droppedPages struct {
	rd         *round
	lastStored map[*run]int // the number of the run's last request whose page was stored
	counts     map[*int]int // the number of dropped pages, by the field unstored of their run, which overlapping runs share
}

// newDroppedPages returns a droppedPages for the requests in the journal. isStored reports whether the page of a request is or was stored.
func newDroppedPages(rd *round, journal []entry, isStored func(entry) bool) *droppedPages {
	d := &droppedPages{rd: rd, lastStored: map[*run]int{}, counts: map[*int]int{}}
	for _, e := range journal {
		if isStored(e) {
			d.lastStored[rd.runOf(e.Number)] = e.Number
		}
	}
	return d
}

// take reports whether the page of a request was fetched ahead and dropped, and counts it. Such a page has these properties:
//   - Its run fetches pages ahead and has ended early, see [run.mayDropPages].
//   - No later page of its run is stored (invariant I6, see package domain). If two runs have sent requests at the same time, the journal
//     does not show which run sent a request. Then this is not checked.
//   - Its run has dropped no more pages than pawl may have in hand.
func (d *droppedPages) take(e entry) bool {
	if !d.rd.fetchesAhead() || (e.Delivered && !e.IsPage) {
		return false
	}
	r := d.rd.runOf(e.Number)
	overlapping, ended := d.countRuns(r)
	isLate := overlapping > 1 || e.Number > d.lastStored[r]
	maxDropped := ended * (maxPagesAhead + maxBatchPages)
	if !isLate || d.counts[r.unstored] >= maxDropped {
		return false
	}
	d.counts[r.unstored]++
	return true
}

// countRuns counts the runs that share the field unstored with r, and those of them that may drop pages.
func (d *droppedPages) countRuns(r *run) (overlapping, ended int) {
	for _, other := range d.rd.runs {
		if other.unstored != r.unstored {
			continue
		}
		overlapping++
		if other.mayDropPages() {
			ended++
		}
	}
	return overlapping, ended
}

// mayDropPages reports whether the run has ended without storing the pages that it had fetched: it was killed, it found too many rejects,
// another run has claimed the stream, or the database was set back. A run that ends for any other reason must store all its pages first.
func (r *run) mayDropPages() bool {
	if r.isRunning() {
		return false
	}
	switch r.cmd.ProcessState.ExitCode() {
	case exitKilled, exitData, exitFenced:
		return true
	case exitRetryLater:
		return r.stderr.count(logSetBack) > 0
	}
	return false
}

const (
	exitKilled = -1 // what os.ProcessState reports for a process that a signal has ended
	logSetBack = "set back"
)

// TestDroppedPages checks which requests count as fetched ahead and dropped. All requests of a case come from one run, which is a shell
// that ends in the same way.
func TestDroppedPages(t *testing.T) {
	t.Parallel()
	const oddSeed, evenSeed = 1, 2
	const killed, endsItself = "kill -9 $$", "exit 0"
	tests := []struct {
		name     string
		seed     uint64
		end      string // the shell command that ends the run
		requests int    // each is answered with a page
		stored   int    // the number of the request whose page is stored; 0: none
		want     int    // the number of requests that count as dropped
	}{
		{name: "a killed run", seed: oddSeed, end: killed, requests: 3, stored: 1, want: 2},
		{name: "a run with too many rejects", seed: oddSeed, end: "exit 4", requests: 3, stored: 1, want: 2},
		{name: "a run that another one replaced", seed: oddSeed, end: "exit 5", requests: 3, stored: 1, want: 2},
		{name: "a database that was set back", seed: oddSeed, end: "echo set back >&2; exit 3", requests: 3, stored: 1, want: 2},
		{name: "a run that gave up", seed: oddSeed, end: "exit 3", requests: 3, stored: 1, want: 0},
		{name: "a run that reached the end", seed: oddSeed, end: endsItself, requests: 3, stored: 1, want: 0},
		{name: "a later page is stored", seed: oddSeed, end: killed, requests: 3, stored: 3, want: 0},
		{name: "a page between them is stored", seed: oddSeed, end: killed, requests: 3, stored: 2, want: 1},
		{name: "more pages than pawl has in hand", seed: oddSeed, end: killed, requests: 100, want: maxPagesAhead + maxBatchPages},
		{name: "a round without pages ahead", seed: evenSeed, end: killed, requests: 3, stored: 1, want: 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := launch(t, exec.CommandContext(context.WithoutCancel(t.Context()), "sh", "-c", tt.end))
			<-p.ended
			rd := &round{t: t, seed: tt.seed, runs: []*run{{process: p, unstored: new(int)}}}
			journal := make([]entry, tt.requests)
			for i := range journal {
				journal[i] = entry{Number: i + 1, IsPage: true, Delivered: true}
			}
			isStored := func(e entry) bool { return e.Number == tt.stored }
			dropped := newDroppedPages(rd, journal, isStored)
			got := 0
			for _, e := range journal {
				if !isStored(e) && dropped.take(e) {
					got++
				}
			}
			if got != tt.want {
				t.Errorf("dropped pages: got %d, want %d", got, tt.want)
			}
		})
	}
}
