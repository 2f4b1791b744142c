package cli

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/pawldata/pawl/internal/adapters/cli/progress"
	"github.com/pawldata/pawl/internal/app/replay"
	"github.com/pawldata/pawl/internal/app/retry"
	"github.com/pawldata/pawl/internal/domain"
)

type dlqReplayCommand struct {
	IDs    []int64 `arg:"" optional:"" name:"id" help:"The ids of the dead letters, as pawl dlq list prints them."`
	Reason string  `name:"reason" placeholder:"REASON" help:"Replay all open dead letters that were parked for this reason."`
	All    bool    `name:"all" help:"Replay all open dead letters of the stream."`
	JSON   bool    `name:"json" help:"Print one JSON object."`
}

// ReplayOptions are what one replay needs besides the Settings.
type ReplayOptions struct {
	Letters domain.DeadLetterSelection // the dead letters to replay
	Outage  retry.Policy               // made from the settings
}

// A Replayer replays dead letters: it decodes them again and stores those that can become events. For Run, see
// [replay.Replayer.Run].
type Replayer interface {
	Run(ctx context.Context) (replay.Report, error)
}

// Run executes `pawl dlq replay`. kong calls it.
func (c *dlqReplayCommand) Run(s *session) error {
	options := ReplayOptions{Letters: domain.DeadLetterSelection{IDs: c.IDs, Reason: c.Reason, All: c.All}, Outage: s.outage()}
	if err := options.Letters.Validate(); err != nil {
		return err
	}
	db, closeDatabase, err := s.openDatabase(mustExist)
	if err != nil {
		return err
	}
	defer closeDatabase()
	if err := s.tryRefuseNewerSchema(db.URL); err != nil {
		return err
	}
	observer := newReplayObserver(s)
	s.stopHint = "run it again to replay the rest"
	replayer, release, err := s.wiring.Replay(s.ctx, s.settingsFor(db), options, observer)
	if err != nil {
		return err
	}
	defer release()
	report, err := replayer.Run(s.ctx)
	observer.stop()
	nothingReplayed := report.Received == 0 && report.UnansweredCommits == 0
	if err != nil && nothingReplayed {
		return err
	}
	var others []domain.ReasonCount
	isNone := err == nil && nothingReplayed && c.Reason != ""
	if isNone {
		if others, err = c.readOthers(s, db); err != nil {
			return err
		}
	}
	switch {
	case c.JSON:
		return cmp.Or(err, outputError(writeReplayJSON(s.Stdout, report, others)))
	case isNone:
		list := dlqListCommand{Reason: c.Reason, State: string(domain.DeadLettersOpen)}
		return list.printNone(s, others)
	}
	return cmp.Or(err, outputError(writeReplay(s.Stdout, report)))
}

// readOthers returns the reasons that open dead letters have, if none has the reason of the command.
func (c *dlqReplayCommand) readOthers(s *session, db Database) (others []domain.ReasonCount, err error) {
	reader, release, err := s.wiring.Reader(s.ctx, s.settingsFor(db))
	if err != nil {
		return nil, err
	}
	defer release()
	err = s.try(func(ctx context.Context) (err error) {
		filter := domain.DeadLetterFilter{State: domain.DeadLettersOpen, Reason: c.Reason}
		others, err = otherReasons(ctx, reader, s.settings.Stream, filter)
		return err
	})
	return others, err
}

// writeReplay writes the report for a person.
func writeReplay(w io.Writer, r replay.Report) error {
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, "stream %s: replayed %s = %s stored + %s duplicate + %s parked again\n", r.Stream,
		humanize.Comma(r.Received), humanize.Comma(r.Inserted), humanize.Comma(r.Duplicate), humanize.Comma(r.Parked))
	if r.Parked > 0 {
		var reasons []string
		for _, n := range sortReasons(r.ParkedAgain) {
			reasons = append(reasons, humanize.Comma(n.Count)+" "+escapeExceptEllipsis(n.Reason))
		}
		fmt.Fprintf(out, "parked again: %s; see `pawl dlq list`\n", strings.Join(reasons, ", "))
	}
	if r.Skipped > 0 {
		fmt.Fprintf(out, "skipped because they are resolved: %s\n", humanize.Comma(r.Skipped))
	}
	if r.UnansweredCommits > 0 {
		fmt.Fprintf(out, "COMMITs without an answer: %d; their dead letters are not counted above\n", r.UnansweredCommits)
	}
	return out.Flush()
}

