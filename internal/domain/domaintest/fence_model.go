package domaintest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

// A FenceUnderTest gives access to an empty database for a [FenceModel].
type FenceUnderTest struct {
	ReplayUnderTest

	// Kill ends the runner that uses the store, with its connections. The store is not used again.
	Kill func(ctx context.Context, store domain.EventStore) error
	// LoseAnswer makes the next COMMIT of the runner's store end without an answer. If delivers is true, the database carries it out
	// before. The effect ends when cancel is called.
	LoseAnswer func(store domain.EventStore, delivers bool) (cancel func())
	// Reset makes the next run read the stream from the head. It is nil if the database has no such function.
	Reset func(ctx context.Context, stream domain.StreamID) (domain.CheckpointReset, error)
}

// A FenceModel lets two runners of one stream, a replay and an operator take steps in any order. It knows what must be in the database after
// each step, and returns an error if the store does anything else. So it checks the invariants I1 to I6 of package domain.
type FenceModel struct {
	db      FenceUnderTest
	reader  domain.EventStore // reads the checkpoint and never claims
	runners [2]fenceRunner
	holder  *fenceRunner // the runner whose connections keep the other one away; nil if there is none
	state   fenceState
	backup  *fenceBackup         // nil before the first backup
	tokens  map[domain.UUID]bool // of all claims
}

// A fenceRunner is what one process has in memory.
type fenceRunner struct {
	store      domain.EventStore // nil if no process is alive
	checkpoint domain.Checkpoint // as the runner last read it; its epoch is 0 before the first claim
	next       []domain.DecodedPage
	doubt      *fenceDoubt // nil unless a COMMIT was not answered
}

// A fenceDoubt is a batch whose COMMIT was not answered.
type fenceDoubt struct {
	batch    domain.Batch
	happened bool // whether the commit is in the database
}

type fenceBackup struct {
	restore func(context.Context) error
	state   fenceState
}

// ErrNotPossible is the error of a step that is not possible in the present state. It has changed nothing.
var ErrNotPossible = errors.New("the step is not possible")

// A Draw returns a number from 0 to n-1. The label says what for.
type Draw func(label string, n int) int

// NewFenceModel returns a FenceModel on an empty database.
func NewFenceModel(db FenceUnderTest) *FenceModel {
	return &FenceModel{db: db, reader: db.Open(), state: newFenceState(), tokens: map[domain.UUID]bool{}}
}

// Step takes one random step of one actor. It returns an error if the store breaks its contract, or ErrNotPossible.
func (f *FenceModel) Step(ctx context.Context, draw Draw) error {
	const steps = 21
	switch n := draw("step", steps); n {
	case 0:
		return f.backUp(ctx)
	case 1:
		return f.restore(ctx)
	case 2:
		return f.kill(ctx, f.aRunner(draw))
	case 3, 4:
		return f.freeze(ctx, f.aRunner(draw))
	case 5, 6:
		return f.claim(ctx, f.aRunner(draw))
	case 7, 8:
		return f.replay(ctx)
	case 9:
		return f.hold(ctx, f.aRunner(draw), draw)
	case 10:
		return f.reset(ctx)
	default:
		return f.goOn(ctx, f.aRunner(draw), draw)
	}
}

// goOn takes the next step of a runner.
func (f *FenceModel) goOn(ctx context.Context, r *fenceRunner, draw Draw) error {
	switch {
	case r.store == nil || r.checkpoint.Epoch == 0:
		return f.claim(ctx, r)
	case r.doubt != nil:
		return f.lookUp(ctx, r)
	default:
		return f.commit(ctx, r, draw)
	}
}

// Close kills the runners that are alive.
func (f *FenceModel) Close(ctx context.Context) error {
	for i := range f.runners {
		if r := &f.runners[i]; r.store != nil {
			if err := f.end(ctx, r); err != nil {
				return err
			}
		}
	}
	return f.db.Kill(ctx, f.reader)
}

// Check returns an error unless the database holds exactly what it must hold.
func (f *FenceModel) Check(ctx context.Context) error {
	var durable domain.Checkpoint
	err := retryTransient(func() (err error) {
		durable, err = f.reader.Checkpoint(ctx, streamID())
		return err
	})
	if err != nil {
		return err
	}
	if err := f.state.checkCheckpoint(durable); err != nil {
		return err
	}
	return f.state.checkRows(ctx, f.db.StoreUnderTest)
}

// aRunner returns one of the runners.
func (f *FenceModel) aRunner(draw Draw) *fenceRunner {
	return &f.runners[draw("runner", len(f.runners))]
}

