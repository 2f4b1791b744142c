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
	lapEvents   = 9_000
	lapPageSize = 50
	lapAPIKey   = "key-of-a-lap"
	// lapPatience bounds each wait. A run's own waits for a lock or a try are shorter.
	lapPatience = time.Minute
)

// A lap reads one collection into one database while it is attacked. All that is chosen in it, its seed decides.
type lap struct {
	t     *testing.T
	seed  uint64
	tally *tally

	mock    *mock
	usual   scenario // what the mock plays between attacks
	api, pg *proxy   // before the mock and the database
	direct  string   // the database's URL past the proxy
	db      *database
	gate    *gate
	reader  *follower

	env     []string // of pawl
	secrets []string
	started []*process
	runs    []*run // those that claimed the stream, in order
	limits  int    // how often the API's rate limit was set

	backup *backup
	claims int             // of the stream, as the database must have it
	undone map[string]bool // the requests whose pages were stored, and taken away by a restored backup
}

func newLap(t *testing.T, seed uint64, tally *tally) *lap {
	t.Helper()
	l := &lap{t: t, seed: seed, tally: tally, usual: usual(seed), direct: pgtest.Database(t), undone: map[string]bool{}}
	l.mock = startMock(t, "--events", strconv.Itoa(lapEvents), "--seed", strconv.FormatUint(seed, 10), "--api-key", lapAPIKey)
	var apiURL, databaseURL string
	l.api, apiURL = inFrontOf(t, "api", l.mock.baseURL)
	l.pg, databaseURL = inFrontOf(t, "database", l.direct)
	l.db, l.gate = connect(t, l.direct), newGate(t, l.direct)
	l.env = []string{"API_BASE_URL=" + apiURL, "API_KEY=" + lapAPIKey, "DATABASE_URL=" + databaseURL}
	l.secrets = []string{lapAPIKey}
	if u, err := url.Parse(databaseURL); err == nil {
		if password, ok := u.User.Password(); ok {
			l.secrets = append(l.secrets, password)
		}
	}
	l.mock.play(l.usual)
	l.db.layDownTruth(l.mock)
	l.reader = follow(t, l.direct)
	l.backup = newBackup(t, l.direct)
	t.Cleanup(func() {
		if n := len(l.runs); t.Failed() && n > 0 {
			t.Logf("the last run said: …%s", l.runs[n-1].tail())
		}
	})
	return l
}

// drive plays the deck until it is used up or the stream is complete, and then lets the stream be read to its end.
func (l *lap) drive(deck []attack) {
	l.t.Helper()
	l.dice(0).Shuffle(len(deck), func(i, j int) { deck[i], deck[j] = deck[j], deck[i] })
	most := 2 * len(deck) // an attack that missed its state comes again
	for round := 1; len(deck) > 0 && round <= most; round++ {
		r := l.runner()
		if r == nil {
			break
		}
		a, dice := deck[0], l.dice(round)
		deck = deck[1:]
		l.mock.play(l.usual)
		if !l.moves(r, dice.IntN(3)) {
			deck = append(deck, a)
			continue
		}
		r.suffered = append(r.suffered, a.row())
		began := time.Now()
		hit := a.strike(l, r, dice)
		l.tally.attacked(a, hit)
		l.t.Logf("round %d, %s: hit %v, then at %d, %.1f s", round, a.row(), hit, l.db.position(), time.Since(began).Seconds())
		if lost := l.db.lostBehind(); len(lost) > 0 { // looked for at once: a later pass would bring them
			l.tally.lost += len(lost)
			l.t.Fatalf("%d records are lost:\n%s", len(lost), strings.Join(lost[:min(20, len(lost))], "\n"))
		}
		l.doneAndWhole()
		if !hit {
			deck = append(deck, a)
		}
	}
	l.mock.play(l.usual.withFaults(append(l.overdue(), pick(l.dice(0), "empty-tail:1", "last-cursor:1"))...))
	if r := l.runner(); r != nil {
		l.ends(r, 0)
	}
	l.replayTheRest()
}

// overdue are the usual faults that no request has met yet, most since an attack had its own played when their turn came.
// They come one after the other now.
func (l *lap) overdue() (faults []string) {
	l.t.Helper()
	const apart = 4
	request := l.mock.summary().Requests
	met := l.mock.journal(0)
	for _, kind := range usualFaults {
		if !slices.ContainsFunc(met, func(e entry) bool { return e.Fault == kind }) {
			request += apart
			faults = append(faults, fmt.Sprintf("%s@%d", kind, request))
		}
	}
	return faults
}

// dice are those of one round, so that a round does not depend on what another threw.
func (l *lap) dice(round int) *rand.Rand { return rand.New(rand.NewPCG(l.seed, uint64(round))) }

func pick[T any](dice *rand.Rand, from ...T) T { return from[dice.IntN(len(from))] }

