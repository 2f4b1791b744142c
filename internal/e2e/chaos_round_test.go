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
	roundAPIKey   = "key-of-a-round"
	// roundTimeout bounds each wait of a round. A run's own waits for a lock or before a retry are shorter.
	roundTimeout = time.Minute
)

// A round reads one collection into one database while the runs are attacked. Its seed decides every random choice.
type round struct {
	t      *testing.T
	seed   uint64
	report *chaosReport

	mock              *mock
	usual             scenario // that the mock plays between attacks
	apiProxy, dbProxy *proxy   // in front of the mock and of the database
	databaseURL       string   // without the proxy
	db                *database
	barrier           *commitBarrier
	follower          *follower

	env        []string // of pawl
	secrets    []string
	processes  []*process
	runs       []*run // that claimed the stream, in order
	rateLimits int    // how often an attack set the API's rate limit

	backup *backup
	claims int             // of the stream; the epoch that the database must have
	undone map[string]bool // ids of the requests whose stored pages a restored backup has removed
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
			t.Logf("end of the last run's log: …%s", rd.runs[n-1].tail())
		}
	})
	return rd
}

// runAttacks makes the attacks of the plan in random order, until all have hit or the stream is complete. Then it lets a
// run read the stream to its end.
func (rd *round) runAttacks(plan []attack) {
	rd.t.Helper()
	rd.random(0).Shuffle(len(plan), func(i, j int) { plan[i], plan[j] = plan[j], plan[i] })
	maxTurns := 2 * len(plan) // an attack that misses its state is tried again
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
		rd.t.Logf("turn %d, %s: hit %v, then at offset %d, %.1f s", turn, a.row(), hit, rd.db.position(), time.Since(began).Seconds())
		if lost := rd.db.lostRecords(); len(lost) > 0 { // checked at once: a later pass would store them
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

// missedFaults schedules, one after another, the usual faults that have hit no request yet. Most of them were due while an
// attack played its own faults.
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

// random returns the random numbers of one turn. They do not depend on how many numbers other turns have used.
func (rd *round) random(turn int) *rand.Rand { return rand.New(rand.NewPCG(rd.seed, uint64(turn))) }

// pick returns one of the values at random.
func pick[T any](random *rand.Rand, from ...T) T { return from[random.IntN(len(from))] }

// currentRun returns the run that works. It starts a new one if an attack has ended the last one, and returns nil if the
// stream is complete.
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
		rd.t.Fatalf("the run exits with %d before it claims the stream: %s", r.cmd.ProcessState.ExitCode(), r.tail())
	}
	rd.addRun(r)
	return r
}

// addRun records that a run has claimed the stream.
func (rd *round) addRun(r *run) {
	r.locked = true
	rd.claims++
	rd.runs = append(rd.runs, r)
}

// startRun starts `pawl run` with roundPageSize.
func (rd *round) startRun() *run { return rd.startRunWithPageSize(roundPageSize) }

// startRunWithPageSize starts `pawl run` with another page size.
func (rd *round) startRunWithPageSize(pageSize int) *run {
	rd.t.Helper()
	after := rd.mock.summary().LastSeq // read first: the run may send a request at once
	p := start(rd.t, rd.env, "pawl", "run", "--json", "--log-format", "json", "--log-level", "debug",
		"--page-size", strconv.Itoa(pageSize), "--tries", "8", "--request-timeout", "4s", "--max-page-bytes", "4194304")
	rd.processes = append(rd.processes, p)
	return &run{process: p, after: after, unstored: new(int)}
}

// waitUntil waits until condition is true. It returns false if the run ends first.
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

// waitForPages waits until the run has stored this many more pages. It returns false if the run ends first.
func (rd *round) waitForPages(r *run, pages int) bool {
	rd.t.Helper()
	seq := rd.db.seq()
	return rd.waitUntil(r, "pages are stored", func() bool { return rd.db.seq() >= seq+pages })
}