// claim claims the stream, with a new process if the runner has none. The other runner keeps it away as long as its connections live.
func (f *FenceModel) claim(ctx context.Context, r *fenceRunner) error {
	if r.store == nil {
		*r = fenceRunner{store: f.db.Open()}
	}
	var claimed domain.Checkpoint
	err := retryTransient(func() (err error) {
		claimed, err = r.store.Claim(ctx, streamID(), sourceURL)
		return err
	})
	if isOther := f.holder != nil && f.holder != r; isOther {
		return wantKind(err, domain.Fenced)
	}
	if err != nil {
		return err
	}
	if f.tokens[claimed.Token] {
		return fmt.Errorf("got token %s a second time", claimed.Token)
	}
	f.tokens[claimed.Token] = true
	if f.state.epoch == 0 {
		f.state.position.Pass = 1
	}
	f.state.epoch, f.state.token = f.state.epoch+1, claimed.Token
	f.holder = r
	*r = fenceRunner{store: r.store, checkpoint: claimed}
	if off := claimed.HeldUntil.Sub(f.state.heldUntil).Abs(); off > time.Minute {
		return fmt.Errorf("got hold until %s, want %s", claimed.HeldUntil, f.state.heldUntil)
	}
	return f.state.checkCheckpoint(claimed)
}

// commit commits pages that follow the runner's checkpoint, or that begin elsewhere (see drawStart), and announces more pages. If the runner is stale,
// the commit must fail. Otherwise the answer may be lost.
func (f *FenceModel) commit(ctx context.Context, r *fenceRunner, draw Draw) error {
	b := domain.Batch{Start: r.checkpoint, Pages: r.next}
	if len(b.Pages) == 0 || draw("other pages", 4) == 0 {
		from, err := f.drawStart(ctx, r, draw)
		if err != nil {
			return err
		}
		b.Pages = drawPages(draw, from)
	}
	if draw("announce", 2) == 0 {
		b.Next = drawPages(draw, b.LastPage().To)
	}
	r.next = b.Next
	want, cancel := f.state.refusal(b.Start), func() {}
	const noAnswer, noDelivery = 1, 2
	fate := draw("answer", 4)
	if want == NoError && (fate == noAnswer || fate == noDelivery) {
		cancel = f.db.LoseAnswer(r.store, fate == noAnswer)
		want = domain.Uncertain
	}
	var res domain.CommitResult
	err := retryTransient(func() (err error) {
		res, err = r.store.Commit(ctx, b)
		return err
	})
	cancel()
	switch want {
	case NoError:
		if err != nil {
			return err
		}
		r.checkpoint = res.Checkpoint
		return errors.Join(wantCounts(res.Counts, f.state.commit(b.Pages)), f.state.checkCheckpoint(res.Checkpoint))
	case domain.Uncertain:
		r.doubt = &fenceDoubt{batch: b, happened: fate == noAnswer}
		if r.doubt.happened {
			f.state.commit(b.Pages)
		}
		return wantKind(err, want)
	default:
		if err := wantKind(err, want); err != nil || len(b.Next) == 0 {
			return err
		}
		return f.end(ctx, r) // so that nothing waits for the announced pages
	}
}

// drawStart returns where the runner's next page begins: mostly at its checkpoint, else at the head in the next pass, or at the start of a
// page that is stored already.
func (f *FenceModel) drawStart(ctx context.Context, r *fenceRunner, draw Draw) (from domain.Position, err error) {
	from = r.checkpoint.Position
	switch draw("start", 8) {
	case 0:
		return from.NextPass(), nil
	case 1:
		var start domain.PageStart
		var found bool
		pages := 1 + draw("pages back", 4)
		err = retryTransient(func() (err error) {
			start, found, err = r.store.StepBack(ctx, streamID(), from.Pass, pages)
			return err
		})
		if !found || err != nil {
			return from, err
		}
		if want := f.state.startOf(from.Pass, pages); start.Offset != want {
			return from, fmt.Errorf("got offset %d of the page %d before the end, want %d", start.Offset, pages, want)
		}
		return from.StepBack(start), nil
	default:
		return from, nil
	}
}

// drawPages returns one to three consecutive pages.
func drawPages(draw Draw, from domain.Position) (pages []domain.DecodedPage) {
	for range 1 + draw("pages", 3) {
		const minSize = 2 // see fenceRecordAt
		page := fencePage(from, minSize+draw("records", 4))
		pages, from = append(pages, page), page.To
	}
	return pages
}