// runner is the run that works, a new one if the last was ended, nil if the stream is complete.
func (l *lap) runner() *run {
	l.t.Helper()
	if n := len(l.runs); n > 0 && !l.runs[n-1].over {
		last := l.runs[n-1]
		if last.running() {
			return last
		}
		l.ends(last, 0)
		return nil
	}
	r := l.launch()
	if !l.until(r, "a run claims the stream", r.claimed) {
		l.t.Fatalf("it ends %d before it has claimed the stream: %s", r.cmd.ProcessState.ExitCode(), r.tail())
	}
	l.take(r)
	return r
}

// take notes that a run has claimed the stream.
func (l *lap) take(r *run) {
	r.locked = true
	l.claims++
	l.runs = append(l.runs, r)
}

// launch starts pawl.
func (l *lap) launch() *run { return l.launchAt(lapPageSize) }

// launchAt starts pawl with a page size.
func (l *lap) launchAt(pageSize int) *run {
	l.t.Helper()
	after := l.mock.summary().LastSeq // before it can have asked for anything
	p := start(l.t, l.env, "pawl", "run", "--json", "--log-format", "json", "--log-level", "debug",
		"--page-size", strconv.Itoa(pageSize), "--tries", "8", "--request-timeout", "4s", "--max-page-bytes", "4194304")
	l.started = append(l.started, p)
	return &run{process: p, after: after, inHand: new(int)}
}

// until waits for a state of the world. It gives false if the run ends first.
func (l *lap) until(r *run, what string, is func() bool) bool {
	l.t.Helper()
	met := false
	within(l.t, lapPatience, what, func() bool {
		running := r.running()
		met = is()
		return met || !running
	})
	return met
}

// moves waits until the run has stored so many pages more.
func (l *lap) moves(r *run, pages int) bool {
	l.t.Helper()
	seq := l.db.seq()
	return l.until(r, "pages are stored", func() bool { return l.db.seq() >= seq+pages })
}

// ends waits for the run to end by itself with a code that is expected.
func (l *lap) ends(r *run, want int) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), lapPatience)
	defer cancel()
	if code := r.wait(ctx); code != want {
		l.t.Errorf("a run ends %d, want %d: %s", code, want, r.tail())
	}
	// A run that was fenced may have lost the stream to one that completed it.
	if done := l.doneAndWhole(); want != 5 && done != (want == 0) {
		l.t.Errorf("a run ends %d, and the stream is done: %v", want, done)
	}
	l.gone(r)
}

// doneAndWhole reports whether the stream is done. It fails the test if the stream is done and is not read to its end, or a
// record is neither stored nor parked.
func (l *lap) doneAndWhole() (done bool) {
	l.t.Helper()
	if done = l.db.count("SELECT count(*) FROM checkpoints WHERE done") == 1; !done {
		return false
	}
	if position, lost := l.db.position(), l.db.lostBehind(); position != lapEvents || len(lost) > 0 {
		l.tally.lost += len(lost)
		l.t.Fatalf("the stream is done at position %d of %d, and %d records are lost:\n%s", position, lapEvents, len(lost),
			strings.Join(lost[:min(20, len(lost))], "\n"))
	}
	return true
}

// gone notes that a run is over, once the API has nothing left to do for it.
func (l *lap) gone(r *run) {
	l.t.Helper()
	eventually(l.t, "no request is under way", func() bool { return l.mock.summary().InFlight == 0 })
	r.over = true
}

// A run is one process of pawl's in a lap.
type run struct {
	*process
	after    int      // the last request of the journal before the run's first
	inHand   *int     // how many pages it may have been handed and not stored, by what was done to it
	locked   bool     // it holds the stream's early lock
	over     bool     // it has ended in a way that was asked for
	suffered []string // the attacks on it
}

// What pawl writes to its log, as the harness reads it.
const (
	saysStored  = "page stored"
	saysRetry   = "trying again"
	saysRefused = "waiting for the API"
	saysNewPass = "the API no longer takes the cursor"
)

// said is how often the log has a message that begins so.
func (r *run) said(message string) int { return r.stderr.count(`"msg":"` + message) }

// stored reports whether the run knows that a page was committed.
func (r *run) stored(seq int) bool {
	return r.stderr.count(fmt.Sprintf(`"msg":%q,"seq":%d,`, saysStored, seq)) > 0
}

// claimed reports whether the stream was given to the run.
func (r *run) claimed() bool {
	return r.said("starting at the head")+r.said("resuming")+r.said("the stream is complete already") > 0
}

// waits is how long the run still waits, by its own word, and whether it does so with a page in hand: for the database
// then, and not for the API.
func (r *run) waits() (left time.Duration, withPage bool) {
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
		refused := strings.HasPrefix(said.Message, saysRefused)
		if !refused && !strings.HasPrefix(said.Message, saysRetry) {
			continue
		}
		left = time.Until(said.Time) + time.Duration(said.Seconds*float64(time.Second))
		return left, !refused && !strings.HasPrefix(said.Why, "fetch page")
	}
	return 0, false
}

// tail is the end of the log, for a failing test.
func (r *run) tail() string {
	const most = 3000
	text := r.stderr.String()
	return text[max(0, len(text)-most):]
}
