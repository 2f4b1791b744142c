package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pawldata/pawl/internal/adapters/postgres/internal/conn"
	"github.com/pawldata/pawl/internal/adapters/postgres/internal/dbsqlc"
	"github.com/pawldata/pawl/internal/domain"
)

// A bisection finds the events that PostgreSQL refuses in a statement. It tries all events together and splits each part that
// is refused into halves, down to single events. It sends the parts of one round without waiting for answers in between. So
// on a distant database the number of round trips grows with the logarithm of the number of events, even if all are refused.
//
// It works inside a transaction, in which it uses savepoints, so that the transaction stays usable after an error.
type bisection struct {
	conn      *pgx.Conn
	statement func(context.Context, []domain.DecodedEvent) statement // returns the statement for events; it sends nothing
	progress  func()                                                 // called for each part that is answered
	limit     *rejectLimit                                           // may end the bisection early; nil for no limit
	refused   []domain.Reject                                        // found so far, in no order
}

// A part is a run of events that one statement carries.
type part struct {
	events   []domain.DecodedEvent
	accepted bool // PostgreSQL accepted it when it was tried alone
}

// An answer is PostgreSQL's answer to a part.
type answer struct {
	inserted int64
	refusal  error // Unstorable; nil if the part was accepted
}

// insert inserts the events that PostgreSQL accepts, in order, and returns how many of them were not stored yet. It adds the
// others to b.refused. Parts that are accepted alone may still be refused together, by a constraint that compares rows: then
// the bisection continues.
func (b *bisection) insert(ctx context.Context, events []domain.DecodedEvent) (inserted int64, err error) {
	parts := initialParts(events)
	for {
		if parts, err = b.bisect(ctx, parts); err != nil || len(parts) == 0 {
			return 0, err
		}
		if err := b.exec(ctx, "SAVEPOINT whole"); err != nil {
			return 0, err
		}
		answers, err := b.try(ctx, parts, true)
		if err != nil {
			return 0, err
		}
		if !slices.ContainsFunc(answers, func(a answer) bool { return a.refusal != nil }) {
			for _, a := range answers {
				inserted += a.inserted
			}
			return inserted, b.exec(ctx, "RELEASE SAVEPOINT whole")
		}
		if err := b.exec(ctx, "ROLLBACK TO SAVEPOINT whole; RELEASE SAVEPOINT whole"); err != nil {
			return 0, err
		}
		parts = b.splitRefused(parts, answers)
	}
}

// findAccepted returns the events that PostgreSQL accepts, in order, and adds the others to b.refused. It rolls back what the
// statement did.
func (b *bisection) findAccepted(ctx context.Context, events []domain.DecodedEvent) (accepted []domain.DecodedEvent, err error) {
	parts, err := b.bisect(ctx, initialParts(events))
	for _, p := range parts {
		accepted = append(accepted, p.events...)
	}
	return accepted, err
}

// initialParts returns the parts of the first round: as large as a statement may be.
func initialParts(events []domain.DecodedEvent) (parts []part) {
	for chunk := range chunkBySize(events, eventSize) {
		parts = append(parts, part{events: chunk})
	}
	return parts
}

// bisect tries parts, and splits the refused ones, until PostgreSQL accepts each part that is left. It returns these parts, in
// order. It returns an error as soon as b.limit is exceeded. It leaves no rows in the database.
func (b *bisection) bisect(ctx context.Context, parts []part) ([]part, error) {
	for {
		if err := b.limit.check(ctx, b.refused); err != nil {
			return nil, err
		}
		var untried []part
		for _, p := range parts {
			if !p.accepted {
				untried = append(untried, p)
			}
		}
		if len(untried) == 0 {
			return parts, nil
		}
		answers, err := b.try(ctx, untried[:b.limit.maxParts(len(untried))], false)
		if err != nil {
			return nil, err
		}
		var next []part
		for _, p := range parts {
			if p.accepted || len(answers) == 0 {
				next = append(next, p)
				continue
			}
			next = append(next, b.splitRefused([]part{p}, answers[:1])...)
			answers = answers[1:]
		}
		parts = next
	}
}