// lookUp reads the checkpoint to learn whether a COMMIT without an answer happened.
func (f *FenceModel) lookUp(ctx context.Context, r *fenceRunner) error {
	var durable domain.Checkpoint
	err := retryTransient(func() (err error) {
		durable, err = r.store.Checkpoint(ctx, streamID())
		return err
	})
	if err != nil {
		return err
	}
	if err := f.state.checkCheckpoint(durable); err != nil {
		return err
	}
	b, happened := r.doubt.batch, r.doubt.happened
	target := b.Start
	target.Seq, target.Position = b.TargetSeq(), b.LastPage().To
	r.doubt = nil
	switch {
	case target.CheckMove(durable) == nil:
		if !happened {
			return fmt.Errorf("the checkpoint %+v says that a commit happened, want that it did not", durable)
		}
		r.checkpoint = durable
		return wantCounts(durable.Sub(b.Start.Counts), f.countsOf(b))
	case b.Start.CheckMove(durable) == nil:
		r.next = nil
		return nil // it did not happen, or a restore has undone it
	default:
		return errors.Join(wantKind(b.Start.CheckMove(durable), f.state.refusal(b.Start)), f.end(ctx, r))
	}
}

// countsOf returns the counts in the ledger of the batch's pages, which are the last ones.
func (f *FenceModel) countsOf(b domain.Batch) (total domain.Counts) {
	for _, row := range f.state.ledger {
		if row.kind == "page" && row.seq > b.Start.Seq {
			total = total.Add(row.counts)
		}
	}
	return total
}

func (f *FenceModel) hold(ctx context.Context, r *fenceRunner, draw Draw) error {
	if r.store == nil || r.checkpoint.Epoch == 0 {
		return ErrNotPossible
	}
	until := time.Now().Add(time.Duration(1+draw("hours", 9)) * time.Hour)
	err := retryTransient(func() error { return r.store.Hold(ctx, r.checkpoint, until) })
	if want := f.state.claimRefusal(r.checkpoint); want != NoError {
		return wantKind(err, want)
	}
	f.state.heldUntil = until
	return err
}

func (f *FenceModel) kill(ctx context.Context, r *fenceRunner) error {
	if r.store == nil {
		return ErrNotPossible
	}
	return f.end(ctx, r)
}

func (f *FenceModel) end(ctx context.Context, r *fenceRunner) error {
	store := r.store
	*r = fenceRunner{}
	if f.holder == r {
		f.holder = nil
	}
	return f.db.Kill(ctx, store)
}

// freeze ends the connections of a runner, as the server does if the runner's machine is silent for long. The runner goes on at any later
// step and does not know.
func (f *FenceModel) freeze(ctx context.Context, r *fenceRunner) error {
	if r.store == nil {
		return ErrNotPossible
	}
	if f.holder == r {
		f.holder = nil
	}
	return f.db.CutConnections(ctx, r.store)
}

// replay decodes all open dead letters again, beside the runners.
func (f *FenceModel) replay(ctx context.Context) error {
	if f.state.epoch == 0 {
		return ErrNotPossible
	}
	letters, err := f.db.ReplayStore.Open(ctx, streamID(), domain.DeadLetterSelection{}, 0, math.MaxInt64)
	if err != nil || len(letters) == 0 {
		return err
	}
	res, err := f.db.ReplayStore.Replay(ctx, domain.Redecode(streamID(), letters, time.Now(), fenceDecoder{}))
	if err != nil {
		return err
	}
	return wantCounts(res.Counts, f.state.replay())
}

// reset moves the checkpoint to the head of the next pass, unless a runner has the stream.
func (f *FenceModel) reset(ctx context.Context) error {
	if f.db.Reset == nil || f.state.epoch == 0 {
		return ErrNotPossible
	}
	reset, err := f.db.Reset(ctx, streamID())
	if f.holder != nil {
		return wantKind(err, domain.Fenced)
	}
	if err != nil {
		return err
	}
	f.state.reset(reset.After.Token)
	f.tokens[reset.After.Token] = true
	return f.state.checkCheckpoint(reset.After)
}

func (f *FenceModel) backUp(ctx context.Context) error {
	restore, err := f.db.Backup(ctx)
	f.backup = &fenceBackup{restore, f.state.clone()}
	return err
}

// restore sets the database back to the backup, while the runners are alive. Their connections end.
func (f *FenceModel) restore(ctx context.Context) error {
	if f.backup == nil {
		return ErrNotPossible
	}
	backup := f.backup
	f.backup, f.state, f.holder = nil, backup.state, nil
	return backup.restore(ctx)
}
