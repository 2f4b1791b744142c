// Package replay decodes dead letters again with the current decoder. If a dead letter can be decoded, the package stores its
// event. It does not use the API.
package replay

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/pawldata/pawl/internal/app/retry"
	"github.com/pawldata/pawl/internal/domain"
)

// replayTimeout is the longest time that one attempt to store a batch may take.
const replayTimeout = 90 * time.Second

// Options select the dead letters to replay.
type Options struct {
	Stream  domain.StreamID
	Letters domain.DeadLetterSelection
	Outage  retry.Policy // limits the time in which the database may fail, for the survey and for each batch
}

// A Store stores dead letters and events. Each method makes one attempt.
type Store interface {
	// Survey counts the dead letters that match a selection. If the stream was never claimed, Survey returns Invalid.
	Survey(ctx context.Context, stream domain.StreamID, selection domain.DeadLetterSelection) (domain.SelectionCount, error)

	// Open reads the open dead letters of the selection whose ids are greater than after and at most last, with their
	// payloads. It returns the first of them in order of id, as many as are suitable for one Replay. It returns at least one
	// if there is any.
	Open(
		ctx context.Context, stream domain.StreamID, selection domain.DeadLetterSelection, after, last int64,
	) ([]domain.DeadLetter, error)

	// Replay stores the events of a batch in one transaction, which also writes one ledger row for the batch. The checkpoint
	// does not change. Replay treats each dead letter of the batch according to its event:
	//   - If this call stores the event, the dead letter is resolved as replayed.
	//   - If the event was stored before with the same values, the dead letter is resolved as duplicate.
	//   - If the event was stored before with other values, the dead letter stays open as a conflict.
	//   - If the decoder rejected the record, or the database refuses the event, the dead letter stays open with this reason.
	//   - If the dead letter was resolved after the batch was read, Replay ignores it. If no other dead letter is left in the
	//     batch, Replay writes nothing.
	//
	// A run and other replays may write at the same time. At most they have to wait until the transaction ends.
	//
	// Replay returns one of these kinds of error:
	//   - SetBack: the database was set back to an earlier state, so that its ledger has no row batch.Previous. Replay has
	//     written nothing.
	//   - Transient: Replay has written nothing.
	//   - Uncertain: the connection or ctx ended after COMMIT was sent and before the answer came.
	//
	// After Transient or Uncertain, the caller may read and replay the open dead letters again. No event is stored twice. But
	// if the first transaction was committed, the dead letters that stayed open count one replay more.
	//
	// Replay does not change the batch or the memory that the batch points to. After Replay has returned, it keeps no
	// reference to them.
	Replay(ctx context.Context, batch domain.ReplayBatch) (domain.ReplayResult, error)
}

// An Observer is notified of each step of a replay. Run calls its methods in order, from one goroutine, and waits until they
// return. So they must be quick.
type Observer interface {
	// Surveyed is called once, before the first batch is read.
	Surveyed(survey domain.SelectionCount)
	// Waiting is called before each wait. w.Err is the reason for the wait.
	Waiting(w retry.Wait)
	// Replayed is called after each batch is durable. The report covers all batches so far.
	Replayed(report Report)
}

// A Report counts the dead letters of a replay by the result of their replay.
type Report struct {
	Stream domain.StreamID

	// Received counts the dead letters that were replayed. Inserted, Duplicate and Parked count them by their result. Parked
	// dead letters stayed open.
	domain.Counts

	ParkedAgain map[string]int64 // the number of dead letters that stayed open, by their new reason
	Skipped     int64            // selected dead letters that were resolved before they could be replayed

	UnansweredCommits int // COMMITs that got no answer; the report does not count the dead letters of their batches
}

// A Replayer replays dead letters of one stream.
type Replayer struct {
	store    Store
	decoder  domain.Decoder
	observer Observer
	opts     Options
}

// New returns a replayer. The replayer does nothing until Run is called.
func New(store Store, decoder domain.Decoder, observer Observer, opts Options) *Replayer {
	return &Replayer{store: store, decoder: decoder, observer: observer, opts: opts}
}