// replayJSON is what `pawl dlq replay --json` prints.
type replayJSON struct {
	Stream      string            `json:"stream"`                  // the stream's name
	Replayed    int64             `json:"replayed"`                // dead letters decoded again: stored + duplicate + parked_again
	Stored      int64             `json:"stored"`                  // dead letters that are events now
	Duplicate   int64             `json:"duplicate"`               // dead letters whose event was stored before
	ParkedAgain int64             `json:"parked_again"`            // dead letters that stay open
	Reasons     []reasonJSON      `json:"reasons"`                 // the reasons of the dead letters that stay open; without samples
	Skipped     int64             `json:"skipped"`                 // dead letters that were resolved already
	Unanswered  int               `json:"unanswered_commits"`      // COMMITs without an answer; their dead letters are not counted in the other fields
	Others      []reasonCountJSON `json:"other_reasons,omitempty"` // the reasons that open dead letters have, if none has the reason of --reason
}

// reasonCountJSON counts the dead letters of one reason.
type reasonCountJSON struct {
	Reason string `json:"reason"` // why the records cannot become rows
	Count  int64  `json:"count"`  // the number of dead letters with this reason
}

func writeReplayJSON(w io.Writer, r replay.Report, others []domain.ReasonCount) error {
	var otherReasons []reasonCountJSON
	for _, other := range others {
		otherReasons = append(otherReasons, reasonCountJSON{Reason: other.Reason, Count: other.Count})
	}
	return writeASCIIJSON(w, replayJSON{
		Others: otherReasons,
		Stream: r.Stream.String(), Replayed: r.Received, Stored: r.Inserted, Duplicate: r.Duplicate, ParkedAgain: r.Parked,
		Reasons: sortReasons(r.ParkedAgain), Skipped: r.Skipped, Unanswered: r.UnansweredCommits,
	})
}

// sortReasons returns the reasons with their counts. The most frequent reason is the first.
func sortReasons(counts map[string]int64) []reasonJSON {
	reasons := []reasonJSON{}
	for reason, n := range counts {
		reasons = append(reasons, reasonJSON{Reason: reason, Count: n})
	}
	slices.SortFunc(reasons, func(a, b reasonJSON) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Reason, b.Reason))
	})
	return reasons
}

// A replayObserver logs a replay and shows its progress as a live line.
type replayObserver struct {
	*logObserver

	session *session
	total   int64 // the number of open dead letters to replay
	steps   progress.Steps
	stop    func() // removes the live line, if there is one; may be called more than once
}

func newReplayObserver(s *session) *replayObserver {
	return &replayObserver{logObserver: &logObserver{log: s.log}, session: s, stop: func() {}}
}

// Surveyed implements replay.Observer. It begins to show the progress.
func (o *replayObserver) Surveyed(survey domain.SelectionCount) {
	o.total = survey.Open
	o.log.Debug("replaying dead letters", "letters", survey.Open)
	if o.session.showsLiveLine() {
		o.steps.Begin(fmt.Sprintf("replaying %s dead letters", humanize.Comma(o.total)))
		o.stop = o.steps.Show(o.session.screen)
	}
}

// Replayed implements replay.Observer. It shows the counts up to now.
func (o *replayObserver) Replayed(report replay.Report) {
	o.log.Debug("dead letters replayed",
		"replayed", report.Received, "stored", report.Inserted, "duplicate", report.Duplicate, "parked_again", report.Parked)
	o.steps.Begin(fmt.Sprintf("replaying dead letters: %s of %s, %s stored",
		humanize.Comma(report.Received), humanize.Comma(o.total), humanize.Comma(report.Inserted)))
}
