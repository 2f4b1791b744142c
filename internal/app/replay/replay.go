// Package replay is the use case that gives dead letters another chance: they are decoded with today's code, and what has
// become an event is stored. It needs no API.
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

// replayTimeout bounds one attempt to store a batch, and how long a replay that was told to stop goes on with it.
const replayTimeout = 90 * time.Second

// Options are what is to be replayed.
type Options struct {
	Stream  domain.StreamID
	Letters domain.DeadLetterSelection
	Retry   retry.Policy // for the survey, and for each batch
}

// A Replayer replays letters of one stream.
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

// Run replays the letters that are chosen and open when it begins, batch by batch in order of id, so that each is replayed
// once: what is parked again, or parked meanwhile, is for the next replay. Ids that the stream does not have are Invalid,
// and nothing is replayed; those that are resolved are skipped.
//
// Nothing of it is lost or done twice, whatever ends it: a batch is stored whole or not at all, and a letter that is
// resolved is not replayed again. So a COMMIT that was not answered needs no settling: the letters that are still open are
// read again. Those that it parked again are then replayed once more, and what it stored is not in the report.
//
// When ctx ends, waits end at once, while an attempt to store is not cut short: the batch in hand is stored or cleanly
// rolled back. With an error, whose kind says what is to be done, Run returns what it did until then.
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
	for after := int64(0); after < survey.Last; {
		if ctx.Err() != nil {
			return report, &domain.Error{Kind: domain.Stopped, Op: "replay dead letters", Err: ctx.Err()}
		}
		read, err := r.batch(ctx, after, survey.Last, &report)
		if err != nil {
			return report, err
		}
		if len(read) == 0 {
			break
		}
		after = read[len(read)-1].ID
		r.observer.Replayed(report)
	}
	return report, nil
}

// survey refuses ids there are not, before anything is replayed.
func (r *Replayer) survey(ctx context.Context) (survey domain.SelectionCount, err error) {
	err = r.opts.Retry.Do(ctx, r.observer.Waiting, func(ctx context.Context) (err error) {
		survey, err = r.store.Survey(ctx, r.opts.Stream, r.opts.Letters)
		return err
	})
	if err == nil && len(survey.Missing) > 0 {
		err = &domain.Error{
			Kind: domain.Invalid, Op: "replay dead letters",
			Err:  fmt.Errorf("stream %s has no dead letter of id %s", r.opts.Stream, listed(survey.Missing)),
			Hint: "nothing was replayed", Remedy: domain.ListDeadLetters,
		}
	}
	return survey, err
}

// batch reads the next open letters and replays them; what it read is empty when there are no more. A failure is answered
// by reading anew, since some of them may be resolved by now.
func (r *Replayer) batch(ctx context.Context, after, last int64, report *Report) (letters []domain.DeadLetter, err error) {
	err = r.opts.Retry.Do(ctx, r.observer.Waiting, func(ctx context.Context) (err error) {
		if letters, err = r.store.Open(ctx, r.opts.Stream, r.opts.Letters, after, last); err != nil || len(letters) == 0 {
			return err
		}
		again := domain.Redecode(r.opts.Stream, letters, time.Now(), r.decoder)
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), replayTimeout)
		defer cancel()
		res, err := r.store.Replay(ctx, again)
		switch {
		case err == nil:
			report.add(len(letters), res)
		case domain.KindOf(err) == domain.Uncertain:
			report.Unanswered++
		}
		return err
	})
	return letters, err
}

// listed names the first of some ids.
func listed(ids []int64) string {
	const most = 20
	var texts []string
	for _, id := range ids[:min(most, len(ids))] {
		texts = append(texts, strconv.FormatInt(id, 10))
	}
	text := strings.Join(texts, ", ")
	if more := len(ids) - len(texts); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