// Run replays each selected dead letter that is open when Run begins, batch by batch in order of id. It skips dead letters
// that are resolved, and ignores dead letters that are parked later. If the stream lacks one of the selected ids, Run returns
// Invalid and replays nothing.
//
// Each batch is stored as a whole or not at all, and a resolved dead letter is never replayed again. So nothing is lost or
// stored twice, however Run ends. If a COMMIT gets no answer, Run reads the open dead letters again. The database may have
// executed this COMMIT. Then the dead letters that stayed open are replayed a second time, and the report lacks the dead letters
// that were resolved.
//
// When ctx ends, Run ends a wait at once and returns domain.Stopped. But it first completes an attempt to store a batch, which
// takes at most replayTimeout.
//
// The report describes the replay also if Run returns an error.
func (r *Replayer) Run(ctx context.Context) (Report, error) {
	report := Report{Stream: r.opts.Stream, ParkedAgain: map[string]int64{}}
	if err := r.opts.Letters.Validate(); err != nil {
		return report, err
	}
	survey, err := r.survey(ctx)
	if err != nil {
		return report, err
	}
	report.Skipped = survey.Resolved
	r.observer.Surveyed(survey)
	var previous batchResult
	for after := int64(0); after < survey.Last; {
		if ctx.Err() != nil {
			return report, &domain.Error{Kind: domain.Stopped, Code: domain.CodeStopped, Op: "replay dead letters", Err: ctx.Err()}
		}
		letters, err := r.replayBatch(ctx, after, survey.Last, &previous, &report)
		if err != nil {
			return report, err
		}
		if len(letters) == 0 {
			break
		}
		after = letters[len(letters)-1].ID
		r.observer.Replayed(report)
	}
	return report, nil
}

// survey counts the selected dead letters. It returns Invalid if the stream has no dead letter with one of the selected ids.
func (r *Replayer) survey(ctx context.Context) (survey domain.SelectionCount, err error) {
	err = r.opts.Outage.Do(ctx, r.observer.Waiting, func(ctx context.Context) (err error) {
		survey, err = r.store.Survey(ctx, r.opts.Stream, r.opts.Letters)
		return err
	})
	if err == nil && len(survey.Missing) > 0 {
		err = &domain.Error{
			Kind: domain.Invalid, Code: domain.CodeDeadLetterUnknown, Op: "replay dead letters",
			Err:  fmt.Errorf("stream %s has no dead letter of id %s", r.opts.Stream, joinIDs(survey.Missing)),
			Hint: "nothing was replayed", Remedy: domain.ListDeadLetters,
		}
	}
	return survey, err
}

// A batchResult identifies the ledger row of a durable batch.
type batchResult struct {
	pageID int64
	readAt time.Time // when the dead letters of the batch were read
}

// replayBatch reads the next open dead letters, replays them, and returns them. If no more dead letters are open, it returns
// an empty slice. Each attempt reads the dead letters again, because some may have been resolved since the last attempt.
//
// previous is the result of the last batch that wrote something. With it, the store detects that the database was set back
// after that batch. replayBatch replaces it if this batch writes something.
func (r *Replayer) replayBatch(
	ctx context.Context, after, last int64, previous *batchResult, report *Report,
) (letters []domain.DeadLetter, err error) {
	err = r.opts.Outage.Do(ctx, r.observer.Waiting, func(ctx context.Context) (err error) {
		letters, err = r.store.Open(ctx, r.opts.Stream, r.opts.Letters, after, last)
		if err != nil || len(letters) == 0 {
			return err
		}
		readAt := time.Now().Round(time.Microsecond) // PostgreSQL stores times in microseconds
		batch := domain.Redecode(r.opts.Stream, letters, readAt, r.decoder)
		batch.Previous, batch.PreviousReadAt = previous.pageID, previous.readAt
		// A batch that is being stored is not interrupted when ctx ends.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), replayTimeout)
		defer cancel()
		res, err := r.store.Replay(ctx, batch)
		switch {
		case err == nil:
			report.add(len(letters), res)
			if res.PageID != 0 { // the batch wrote something
				*previous = batchResult{pageID: res.PageID, readAt: readAt}
			}
		case domain.KindOf(err) == domain.Uncertain:
			report.UnansweredCommits++
		}
		return err
	})
	return letters, err
}

// joinIDs returns a text for an error: at most 20 of the ids, and the number of the ids that are left out.
func joinIDs(ids []int64) string {
	const maxShown = 20
	var texts []string
	for _, id := range ids[:min(maxShown, len(ids))] {
		texts = append(texts, strconv.FormatInt(id, 10))
	}
	text := strings.Join(texts, ", ")
	if more := len(ids) - len(texts); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// add adds the result of a batch of lettersRead dead letters.
func (r *Report) add(lettersRead int, res domain.ReplayResult) {
	r.Counts = r.Counts.Add(res.Counts)
	r.Skipped += int64(lettersRead) - res.Received // the other dead letters were resolved after they were read
	for reason, n := range res.ParkedAgain {
		r.ParkedAgain[reason] += n
	}
}
