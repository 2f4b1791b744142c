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
	// roundTimeout is the maximum time of each wait of a round. pawl itself never waits that long in a round.
	roundTimeout = time.Minute
)

// A round lets runs of pawl read one collection into one database, and attacks these runs. Its seed decides every random
// choice.
type round struct {
	t      *testing.T
	seed   uint64
	report *chaosReport

	mock              *mock
	usual             scenario  // the scenario that the mock plays between attacks, see usualScenario
	apiProxy, dbProxy *proxy    // between pawl and the mock, and between pawl and the database
	databaseURL       string    // the URL that leads to the database directly, without the proxy
	db                *database // the round's own connection, without the proxy
	barrier           *commitBarrier
	follower          *follower // reads new events during the round, see follower

	env        []string   // the environment of pawl
	secrets    []string   // texts that pawl must not write
	processes  []*process // all processes that the round has started
	runs       []*run     // the runs that have claimed the stream, in this order
	rateLimits int        // how often an attack set the API's rate limit

	backup       *backup
	wantEpoch    int             // the epoch that the stream must have: the number of claims, or see restore
	removedPages map[string]bool // ids of the requests whose stored pages a restore has removed
}

func newRound(t *testing.T, seed uint64, report *chaosReport) *round {
	t.Helper()
	rd := &round{t: t, seed: seed, report: report, usual: usualScenario(seed), removedPages: map[string]bool{}}
	rd.databaseURL = pgtest.Database(t)
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
			t.Logf("end of the last run's log: …%s", rd.runs[n-1].logTail())
		}
	})
	return rd
}

// runAttacks makes the attacks of the plan in random order, until all have hit or the stream is complete. An attack that has
// missed its state is put back to the end of the plan. Then a run reads the stream to its end, and a replay replays the
// remaining dead letters.
func (rd *round) runAttacks(plan []attack) {
	rd.t.Helper()
	const noTurn = 0 // the turns count from 1
	rd.random(noTurn).Shuffle(len(plan), func(i, j int) { plan[i], plan[j] = plan[j], plan[i] })
	maxTurns := 2 * len(plan) // more turns than attacks, since some attacks miss
	for turn := 1; len(plan) > 0 && turn <= maxTurns; turn++ {
		r := rd.currentRun()
		if r == nil {
			break
		}
		var a attack
		a, plan = plan[0], plan[1:]
		random := rd.random(turn)
		rd.mock.play(rd.usual)
		if !rd.waitForPages(r, random.IntN(maxPagesBetween+1)) {
			plan = append(plan, a) // the run has ended before the attack
			continue
		}
		r.attacks = append(r.attacks, a.reportName())
		began := time.Now()
		hit := a.strike(rd, r, random)
		rd.report.addAttack(a, hit)
		rd.t.Logf("turn %d, %s: hit %v, then at offset %d, %.1f s", turn, a.reportName(), hit, rd.db.offset(), time.Since(began).Seconds())
		if lost := rd.db.lostRecords(); len(lost) > 0 { // a later check would not find them if a new pass stored them
			rd.report.lost += len(lost)
			rd.t.Fatalf("got %d lost records, want 0:\n%s", len(lost), joinFirst(lost))
		}
		rd.checkDone()
		if !hit {
			plan = append(plan, a)
		}
	}
	// Each of these two faults changes the end of the stream. ":1" means that the fault hits every request to which it applies.
	unusualEnd := pick(rd.random(noTurn), "empty-tail:1", "last-cursor:1")
	rd.mock.play(rd.usual.withFaults(append(rd.missedFaults(), unusualEnd)...))
	if r := rd.currentRun(); r != nil {
		rd.expectExit(r, exitDone)
	}
	rd.replayRest()
}

// maxPagesBetween is the maximum number of pages that a run stores without a disturbance between two attacks.
const maxPagesBetween = 2

// missedFaults returns the usual faults that have not hit a request yet, each scheduled for a coming request. Most of these
// faults were scheduled for a request that came while an attack played faults of its own.
func (rd *round) missedFaults() (faults []string) {
	rd.t.Helper()
	const distance = 4 // requests between two faults
	request := rd.mock.summary().Requests
	entries := rd.mock.journal(0)
	for _, kind := range usualFaults {
		hasHit := slices.ContainsFunc(entries, func(e entry) bool { return e.Fault == kind })
		if !hasHit {
			request += distance
			faults = append(faults, fmt.Sprintf("%s@%d", kind, request))
		}
	}
	return faults
}

