package cli

import (
	"cmp"
	"context"
	"io"

	"github.com/pawldata/pawl/internal/adapters/cli/progress"
	"github.com/pawldata/pawl/internal/app/ingest"
	"github.com/pawldata/pawl/internal/app/retry"
	"github.com/pawldata/pawl/internal/app/verify"
	"github.com/pawldata/pawl/internal/domain"
)

type verifyCommand struct {
	AgainstAPI bool `name:"against-api" help:"Read the whole API once more, store nothing, and compare every record with its row or dead letter."`
	JSON       bool `name:"json" help:"Print one JSON object with every check and its differences."`
}

// VerifyOptions are what one verification needs besides the Settings.
type VerifyOptions struct {
	AgainstAPI bool         // --against-api
	Retry      retry.Policy // for the API, made from the settings
	Outage     retry.Policy // for the database, made from the settings
}

// A Verifier checks a stream. For Run, see [verify.Verifier.Run].
type Verifier interface {
	Run(ctx context.Context) (verify.Report, error)
}

// A VerifyObserver observes a verification and, with --against-api, its walk through the API.
type VerifyObserver interface {
	verify.Observer
	ingest.FetchObserver
}

// Run executes `pawl verify`. kong calls it.
func (c *verifyCommand) Run(s *session) error {
	if c.AgainstAPI {
		if err := s.settings.RequireAPI(); err != nil {
			return err
		}
	}
	db, closeDatabase, err := s.openDatabase(mustExist)
	if err != nil {
		return err
	}
	defer closeDatabase()
	if err := s.tryRefuseNewerSchema(db.URL); err != nil {
		return err
	}
	observer := newVerifyObserver(s)
	options := VerifyOptions{AgainstAPI: c.AgainstAPI, Retry: s.policy(), Outage: s.outage()}
	verifier, release, err := s.wiring.Verify(s.ctx, s.settingsFor(db), options, observer)
	if err != nil {
		return err
	}
	defer release()
	report, err := verifier.Run(s.ctx)
	observer.stop()
	// If err is Inconsistent, the report has all findings. With any other error, it has the findings so far. They must be printed too.
	if len(report.Findings) == 0 { // no check was made
		return err
	}
	printErr := printReport(s.Stdout, report, err, c.JSON)
	return cmp.Or(err, printErr)
}

// A verifyObserver shows which check is in progress and how far the walk through the API is.
type verifyObserver struct {
	session *session
	log     *logObserver
	walk    *progress.Tracker
	stop    func() // ends the progress of the current check; may be called more than once
}

func newVerifyObserver(s *session) *verifyObserver {
	return &verifyObserver{
		session: s,
		log:     &logObserver{log: s.log, live: s.showsLiveLine()},
		walk:    progress.NewTracker(false), // false, because this is not `pawl run --new-pass`
		stop:    func() {},
	}
}

// Checking implements verify.Observer. It ends what is shown of the previous check. During the comparison with the API, it shows the
// progress of the walk through the API. During any other check, it shows the check as a live line, if the user wants one.
func (o *verifyObserver) Checking(check domain.Check) {
	o.stop()
	o.session.log.Debug("checking", "check", check.String(), "statement", check.Statement())
	switch {
	case check == domain.CheckReturned: // the comparison with the API
		// A walk claims no stream. The call of Claimed makes the tracker begin at the first page of pass 1.
		o.walk.Claimed(domain.Checkpoint{Position: domain.Position{Pass: 1}})
		o.stop = o.session.showProgress(o.walk)
	case o.session.showsLiveLine():
		steps := &progress.Steps{}
		steps.Begin("checking: " + check.Statement())
		o.stop = steps.Show(o.session.screen)
	default:
		o.stop = func() {}
	}
}

// Compared implements verify.Observer. To the tracker, a compared page is a committed one.
func (o *verifyObserver) Compared(page domain.DecodedPage) {
	page.To = withoutMaxOffset(page.To)
	batch := domain.Batch{Pages: []domain.DecodedPage{page}}
	o.walk.Committed(batch, domain.CommitResult{Checkpoint: domain.Checkpoint{Position: page.To}})
}

// Waiting implements verify.Observer and ingest.FetchObserver.
func (o *verifyObserver) Waiting(w retry.Wait) {
	o.log.Waiting(w)
	o.walk.Waiting(w)
}

// Fetching implements ingest.FetchObserver.
func (o *verifyObserver) Fetching(from domain.Position) { o.walk.Fetching(from) }

// CursorLost implements ingest.FetchObserver. A walk starts another pass only if the API has lost its cursor.
func (o *verifyObserver) CursorLost(start domain.Position) {
	o.session.log.Warn("the API no longer accepts the cursor: comparing from the first page again", "pass", start.Pass)
	o.walk.CursorLost(withoutMaxOffset(start))
}

