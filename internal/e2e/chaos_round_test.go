//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/pgtest"
)

const (
	roundEvents   = 9_000
	roundPageSize = 50
	roundAPIKey   = "key-of-a-lap"
	// lapPatience bounds each wait. A run's own waits for a lock or a try are shorter.
	roundTimeout = time.Minute
)

// A lap reads one collection into one database while it is attacked. All that is chosen in it, its seed decides.
type round struct {
	t      *testing.T
	seed   uint64
	report *chaosReport

	mock              *mock
	usual             scenario // what the mock plays between attacks
	apiProxy, dbProxy *proxy   // before the mock and the database
	databaseURL       string   // the database's URL past the proxy
	db                *database
	barrier           *commitBarrier
	follower          *follower

	env        []string // of pawl
	secrets    []string
	processes  []*process
	runs       []*run // those that claimed the stream, in order
	rateLimits int    // how often the API's rate limit was set

	backup *backup
	claims int             // of the stream, as the database must have it
	undone map[string]bool // the requests whose pages were stored, and taken away by a restored backup
}

func newRound(t *testing.T, seed uint64, report *chaosReport) *round {
	t.Helper()
	rd := &round{t: t, seed: seed, report: report, usual: usualScenario(seed), databaseURL: pgtest.Database(t), undone: map[string]bool{}}
	rd.mock = startMock(t, "--events", strconv.Itoa(roundEvents), "--seed", strconv.FormatUint(seed, 10), "--api-key", roundAPIKey)
	var apiURL, proxiedURL string
	rd.apiProxy, apiURL = newProxyFor(t, "api", rd.mock.baseURL)
	rd.dbProxy, proxiedURL = newProxyFor(t, "database", rd.databaseURL)
	rd.db, rd.barrier = connect(t, rd.databaseURL), newCommitBarrier(t, rd.databaseURL)
	rd.env = []string{"API_BASE_URL=" + apiURL, "API_KEY=" + roundAPIKey, "DATABASE_URL=" + proxiedURL}
	rd.secrets = []string{roundAPIKey}
	if u, err := url.Parse(proxiedURL); err == nil {
		if password, ok := u.User.Password(); ok {
			rd.secrets = append(rd.secrets, password)
		}
	}
	rd.mock.play(rd.usual)
	rd.db.loadTruth(rd.mock)
	rd.follower = follow(t, rd.databaseURL)
	rd.backup = newBackup(t, rd.databaseURL)
	t.Cleanup(func() {
		if n := len(rd.runs); t.Failed() && n > 0 {
			t.Logf("the last run said: …%s", rd.runs[n-1].tail())
		}
	})
	return rd
}

// drive plays the deck until it is used up or the stream is complete, and then lets the stream be read to its end.
func (rd *round) runAttacks(plan []attack) {
	rd.t.Helper()
	rd.random(0).Shuffle(len(plan), func(i, j int) { plan[i], plan[j] = plan[j], plan[i] })
	maxTurns := 2 * len(plan) // an attack that missed its state comes again
	for turn := 1; len(plan) > 0 && turn <= maxTurns; turn++ {
		r := rd.currentRun()
		if r == nil {
			break
		}
		a, random := plan[0], rd.random(turn)
		plan = plan[1:]
		rd.mock.play(rd.usual)
		if !rd.waitForPages(r, random.IntN(3)) {
			plan = append(plan, a)
			continue
		}
		r.attacks = append(r.attacks, a.row())
		began := time.Now()
		hit := a.strike(rd, r, random)
		rd.report.addAttack(a, hit)
		rd.t.Logf("round %d, %s: hit %v, then at %d, %.1f s", turn, a.row(), hit, rd.db.position(), time.Since(began).Seconds())
		if lost := rd.db.lostRecords(); len(lost) > 0 { // looked for at once: a later pass would bring them
			rd.report.lost += len(lost)
			rd.t.Fatalf("%d records are lost:\n%s", len(lost), strings.Join(lost[:min(20, len(lost))], "\n"))
		}
		rd.checkDone()
		if !hit {
			plan = append(plan, a)
		}
	}
	rd.mock.play(rd.usual.withFaults(append(rd.missedFaults(), pick(rd.random(0), "empty-tail:1", "last-cursor:1"))...))
	if r := rd.currentRun(); r != nil {
		rd.expectExit(r, 0)
	}
	rd.replayRest()
}

// overdue are the usual faults that no request has met yet, most since an attack had its own played when their turn came.
// They come one after the other now.
func (rd *round) missedFaults() (faults []string) {
	rd.t.Helper()
	const distance = 4
	request := rd.mock.summary().Requests
	entries := rd.mock.journal(0)
	for _, kind := range usualFaults {
		if !slices.ContainsFunc(entries, func(e entry) bool { return e.Fault == kind }) {
			request += distance
			faults = append(faults, fmt.Sprintf("%s@%d", kind, request))
		}
	}
	return faults
}

// dice are those of one round, so that a round does not depend on what another threw.
func (rd *round) random(turn int) *rand.Rand { return rand.New(rand.NewPCG(rd.seed, uint64(turn))) }

func pick[T any](random *rand.Rand, from ...T) T { return from[random.IntN(len(from))] }

// runner is the run that works, a new one if the last was ended, nil if the stream is complete.
func (rd *round) currentRun() *run {
	rd.t.Helper()
	if n := len(rd.runs); n > 0 && !rd.runs[n-1].finished {
		last := rd.runs[n-1]
		if last.isRunning() {
			return last
		}
		rd.expectExit(last, 0)
		return nil
	}
	r := rd.startRun()
	if !rd.waitUntil(r, "a run claims the stream", r.hasClaimed) {
		rd.t.Fatalf("it ends %d before it has claimed the stream: %s", r.cmd.ProcessState.ExitCode(), r.tail())
	}
	rd.addRun(r)
	return r
}

