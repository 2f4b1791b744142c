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

// A bisection finds the events that PostgreSQL refuses in a statement. It first tries all events together. Then it splits each
// refused part into halves and tries the halves, until the refused parts are single events.
//
// It sends all parts of one round before it waits for the answers. So the number of round trips grows only with the logarithm
// of the number of events, even if PostgreSQL refuses all of them.
//
// A bisection works inside a transaction. It uses savepoints, so that the transaction stays usable after an error.
type bisection struct {
	conn          *pgx.Conn
	makeStatement func(context.Context, []domain.DecodedEvent) statement // returns the statement for events; it sends nothing
	progress      func()                                                 // called for each answer
	limit         *rejectLimit                                           // may end the bisection early; nil for no limit
	refused       []domain.Reject                                        // the refused events found so far, in no order
}

// A part has consecutive events, which are sent in one statement.
type part struct {
	events   []domain.DecodedEvent
	accepted bool // PostgreSQL accepted the part when it was tried last
}

// An answer is PostgreSQL's answer to the statement of a part.
type answer struct {
	inserted int64 // number of inserted rows
	refusal  error // of kind Unstorable; nil if PostgreSQL accepted the part
}

// insert inserts the events that PostgreSQL accepts, in order, and adds the others to b.refused. It returns the number of inserted
// events, which does not include events that were stored already.
//
// It first finds the parts that PostgreSQL accepts alone, and then inserts all of them. A constraint that compares rows, such as
// an exclusion constraint, may refuse a part after another one was inserted. Then insert rolls back, splits the refused parts and
// begins again.
func (b *bisection) insert(ctx context.Context, events []domain.DecodedEvent) (inserted int64, err error) {
	parts := initialParts(events)
	for {
		if parts, err = b.bisect(ctx, parts); err != nil || len(parts) == 0 {
			return 0, err
		}
		if err := b.exec(ctx, "SAVEPOINT whole"); err != nil {
			return 0, err
		}
		answers, err := b.try(ctx, parts, keepEffects)
		if err != nil {
			return 0, err
		}
		if !slices.ContainsFunc(answers, answer.isRefusal) {
			for _, a := range answers {
				inserted += a.inserted
			}
			return inserted, b.exec(ctx, "RELEASE SAVEPOINT whole")
		}
		if err := b.exec(ctx, "ROLLBACK TO SAVEPOINT whole; RELEASE SAVEPOINT whole"); err != nil {
			return 0, err
		}
		var next []part
		for i, p := range parts {
			next = append(next, b.nextParts(p, answers[i])...)
		}
		parts = next
	}
}

// findAccepted returns the events that PostgreSQL accepts, in order, and adds the others to b.refused. It rolls back the effects
// of the statements.
func (b *bisection) findAccepted(ctx context.Context, events []domain.DecodedEvent) (accepted []domain.DecodedEvent, err error) {
	parts, err := b.bisect(ctx, initialParts(events))
	for _, p := range parts {
		accepted = append(accepted, p.events...)
	}
	return accepted, err
}

// initialParts returns the parts of the first round. Each is as large as a statement may be.
func initialParts(events []domain.DecodedEvent) (parts []part) {
	for chunk := range chunkBySize(events, eventSize) {
		parts = append(parts, part{events: chunk})
	}
	return parts
}

// bisect tries parts and splits the refused ones, until PostgreSQL accepts each part that is left. It returns these parts, in
// order. It returns TooManyRejects as soon as b.limit is exceeded. It rolls back the effects of all parts.
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
		toTry := untried[:b.limit.maxParts(len(untried))]
		answers, err := b.try(ctx, toTry, rollBackEffects)
		if err != nil {
			return nil, err
		}
		var next []part
		for _, p := range parts { // the answers are in the order of the untried parts
			wasTried := !p.accepted && len(answers) > 0
			if !wasTried {
				next = append(next, p)
				continue
			}
			next = append(next, b.nextParts(p, answers[0])...)
			answers = answers[1:]
		}
		parts = next
	}
}

// nextParts returns the parts that replace p in the next round: an accepted part stays, and a refused part is split into its two
// halves. If a refused part is a single event, nextParts adds the event to b.refused and returns nothing.
func (b *bisection) nextParts(p part, a answer) []part {
	half := len(p.events) / 2
	switch {
	case !a.isRefusal():
		return []part{{events: p.events, accepted: true}}
	case len(p.events) == 1:
		b.refused = append(b.refused, unstorableReject(p.events[0], a.refusal))
		return nil
	default:
		return []part{{events: p.events[:half]}, {events: p.events[half:]}}
	}
}

func (a answer) isRefusal() bool { return a.refusal != nil }

func unstorableReject(e domain.DecodedEvent, err error) domain.Reject {
	return domain.Reject{Record: e.Record, Why: domain.Rejection{
		ID: e.ID, Reason: domain.ReasonUnstorable, Detail: "PostgreSQL refuses it: " + domain.AsError(err).Err.Error(),
	}}
}

// maxQueuedBytes bounds the values that wait in memory before they are written to the connection.
const maxQueuedBytes = 1 << 20

// A partEffects says what try does with the rows that an accepted part has inserted.
type partEffects int

const (
	rollBackEffects partEffects = iota // try rolls them back before the next part
	keepEffects                        // they stay in the transaction
)