// expectExit waits until the run exits by itself. It fails the test if the exit code is not want, or if the stream is not
// done exactly when it is 0.
func (rd *round) expectExit(r *run, want int) {
	rd.t.Helper()
	ctx, cancel := context.WithTimeout(rd.t.Context(), roundTimeout)
	defer cancel()
	if code := r.wait(ctx); code != want {
		rd.t.Errorf("exit %d, want %d: %s", code, want, r.tail())
	}
	// After exit 5 another run may have completed the stream.
	if done := rd.checkDone(); want != 5 && done != (want == 0) {
		rd.t.Errorf("after exit %d: done %v", want, done)
	}
	rd.finishRun(r)
}

// checkDone reports whether the stream is done. If it is, every record must be read and stored or parked.
func (rd *round) checkDone() (done bool) {
	rd.t.Helper()
	if done = rd.db.count("SELECT count(*) FROM checkpoints WHERE done") == 1; !done {
		return false
	}
	if position, lost := rd.db.position(), rd.db.lostRecords(); position != roundEvents || len(lost) > 0 {
		rd.report.lost += len(lost)
		rd.t.Fatalf("the stream is done at offset %d of %d, and %d records are lost:\n%s", position, roundEvents, len(lost),
			strings.Join(lost[:min(20, len(lost))], "\n"))
	}
	return true
}

// finishRun marks a run as finished, after the API has answered its last request.
func (rd *round) finishRun(r *run) {
	rd.t.Helper()
	eventually(rd.t, "no request is in flight", func() bool { return rd.mock.summary().InFlight == 0 })
	r.finished = true
}

// A run is one process of `pawl run` in a round.
type run struct {
	*process
	after    int      // number of the last request in the journal before the run's first
	unstored *int     // number of pages it may have received and not stored, because of attacks
	locked   bool     // it holds the stream's advisory lock
	finished bool     // an attack has ended it, or it has exited as expected
	attacks  []string // made on it, by name
}

// The log messages of pawl that the tests read, or their beginnings.
const (
	logStored  = "page stored"
	logRetry   = "trying again"
	logRefused = "waiting for the API"
	logNewPass = "the API no longer takes the cursor"
)

// logCount returns how often the log has a message that begins with this text.
func (r *run) logCount(message string) int { return r.stderr.count(`"msg":"` + message) }

// hasStored reports whether the run knows that the page with this seq is committed.
func (r *run) hasStored(seq int) bool {
	return r.stderr.count(fmt.Sprintf(`"msg":%q,"seq":%d,`, logStored, seq)) > 0
}

// hasClaimed reports whether the run has claimed the stream.
func (r *run) hasClaimed() bool {
	return r.logCount("starting at the head")+r.logCount("resuming")+r.logCount("the stream is complete already") > 0
}

// remainingWait returns how long the run will still wait according to its log, and whether it has a page that is not stored
// yet: then it waits for the database, not for the API.
func (r *run) remainingWait() (left time.Duration, withPage bool) {
	for _, line := range slices.Backward(strings.Split(r.stderr.String(), "\n")) {
		var message struct {
			Time    time.Time `json:"time"`
			Text    string    `json:"msg"`
			Seconds float64   `json:"seconds"`
			Why     string    `json:"why"`
		}
		if json.Unmarshal([]byte(line), &message) != nil { // a line that is not complete yet
			continue
		}
		refused := strings.HasPrefix(message.Text, logRefused)
		if !refused && !strings.HasPrefix(message.Text, logRetry) {
			continue
		}
		left = time.Until(message.Time) + time.Duration(message.Seconds*float64(time.Second))
		return left, !refused && !strings.HasPrefix(message.Why, "fetch page")
	}
	return 0, false
}

// tail returns the end of the log, for a failing test.
func (r *run) tail() string {
	const maxBytes = 3000
	text := r.stderr.String()
	return text[max(0, len(text)-maxBytes):]
}