// random returns a source of random numbers for one turn. Its numbers depend only on the round's seed and the turn, not on
// how many numbers other turns have used.
func (rd *round) random(turn int) *rand.Rand { return rand.New(rand.NewPCG(rd.seed, uint64(turn))) }

// pick returns one of the values at random.
func pick[T any](random *rand.Rand, values ...T) T { return values[random.IntN(len(values))] }

// currentRun returns the run that works. If an attack has ended the last run, it starts a new run. It returns nil if the last
// run has completed the stream.
func (rd *round) currentRun() *run {
	rd.t.Helper()
	if n := len(rd.runs); n > 0 && !rd.runs[n-1].finished {
		last := rd.runs[n-1]
		if last.isRunning() {
			return last
		}
		rd.expectExit(last, exitDone) // no attack has ended the run, so the stream must be done
		return nil
	}
	r := rd.startRun()
	if !rd.waitUntil(r, "a run claims the stream", r.hasClaimed) {
		rd.t.Fatalf("the run exited with %d, want it to claim the stream: %s", r.cmd.ProcessState.ExitCode(), r.logTail())
	}
	rd.addRun(r)
	return r
}

// addRun records that a run has claimed the stream.
func (rd *round) addRun(r *run) {
	r.holdsLock = true
	rd.wantEpoch++
	rd.runs = append(rd.runs, r)
}

// startRun starts `pawl run` with the round's page size.
func (rd *round) startRun() *run { return rd.startRunWithPageSize(rd.pageSize()) }

// startRunWithPageSize starts `pawl run` with another page size.
func (rd *round) startRunWithPageSize(pageSize int) *run {
	rd.t.Helper()
	lastNumberBefore := rd.mock.summary().LastNumber // read before the start, since the run may send a request at once
	// The limits for time and size are small, so that the faults that hang or send a huge body do not take long.
	p := start(rd.t, rd.env, "pawl", "run", "--json", "--log-format", "json", "--log-level", "debug",
		"--page-size", strconv.Itoa(pageSize), "--tries", "8", "--request-timeout", "4s", "--max-page-bytes", "4194304",
		"--max-buffer-bytes", rd.maxBufferBytes())
	rd.processes = append(rd.processes, p)
	return &run{process: p, lastNumberBefore: lastNumberBefore, unstored: new(int)}
}

// waitUntil waits until condition is true. It returns false if the run ends first. what describes the condition in the message
// of a test that fails after roundTimeout.
func (rd *round) waitUntil(r *run, what string, condition func() bool) bool {
	rd.t.Helper()
	isMet := false
	waitFor(rd.t, roundTimeout, what, func() bool {
		isRunning := r.isRunning() // before condition, because the condition may become true just before the run ends
		isMet = condition()
		return isMet || !isRunning
	})
	return isMet
}

// waitForPages waits until this number of further pages is stored. It returns false if the run ends first.
func (rd *round) waitForPages(r *run, pages int) bool {
	rd.t.Helper()
	seq := rd.db.seq()
	return rd.waitUntil(r, "pages are stored", func() bool { return rd.db.seq() >= seq+pages })
}

// expectExit waits until the run exits by itself. It fails the test if the exit code is not want. If want is exitDone, the
// stream must be done. If want is exitFenced, the stream may be done or not. After any other code, it must not be done.
func (rd *round) expectExit(r *run, want int) {
	rd.t.Helper()
	ctx, cancel := context.WithTimeout(rd.t.Context(), roundTimeout)
	defer cancel()
	if code := r.wait(ctx); code != want {
		rd.t.Errorf("exit %d, want %d: %s", code, want, r.logTail())
	}
	done, wantDone := rd.checkDone(), want == exitDone
	mayDiffer := want == exitFenced // because another run may have completed the stream
	if done != wantDone && !mayDiffer {
		rd.t.Errorf("after a run that should exit with %d: got stream done %v, want %v", want, done, wantDone)
	}
	rd.finishRun(r)
}

