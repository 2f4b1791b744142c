package postgres

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pawldata/pawl/internal/adapters/postgres/internal/conn"
	"github.com/pawldata/pawl/internal/adapters/postgres/internal/dbsqlc"
	"github.com/pawldata/pawl/internal/domain"
)

// A RunnerProfile says which process a store's runner is.
type RunnerProfile struct {
	domain.RunnerIdentity

	// Warn is called once if the database refuses the runner's reports, for example because a privilege is missing. The run goes on
	// without them. Warn is called from a goroutine of the store.
	Warn func(problem string, cause error)
}

// SetState sets what the runner does. The store writes it into the table of runners a moment later, from a goroutine of its own, if the
// stream is claimed. SetState does not wait for the database. It may be called from any goroutine, before Close.
func (s *Store) SetState(state domain.RunnerState) { s.row.setState(state) }

// A runnerRow holds what the table of runners should say about a runner.
type runnerRow struct {
	profile  RunnerProfile
	holder   domain.UUID   // names this process in the table, if it has a lease
	leaseFor time.Duration // how long each report extends the lease; 0 without a lease; set before the first report
	changed  chan struct{} // holds one element if the state has changed since the last report

	mu     sync.Mutex
	claim  domain.Checkpoint // the last claim; its epoch is 0 before the first claim
	state  domain.RunnerState
	warned bool
}

func newRunnerRow(profile RunnerProfile) *runnerRow {
	return &runnerRow{
		profile: profile, holder: newHolder(), changed: make(chan struct{}, 1), state: domain.RunnerState{Activity: domain.ActivityWorking},
	}
}

// setClaim makes further reports belong to a claim.
func (r *runnerRow) setClaim(claim domain.Checkpoint) { r.update(func() { r.claim = claim }) }

func (r *runnerRow) setState(state domain.RunnerState) { r.update(func() { r.state = state }) }

// update changes the row and asks for a report.
func (r *runnerRow) update(change func()) {
	r.mu.Lock()
	change()
	r.mu.Unlock()
	select {
	case r.changed <- struct{}{}:
	default: // a report was asked for already
	}
}

// A reportSender runs a query on a connection of the heartbeat.
type reportSender func(context.Context, conn.Query) error

// write writes the row, or runs a statement without an effect if no stream is claimed yet. If the row belongs to the claim of another runner,
// it stays as it is. write returns no error, because the runner needs no report to go on, and the next report may succeed. If the database
// refuses the row, write warns once.
func (r *runnerRow) write(ctx context.Context, send reportSender) {
	r.mu.Lock()
	claim := r.claim
	r.mu.Unlock()
	if claim.Epoch == 0 {
		_ = send(ctx, func(q *dbsqlc.Queries) error {
			_, err := q.SessionBackend(ctx)
			return err
		})
		return
	}
	params := r.paramsOf(claim)
	err := send(ctx, func(q *dbsqlc.Queries) error { return q.RunnerReport(ctx, params) })
	answer, isAnswer := errors.AsType[*pgconn.PgError](err)
	const accessRuleViolation = "42" // the class of SQLSTATEs for a missing privilege, table or column
	if !isAnswer || !strings.HasPrefix(answer.Code, accessRuleViolation) {
		return // after any other error the next report may succeed
	}
	r.mu.Lock()
	isFirst := !r.warned
	r.warned = true
	r.mu.Unlock()
	if isFirst && r.profile.Warn != nil {
		r.profile.Warn("other programs cannot see what this run does", conn.Classify("write into the table runners", err))
	}
}

// finish ends the lease, if there is one. If the run has failed and the stream has no page, finish also forgets the stream, so that a first
// run with a wrong setting leaves no empty stream behind. The row stays, with the error. An error does no harm: the lease ends by itself,
// and the next run continues an empty stream.
func (r *runnerRow) finish(ctx context.Context, send reportSender) {
	r.mu.Lock()
	claim, hasFailed := r.claim, r.state.Activity == domain.ActivityFailed
	r.mu.Unlock()
	if r.leaseFor > 0 {
		_ = send(ctx, func(q *dbsqlc.Queries) error {
			return q.RunnerReleaseLease(ctx, dbsqlc.RunnerReleaseLeaseParams{Stream: claim.Stream.String(), Holder: r.holder})
		})
	}
	if hasFailed {
		_ = send(ctx, func(q *dbsqlc.Queries) error {
			return q.CheckpointForgetEmpty(ctx, dbsqlc.CheckpointForgetEmptyParams{Stream: claim.Stream.String(), Token: claim.Token})
		})
	}
}

// maxLastError bounds the text of the last error, in bytes.
const maxLastError = 1000

// paramsOf returns the row as it should be now for a claim.
func (r *runnerRow) paramsOf(claim domain.Checkpoint) dbsqlc.RunnerReportParams {
	r.mu.Lock()
	defer r.mu.Unlock()
	params := dbsqlc.RunnerReportParams{
		Host: r.profile.Host, Pid: int64(r.profile.PID), Version: r.profile.Version, State: string(r.state.Activity),
		Stream: claim.Stream.String(), Token: claim.Token, LastError: toText(r.state.LastError, maxLastError),
	}
	if until := r.state.Until; !until.IsZero() {
		wait := time.Until(until).Milliseconds()
		params.WaitMs = &wait
	}
	if at := r.state.LastErrorAt; !at.IsZero() {
		age := time.Since(at).Milliseconds()
		params.ErrorAgeMs = &age
	}
	if r.leaseFor > 0 {
		leaseMs := r.leaseFor.Milliseconds()
		params.Holder, params.LeaseMs = &r.holder, &leaseMs
	}
	return params
}

// toText returns the beginning of text, at most maxBytes long, without what PostgreSQL cannot store in a column of text.
func toText(text string, maxBytes int) string {
	text = text[:min(len(text), maxBytes)]
	return strings.ReplaceAll(strings.ToValidUTF8(text, ""), "\x00", "")
}