// splitRefused replaces each refused part by its halves. It moves a refused single event to b.refused.
func (b *bisection) splitRefused(parts []part, answers []answer) (next []part) {
	for i, p := range parts {
		refusal, half := answers[i].refusal, len(p.events)/2
		switch {
		case refusal == nil:
			next = append(next, part{p.events, true})
		case half == 0:
			b.refused = append(b.refused, unstorableReject(p.events[0], refusal))
		default:
			next = append(next, part{events: p.events[:half]}, part{events: p.events[half:]})
		}
	}
	return next
}

func unstorableReject(e domain.DecodedEvent, err error) domain.Reject {
	return domain.Reject{Record: e.Record, Why: domain.Rejection{
		ID: e.ID, Reason: domain.ReasonUnstorable, Detail: "PostgreSQL refuses it: " + domain.AsError(err).Err.Error(),
	}}
}

// maxQueuedBytes bounds the values that wait in memory before they are written to the connection.
const maxQueuedBytes = 1 << 20

// try sends the parts one after another, in one round trip, and returns an answer for each. With advanceSavepoint the effect
// of each part stays. Otherwise it is rolled back before the next part.
func (b *bisection) try(ctx context.Context, parts []part, advanceSavepoint bool) ([]answer, error) {
	pg := b.conn.PgConn()
	described, err := pg.Prepare(ctx, "", b.statement(ctx, parts[0].events).sql, nil)
	if err != nil {
		return nil, err
	}
	pipeline := pg.StartPipeline(ctx)
	send := func(sql string) { pipeline.SendQueryParams(sql, nil, nil, nil, nil) }
	send("SAVEPOINT part")
	var builder pgx.ExtendedQueryBuilder
	queued := 0
	for i, p := range parts {
		if i > 0 {
			send("ROLLBACK TO SAVEPOINT part")
		}
		s := b.statement(ctx, p.events)
		if err := builder.Build(b.conn.TypeMap(), described, s.args); err != nil {
			return nil, errors.Join(err, pipeline.Close())
		}
		pipeline.SendQueryParams(s.sql, builder.ParamValues, described.ParamOIDs, builder.ParamFormats, builder.ResultFormats)
		if advanceSavepoint {
			send("RELEASE SAVEPOINT part")
			send("SAVEPOINT part")
		}
		pipeline.SendPipelineSync() // after an error the server skips to here
		for _, value := range builder.ParamValues {
			queued += len(value)
		}
		if queued >= maxQueuedBytes {
			if err := pipeline.Flush(); err != nil {
				return nil, errors.Join(err, pipeline.Close())
			}
			queued = 0
		}
	}
	send("ROLLBACK TO SAVEPOINT part")
	send("RELEASE SAVEPOINT part")
	if err := pipeline.Sync(); err != nil {
		return nil, errors.Join(err, pipeline.Close())
	}
	answers, err := b.receive(pipeline, len(parts)+1)
	if err := errors.Join(err, pipeline.Close()); err != nil {
		return nil, err
	}
	return answers[:len(parts)], answers[len(parts)].refusal
}

// receive reads the answers up to the given number of synchronisation points. It returns an error if PostgreSQL reports one
// that is not about a value of an event.
func (b *bisection) receive(pipeline *pgconn.Pipeline, syncs int) (answers []answer, err error) {
	var current answer
	for len(answers) < syncs {
		results, err := pipeline.GetResults()
		switch results := results.(type) {
		case *pgconn.ResultReader:
			var tag pgconn.CommandTag
			if tag, err = results.Close(); err == nil && tag.Insert() {
				current.inserted = tag.RowsAffected()
			}
		case *pgconn.PipelineSync:
			answers, current = append(answers, current), answer{}
			b.progress()
		case nil:
			if err == nil {
				return nil, io.ErrUnexpectedEOF
			}
		}
		if err == nil {
			continue
		}
		if current.refusal = conn.ClassifyRow(err); domain.KindOf(current.refusal) != domain.Unstorable {
			return nil, err
		}
	}
	return answers, nil
}

