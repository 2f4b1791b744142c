// Package replay decodes dead letters again with the current decoder, and stores those that have become events. It needs no
// API.
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

// replayTimeout limits one attempt to store a batch. After ctx has ended an attempt continues for at most that time.
const replayTimeout = 90 * time.Second

// Options select the dead letters to replay.
type Options struct {
	Stream  domain.StreamID
	Letters domain.DeadLetterSelection
	Retry   retry.Policy // for the survey, and for each batch
}

// A Store holds dead letters and events. Each method makes one attempt.
type Store interface {
	// Survey counts the dead letters of a selection. If the stream was never claimed the error is Invalid.
	Survey(ctx context.Context, stream domain.StreamID, chosen domain.DeadLetterSelection) (domain.SelectionCount, error)

	// Open reads open dead letters of the selection with an id greater than after and at most last, in order of id, with
	// their payloads. The store limits their number and bytes to what is suitable for one Replay. It returns at least one if
	// there is any.
	Open(ctx context.Context, stream domain.StreamID, chosen domain.DeadLetterSelection, after, last int64) ([]domain.DeadLetter, error)

	// Replay stores a batch's events. It resolves the dead letters whose event is stored by it (replayed) or was stored with
	// the same values before (duplicate). The others stay open with their new reason: rejected by the decoder, refused by
	// the database, or in conflict with the stored event.
	//
	// It does so in one transaction with one ledger row of its own, all or nothing. A run and other replays may write at the
	// same time; they wait for the transaction and are not disturbed otherwise. The checkpoint does not change. Dead letters
	// that were resolved meanwhile are left out; if none is left Replay writes nothing.
	//
	// SetBack: the ledger has no row of batch.Previous any more, and nothing was written. The database was set back since.
	//
	// Transient: nothing was written. Uncertain: the connection or ctx ended between COMMIT and its answer. In both cases the
	// dead letters that are open now may be read and replayed again: resolved ones stay as they are, and those that were
	// parked again merely count one replay more. Replay reads the batch until it returns, and keeps nothing of it.
	Replay(ctx context.Context, batch domain.Replay) (domain.ReplayResult, error)
}

// An Observer is called for each step, in order and from the goroutine of Run. Run waits for it, so it must be quick.
type Observer interface {
	// Surveyed is called once, with the count of what will be replayed.
	Surveyed(survey domain.SelectionCount)
	// Waiting is called when nothing will happen until w.Until, because of w.Err.
	Waiting(w retry.Wait)
	// Replayed is called when one more batch is durable, with the report until then.
	Replayed(report Report)
}

// A Report counts what a replay did.
type Report struct {
	Stream domain.StreamID

	domain.Counts                  // of the dead letters replayed; Parked are those parked again
	Again         map[string]int64 // number of those, by their new reason

	Skipped    int64 // selected, but resolved already or meanwhile
	Unanswered int   // COMMITs without an answer; their effect is not counted here
}

// A Replayer replays dead letters of one stream.
type Replayer struct {
	store    Store
	decoder  domain.Decoder
	observer Observer
	opts     Options
}

// New returns a replayer. It does nothing until Run.
func New(store Store, decoder domain.Decoder, observer Observer, opts Options) *Replayer {
	return &Replayer{store: store, decoder: decoder, observer: observer, opts: opts}
}

// Run replays the selected dead letters that are open when it begins, batch by batch in order of id. It replays each once:
// those that are parked again, or parked meanwhile, are left to the next replay. If the stream lacks one of the selected
// ids, the error is Invalid and nothing is replayed. Resolved dead letters are skipped.
//
// However Run ends, nothing is lost or done twice: a batch is stored whole or not at all, and a resolved dead letter is
// not replayed again. So after a COMMIT without an answer Run just reads the open dead letters again. Those that the
// COMMIT parked again are then replayed once more, and what it stored is not in the report.
//
// When ctx ends, waits end at once. An attempt to store is not interrupted: the current batch is stored or cleanly rolled
// back. With an error, whose kind says what to do, Run returns the report until then.
func (r *Replayer) Run(ctx context.Context) (Report, error) {
	report := Report{Stream: r.opts.Stream, Again: map[string]int64{}}
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
			return report, &domain.Error{Kind: domain.Stopped, Op: "replay dead letters", Err: ctx.Err()}
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

// survey counts the selected dead letters. It returns Invalid if an id does not exist.
func (r *Replayer) survey(ctx context.Context) (survey domain.SelectionCount, err error) {
	err = r.opts.Retry.Do(ctx, r.observer.Waiting, func(ctx context.Context) (err error) {
		survey, err = r.store.Survey(ctx, r.opts.Stream, r.opts.Letters)
		return err
	})
	if err == nil && len(survey.Missing) > 0 {
		err = &domain.Error{
			Kind: domain.Invalid, Op: "replay dead letters",
			Err:  fmt.Errorf("stream %s has no dead letter of id %s", r.opts.Stream, joinIDs(survey.Missing)),
			Hint: "nothing was replayed", Remedy: domain.ListDeadLetters,
		}
	}
	return survey, err
}

// A batchResult names the ledger row of a batch that is durable.
type batchResult struct {
	pageID int64
	readAt time.Time
}

// replayBatch reads the next open dead letters, replays them, and returns them; it returns none if there are no more. Each
// attempt reads them again, since some may be resolved meanwhile. previous is the last batch that wrote something: if the
// database was set back since, the store refuses the next one.
func (r *Replayer) replayBatch(
	ctx context.Context, after, last int64, previous *batchResult, report *Report,
) (letters []domain.DeadLetter, err error) {
	err = r.opts.Retry.Do(ctx, r.observer.Waiting, func(ctx context.Context) (err error) {
		if letters, err = r.store.Open(ctx, r.opts.Stream, r.opts.Letters, after, last); err != nil || len(letters) == 0 {
			return err
		}
		batch := domain.Redecode(r.opts.Stream, letters, time.Now().Round(time.Microsecond), r.decoder) // as PostgreSQL stores it
		batch.Previous, batch.PreviousReadAt = previous.pageID, previous.readAt
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), replayTimeout)
		defer cancel()
		res, err := r.store.Replay(ctx, batch)
		switch {
		case err == nil:
			report.add(len(letters), res)
			if res.PageID != 0 {
				*previous = batchResult{res.PageID, batch.ReadAt}
			}
		case domain.KindOf(err) == domain.Uncertain:
			report.Unanswered++
		}
		return err
	})
	return letters, err
}

// joinIDs joins the first of some ids for a message.
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

func (r *Report) add(read int, res domain.ReplayResult) {
	r.Counts = r.Counts.Add(res.Counts)
	r.Skipped += int64(read) - res.Received
	for reason, n := range res.Again {
		r.Again[reason] += n
	}
}