// checkDone reports whether the stream is done. It fails the test if a done stream is not at its end, or if a record is neither
// stored nor parked.
func (rd *round) checkDone() (done bool) {
	rd.t.Helper()
	if done = rd.db.queryInt("SELECT count(*) FROM checkpoints WHERE done") == 1; !done {
		return false
	}
	if lost := rd.db.lostRecords(); len(lost) > 0 {
		rd.report.lost += len(lost)
		rd.t.Fatalf("the stream is done: got %d lost records, want 0:\n%s", len(lost), joinFirst(lost))
	}
	if position := rd.db.offset(); position != roundEvents {
		rd.t.Fatalf("the stream is done: got offset %d, want %d", position, roundEvents)
	}
	return true
}

// joinFirst joins the first 20 lines of a list, so that a message does not become too long.
func joinFirst(lines []string) string {
	const maxLines = 20
	return strings.Join(lines[:min(maxLines, len(lines))], "\n")
}

// finishRun waits until the API has finished the run's last request, and marks the run as finished.
func (rd *round) finishRun(r *run) {
	rd.t.Helper()
	eventually(rd.t, "no request is in flight", func() bool { return rd.mock.summary().InFlight == 0 })
	r.finished = true
}

// A run is one process of `pawl run` in a round.
type run struct {
	*process
	lastNumberBefore int      // the number of the last request in the journal before the run's first request
	unstored         *int     // how many pages the run may have received and not stored; two runs may share it, see expectTakeover
	holdsLock        bool     // the run holds the stream's advisory lock, so a second run must not take over; lost with its connections
	finished         bool     // an attack has ended the run, or the run has exited as expected
	attacks          []string // the names of the attacks on this run
}

// allowUnstored says that an attack may have made the run lose this number of pages, which it had requested and not stored. The
// judge (chaos_judge_test.go) then accepts as many requests without a stored page, see takeUnstored.
func (r *run) allowUnstored(pages int) { *r.unstored += pages }

// The beginnings of the log messages of pawl that the tests read.
const (
	logStored  = "page stored"
	logRetry   = "trying again"
	logAPIWait = "waiting for the API"
	logNewPass = "the API no longer accepts the cursor"
)

// logCount returns how often the log has a message that begins with this text.
func (r *run) logCount(message string) int { return r.stderr.count(`"msg":"` + message) }

// hasLoggedPage reports whether the run has logged that the page with this seq is stored.
func (r *run) hasLoggedPage(seq int) bool {
	return r.stderr.count(fmt.Sprintf(`"msg":%q,"seq":%d,`, logStored, seq)) > 0
}

// hasClaimed reports whether the run has claimed the stream.
func (r *run) hasClaimed() bool {
	return r.logCount("starting at the head")+r.logCount("resuming")+r.logCount("the stream is complete already") > 0
}

// remainingWait returns how long the run will still wait, according to the last wait in its log. holdsPage reports whether the
// run waits before a retry of a commit, and so has received a page that is not stored yet.
func (r *run) remainingWait() (remaining time.Duration, holdsPage bool) {
	for _, line := range slices.Backward(strings.Split(r.stderr.String(), "\n")) {
		var message struct {
			Time    time.Time `json:"time"`
			Text    string    `json:"msg"`
			Seconds float64   `json:"seconds"`
			Why     string    `json:"why"`
		}
		if json.Unmarshal([]byte(line), &message) != nil { // pawl has not written the whole line yet
			continue
		}
		isAPIWait, isRetry := strings.HasPrefix(message.Text, logAPIWait), strings.HasPrefix(message.Text, logRetry)
		if !isAPIWait && !isRetry {
			continue
		}
		end := message.Time.Add(time.Duration(message.Seconds * float64(time.Second)))
		isCommitRetry := isRetry && !strings.HasPrefix(message.Why, "fetch page")
		return time.Until(end), isCommitRetry
	}
	return 0, false
}

// logTail returns the end of the run's log, for the message of a failing test.
func (r *run) logTail() string {
	const maxBytes = 3000
	text := r.stderr.String()
	return text[max(0, len(text)-maxBytes):]
}