// try sends the statements of all parts in one round trip, after another one for Prepare. It returns one answer for each part. A
// refused part has no effect on the transaction. There must be at least one part.
//
// Each part runs after SAVEPOINT part, and is rolled back to it. With keepEffects, a new savepoint after the part replaces the old
// one, so that the rollback keeps the part.
func (b *bisection) try(ctx context.Context, parts []part, effects partEffects) ([]answer, error) {
	pg := b.conn.PgConn()
	// All parts have the same SQL. Prepare returns the types of its parameters, which the builder needs to encode the values.
	description, err := pg.Prepare(ctx, "", b.makeStatement(ctx, parts[0].events).sql, nil)
	if err != nil {
		return nil, err
	}
	pipeline := pg.StartPipeline(ctx)
	send := func(sql string) { pipeline.SendQueryParams(sql, nil, nil, nil, nil) }
	send("SAVEPOINT part")
	var builder pgx.ExtendedQueryBuilder
	queuedBytes := 0
	for i, p := range parts {
		if i > 0 {
			send("ROLLBACK TO SAVEPOINT part")
		}
		s := b.makeStatement(ctx, p.events)
		if err := builder.Build(b.conn.TypeMap(), description, s.args); err != nil {
			return nil, errors.Join(err, pipeline.Close())
		}
		pipeline.SendQueryParams(s.sql, builder.ParamValues, description.ParamOIDs, builder.ParamFormats, builder.ResultFormats)
		if effects == keepEffects {
			send("RELEASE SAVEPOINT part")
			send("SAVEPOINT part")
		}
		pipeline.SendPipelineSync() // after an error, the server ignores the statements up to this point
		for _, value := range builder.ParamValues {
			queuedBytes += len(value)
		}
		if queuedBytes >= maxQueuedBytes {
			if err := pipeline.Flush(); err != nil {
				return nil, errors.Join(err, pipeline.Close())
			}
			queuedBytes = 0
		}
	}
	send("ROLLBACK TO SAVEPOINT part")
	send("RELEASE SAVEPOINT part")
	if err := pipeline.Sync(); err != nil {
		return nil, errors.Join(err, pipeline.Close())
	}
	answers, err := b.receive(pipeline, len(parts)+1) // the last answer is about the statements after the last part
	if err := errors.Join(err, pipeline.Close()); err != nil {
		return nil, err
	}
	return answers[:len(parts)], answers[len(parts)].refusal
}

// receive reads the results up to the given number of synchronisation points, and returns an answer for each point. If
// PostgreSQL reports an error that is not about a value of an event, receive returns this error.
func (b *bisection) receive(pipeline *pgconn.Pipeline, syncs int) (answers []answer, err error) {
	var current answer
	for len(answers) < syncs {
		results, err := pipeline.GetResults()
		switch results := results.(type) {
		case *pgconn.ResultReader: // the result of one statement
			var tag pgconn.CommandTag
			tag, err = results.Close()
			if err == nil && tag.Insert() {
				current.inserted = tag.RowsAffected()
			}
		case *pgconn.PipelineSync: // a synchronisation point
			answers = append(answers, current)
			current = answer{}
			b.progress()
		case nil: // an error, or the end of the pipeline
			if err == nil {
				return nil, io.ErrUnexpectedEOF
			}
		}
		if err == nil {
			continue
		}
		current.refusal = conn.ClassifyRow(err)
		if domain.KindOf(current.refusal) != domain.Unstorable {
			return nil, err
		}
	}
	return answers, nil
}

func (b *bisection) exec(ctx context.Context, sql string) error {
	_, err := b.conn.Exec(ctx, sql)
	return err
}

// A statement is the SQL of a generated query with its arguments.
type statement struct {
	sql  string
	args []any
}

// insertStatement returns a function for bisection.makeStatement. The function makes the statement that inserts events of the page.
func insertStatement(pageID int64) func(context.Context, []domain.DecodedEvent) statement {
	return func(ctx context.Context, events []domain.DecodedEvent) (s statement) {
		s.sql, s.args = conn.Record(func(q *dbsqlc.Queries) error {
			_, err := q.EventInsertMany(ctx, toColumns(pageID, events))
			return err
		})
		return s
	}
}

// compareStatement returns the statement that compares events with their rows. It is a function for bisection.makeStatement.
func compareStatement(ctx context.Context, events []domain.DecodedEvent) (s statement) {
	s.sql, s.args = conn.Record(func(q *dbsqlc.Queries) error {
		_, err := q.EventCompare(ctx, toCompareParams(events))
		return err
	})
	return s
}

// A rejectLimit ends the bisection of a page as soon as it is certain that the page would add more than page.MaxParked dead
// letters. A record that has a dead letter already adds none. This is common on a page that is read again.
//
// Until check finds rejects that add no dead letter, each round tries only a few parts. So the bisection finds MaxParked+1
// refused events without trying the rest of the page.
//
// A nil *rejectLimit sets no limit.
type rejectLimit struct {
	writer *writer
	page   domain.DecodedPage

	checked    int // number of rejects that check has looked up in the database
	newLetters int // number of dead letters that the checked rejects would add
}

// maxParts returns how many of the untried parts the next round may try.
//
// If each reject adds a dead letter, MaxParked+1 refused events suffice to refuse the page. Each refused part has at least one
// refused event. So it suffices to follow MaxParked+1 refused parts, and each of them has two halves to try.
func (l *rejectLimit) maxParts(untried int) int {
	if l == nil {
		return untried
	}
	someAddNoLetter := l.newLetters < l.checked
	if someAddNoLetter { // then even a page with more refused events may be stored
		return untried
	}
	return min(untried, 2*(l.page.MaxParked+1))
}

// check returns TooManyRejects if the decoder's rejects and the refused events together would add too many dead letters. It first
// assumes that each unchecked reject would add one. If that would exceed the limit, check looks up all rejects in the database.
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
	if err := l.page.CheckRejectRatio(added); err != nil {
		return fmt.Errorf("the rest of the page was not tried: %w", err)
	}
	return nil
}