// take notes that a run has claimed the stream.
func (rd *round) addRun(r *run) {
	r.locked = true
	rd.claims++
	rd.runs = append(rd.runs, r)
}

// launch starts pawl.
func (rd *round) startRun() *run { return rd.startRunWithPageSize(roundPageSize) }

// launchAt starts pawl with a page size.
func (rd *round) startRunWithPageSize(pageSize int) *run {
	rd.t.Helper()
	after := rd.mock.summary().LastSeq // before it can have asked for anything
	p := start(rd.t, rd.env, "pawl", "run", "--json", "--log-format", "json", "--log-level", "debug",
		"--page-size", strconv.Itoa(pageSize), "--tries", "8", "--request-timeout", "4s", "--max-page-bytes", "4194304")
	rd.processes = append(rd.processes, p)
	return &run{process: p, after: after, unstored: new(int)}
}

// until waits for a state of the world. It gives false if the run ends first.
func (rd *round) waitUntil(r *run, what string, condition func() bool) bool {
	rd.t.Helper()
	holds := false
	waitFor(rd.t, roundTimeout, what, func() bool {
		running := r.isRunning()
		holds = condition()
		return holds || !running
	})
	return holds
}

// moves waits until the run has stored so many pages more.
func (rd *round) waitForPages(r *run, pages int) bool {
	rd.t.Helper()
	seq := rd.db.seq()
	return rd.waitUntil(r, "pages are stored", func() bool { return rd.db.seq() >= seq+pages })
}

// ends waits for the run to end by itself with a code that is expected.
func (rd *round) expectExit(r *run, want int) {
	rd.t.Helper()
	ctx, cancel := context.WithTimeout(rd.t.Context(), roundTimeout)
	defer cancel()
	if code := r.wait(ctx); code != want {
		rd.t.Errorf("a run ends %d, want %d: %s", code, want, r.tail())
	}
	// A run that was fenced may have lost the stream to one that completed it.
	if done := rd.checkDone(); want != 5 && done != (want == 0) {
		rd.t.Errorf("a run ends %d, and the stream is done: %v", want, done)
	}
	rd.finishRun(r)
}

// doneAndWhole reports whether the stream is done. It fails the test if the stream is done and is not read to its end, or a
// record is neither stored nor parked.
func (rd *round) checkDone() (done bool) {
	rd.t.Helper()
	if done = rd.db.count("SELECT count(*) FROM checkpoints WHERE done") == 1; !done {
		return false
	}
	if position, lost := rd.db.position(), rd.db.lostRecords(); position != roundEvents || len(lost) > 0 {
		rd.report.lost += len(lost)
		rd.t.Fatalf("the stream is done at position %d of %d, and %d records are lost:\n%s", position, roundEvents, len(lost),
			strings.Join(lost[:min(20, len(lost))], "\n"))
	}
	return true
}

// gone notes that a run is over, once the API has nothing left to do for it.
func (rd *round) finishRun(r *run) {
	rd.t.Helper()
	eventually(rd.t, "no request is under way", func() bool { return rd.mock.summary().InFlight == 0 })
	r.finished = true
}

// A run is one process of pawl's in a lap.
type run struct {
	*process
	after    int      // the last request of the journal before the run's first
	unstored *int     // how many pages it may have been handed and not stored, by what was done to it
	locked   bool     // it holds the stream's early lock
	finished bool     // it has ended in a way that was asked for
	attacks  []string // the attacks on it
}

// What pawl writes to its log, as the harness reads it.
const (
	logStored  = "page stored"
	logRetry   = "trying again"
	logRefused = "waiting for the API"
	logNewPass = "the API no longer takes the cursor"
)

// said is how often the log has a message that begins so.
func (r *run) logCount(message string) int { return r.stderr.count(`"msg":"` + message) }

// stored reports whether the run knows that a page was committed.
func (r *run) hasStored(seq int) bool {
	return r.stderr.count(fmt.Sprintf(`"msg":%q,"seq":%d,`, logStored, seq)) > 0
}

// claimed reports whether the stream was given to the run.
func (r *run) hasClaimed() bool {
	return r.logCount("starting at the head")+r.logCount("resuming")+r.logCount("the stream is complete already") > 0
}

// waits is how long the run still waits, by its own word, and whether it does so with a page in hand: for the database
// then, and not for the API.
func (r *run) remainingWait() (left time.Duration, withPage bool) {
	for _, line := range slices.Backward(strings.Split(r.stderr.String(), "\n")) {
		var said struct {
			Time    time.Time `json:"time"`
			Message string    `json:"msg"`
			Seconds float64   `json:"seconds"`
			Why     string    `json:"why"`
		}
		if json.Unmarshal([]byte(line), &said) != nil { // half written
			continue
		}
		refused := strings.HasPrefix(said.Message, logRefused)
		if !refused && !strings.HasPrefix(said.Message, logRetry) {
			continue
		}
		left = time.Until(said.Time) + time.Duration(said.Seconds*float64(time.Second))
		return left, !refused && !strings.HasPrefix(said.Why, "fetch page")
	}
	return 0, false
}

// tail is the end of the log, for a failing test.
func (r *run) tail() string {
	const maxBytes = 3000
	text := r.stderr.String()
	return text[max(0, len(text)-maxBytes):]
}