func (b *bisection) exec(ctx context.Context, sql string) error {
	_, err := b.conn.Exec(ctx, sql)
	return err
}

// A statement is generated SQL with its arguments.
type statement struct {
	sql  string
	args []any
}

// insertStatement returns a function that returns the statement of EventInsertMany for events.
func insertStatement(pageID int64) func(context.Context, []domain.DecodedEvent) statement {
	return func(ctx context.Context, events []domain.DecodedEvent) statement {
		var s statement
		_, _ = dbsqlc.New(&s).EventInsertMany(ctx, toColumns(pageID, events)) // it always returns errRecorded
		return s
	}
}

// compareStatement returns the statement of EventCompare for events.
func compareStatement(ctx context.Context, events []domain.DecodedEvent) statement {
	var s statement
	_, _ = dbsqlc.New(&s).EventCompare(ctx, toCompareParams(events)) // it always returns errRecorded
	return s
}

// errRecorded is the error of a generated query whose statement was recorded and not sent.
var errRecorded = errors.New("recorded, not sent")

// Exec implements dbsqlc.DBTX. It records the statement.
func (s *statement) Exec(_ context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	s.sql, s.args = sql, args
	return pgconn.CommandTag{}, errRecorded
}

// Query implements dbsqlc.DBTX. It records the statement.
func (s *statement) Query(_ context.Context, sql string, args ...any) (pgx.Rows, error) {
	s.sql, s.args = sql, args
	return nil, errRecorded
}

// QueryRow implements dbsqlc.DBTX. No statement of a bisection uses it.
func (s *statement) QueryRow(context.Context, string, ...any) pgx.Row { return nil }

// A rejectLimit ends the bisection of a page as soon as the page is certain to be rejected, because it would add more than
// page.MaxParked dead letters. Records that have a dead letter already add none, for example on a page that is read again.
//
// As long as no record is known to have a dead letter already, each round tries only a few parts. So it reaches single events
// without trying the rest of the page.
//
// A nil *rejectLimit sets no limit.
type rejectLimit struct {
	writer *writer
	page   domain.DecodedPage

	checked    int  // number of rejects that were looked up in the database
	newLetters int  // number of dead letters that these would add
	someKnown  bool // some of these have a dead letter already
}

// maxParts returns how many of the untried parts the next round may try. A page with at most MaxParked refused events has at
// most as many refused parts, and so twice as many halves. MaxParked+1 refused parts prove that the page is rejected.
func (l *rejectLimit) maxParts(untried int) int {
	if l == nil || l.someKnown {
		return untried
	}
	return min(untried, 2*(l.page.MaxParked+1))
}

// check returns TooManyRejects if the page would add too many dead letters for the decoder's rejects and the given refused
// events. It queries the database only if the limit would be exceeded with all rejects that were not looked up yet.
func (l *rejectLimit) check(ctx context.Context, refused []domain.Reject) error {
	if l == nil {
		return nil
	}
	found := len(l.page.Rejects) + len(refused)
	unchecked := found - l.checked
	if l.newLetters+unchecked <= l.page.MaxParked {
		return nil
	}
	added, err := l.writer.findNewRejects(ctx, l.page, slices.Concat(l.page.Rejects, refused))
	if err != nil {
		return err
	}
	l.checked, l.newLetters = found, len(added)
	l.someKnown = true // more rejects than MaxParked but no error below: some have a dead letter
	if err := l.page.CheckRejectRatio(added); err != nil {
		return fmt.Errorf("the rest of the page was not tried: %w", err)
	}
	return nil
}