// withoutMaxOffset returns p without the maximum offset of earlier passes. With that offset, the tracker would report records as
// already stored, but a walk stores nothing.
func withoutMaxOffset(p domain.Position) domain.Position {
	p.MaxOffset = p.Offset
	return p
}

// reportJSON is what `pawl verify --json` prints.
type reportJSON struct {
	Stream        string      `json:"stream"`         // the stream's name
	Pass          int64       `json:"pass"`           // the number of the pass, from 1
	Seq           int64       `json:"seq"`            // the number of pages that the checkpoint counts; should equal the field pages
	Done          bool        `json:"done"`           // the pass is complete
	Pages         int64       `json:"pages"`          // the number of page rows in the ledger
	Events        int64       `json:"events"`         // the number of stored events
	Parked        int64       `json:"parked"`         // the number of records that are open or discarded dead letters
	Finished      bool        `json:"finished"`       // all checks were made
	Sound         bool        `json:"sound"`          // all checks were made, and none found a difference
	Checks        []checkJSON `json:"checks"`         // the checks that were made
	Announced     *int64      `json:"announced"`      // the total that the API announced when the last pass began; null if it announced none
	AnnouncedLast *int64      `json:"announced_last"` // the total that the API announced with the last page; null if it announced none
	EndAccepted   bool        `json:"end_accepted"`   // the last pass ended with fewer records than announced, and the user accepted this
	API           *walkJSON   `json:"api"`            // what the API returned; null without --against-api
	Notes         []string    `json:"notes"`          // remarks in words; they are not differences
}

type walkJSON struct {
	Pages    int64 `json:"pages"`    // pages that the API returned
	Received int64 `json:"received"` // records in these pages
	Parked   int64 `json:"parked"`   // how many of these records are dead letters
	NotKept  int64 `json:"not_kept"` // how many of these records are no dead letters, but are counted in a dead letter of their event
	New      int64 `json:"new"`      // how many of these records are neither stored nor parked, because they are newer than the last pass
}

type checkJSON struct {
	Check       string           `json:"check"`       // the check's name
	Statement   string           `json:"claim"`       // what the check proves, in words
	Differences int64            `json:"differences"` // the number of differences that were found
	Shown       []differenceJSON `json:"shown"`       // the first differences
}

type differenceJSON struct {
	PageID     int64  `json:"page_id,omitempty"`    // the page's id in the ledger
	Seq        int64  `json:"seq,omitempty"`        // the page's number
	Pass       int64  `json:"pass,omitempty"`       // the number of the pass
	EventID    string `json:"event_id,omitempty"`   // the event's id
	RequestID  string `json:"request_id,omitempty"` // the id of the API's answer
	What       string `json:"what"`                 // the name of the compared value, or a description of the difference
	Value      string `json:"value,omitempty"`      // the compared value
	OtherName  string `json:"against,omitempty"`    // the name of the value that it should equal
	OtherValue string `json:"found,omitempty"`      // the value that it should equal
}

// writeReportJSON writes the report of a verification that ended with err as one JSON object.
func writeReportJSON(w io.Writer, r verify.Report, err error) error {
	checkpoint, finished := r.Stream.Checkpoint, hasFinished(err)
	out := reportJSON{
		Stream: checkpoint.Stream.String(), Pass: checkpoint.Pass, Seq: checkpoint.Seq, Done: checkpoint.Done,
		Pages: r.Stream.Pages, Events: r.Stored, Parked: r.Parked, EndAccepted: r.EndAccepted,
		Finished: finished, Sound: finished, Checks: []checkJSON{}, Notes: append([]string{}, reportNotes(r)...), // [] in JSON if there are no notes
	}
	if checkpoint.AnnouncedFirst.Known {
		out.Announced = &checkpoint.AnnouncedFirst.N
	}
	if checkpoint.AnnouncedLast.Known {
		out.AnnouncedLast = &checkpoint.AnnouncedLast.N
	}
	for _, f := range r.Findings {
		check := checkJSON{Check: f.Check.String(), Statement: f.Check.Statement(), Differences: f.Differences, Shown: []differenceJSON{}}
		for _, d := range f.Shown {
			check.Shown = append(check.Shown, toDifferenceJSON(d))
		}
		out.Sound = out.Sound && f.Differences == 0
		out.Checks = append(out.Checks, check)
	}
	if walk := r.Walk; walk.Pages > 0 {
		out.API = &walkJSON{Pages: walk.Pages, Received: walk.Received, Parked: walk.Parked, NotKept: walk.NotKept, New: walk.New}
	}
	return writeASCIIJSON(w, out)
}

func toDifferenceJSON(d domain.Difference) differenceJSON {
	out := differenceJSON{
		PageID: d.PageID, Seq: d.Seq, Pass: d.Pass, RequestID: d.RequestID,
		What: d.What, Value: d.Value, OtherName: d.OtherName, OtherValue: d.OtherValue,
	}
	if d.Event != (domain.EventID{}) {
		out.EventID = d.Event.String()
	}
	return out
}
