package postgres

import (
	"context"
	"errors"
	"io"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pawldata/pawl/internal/adapters/postgres/internal/dbsqlc"
	"github.com/pawldata/pawl/internal/domain"
)

// A bisection finds the events that PostgreSQL refuses in a statement. It tries all of them together and halves what is
// refused, down to single events. The parts of one round are sent without waiting for the answers in between: on a
// distant database the number of round trips grows with the logarithm of the number of events, however many are refused.
//
// It works inside a transaction, which it keeps usable by a savepoint.
type bisection struct {
	conn      *pgx.Conn
	statement func(context.Context, []domain.DecodedEvent) statement // sends nothing
	progress  func()                                                 // called for each part that is answered
	limit     *rejectLimit                                           // ends the search with an error; nil for none
	refused   []domain.Reject                                        // found so far, in no order
}

// A part is a run of events that are tried in one statement.
type part struct {
	events   []domain.DecodedEvent
	accepted bool
}

// inParts splits events into the parts that are tried first.
func inParts(events []domain.DecodedEvent) (parts []part) {
	for run := range chunked(events, sizeOf) {
		parts = append(parts, part{events: run})
	}
	return parts
}

// An answer is what PostgreSQL said to a part.
type answer struct {
	inserted int64
	refusal  error // Unstorable
}

// insert stores the events that are not refused, in their order, and returns how many were not stored yet. Parts that are
// accepted one by one may still be refused together, by a constraint that compares rows: then the search goes on.
func (b *bisection) insert(ctx context.Context, events []domain.DecodedEvent) (inserted int64, err error) {
	parts := inParts(events)
	for {
		if parts, err = b.search(ctx, parts); err != nil || len(parts) == 0 {
			return 0, err
		}
		if err := b.exec(ctx, "SAVEPOINT whole"); err != nil {
			return 0, err
		}
		answers, err := b.send(ctx, parts, true)
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
		parts = b.halve(parts, answers)
	}
}

// accepted returns the events that are not refused, in their order. What the statement did is rolled back.
func (b *bisection) accepted(ctx context.Context, events []domain.DecodedEvent) (rest []domain.DecodedEvent, err error) {
	parts, err := b.search(ctx, inParts(events))
	for _, p := range parts {
		rest = append(rest, p.events...)
	}
	return rest, err
}

// search halves parts until PostgreSQL accepts each of those that are left, or until the limit ends it. It leaves no rows
// behind.
func (b *bisection) search(ctx context.Context, parts []part) ([]part, error) {
	for {
		if err := b.limit.check(ctx, b.refused); err != nil {
			return nil, err
		}
		var open []part
		for _, p := range parts {
			if !p.accepted {
				open = append(open, p)
			}
		}
		if len(open) == 0 {
			return parts, nil
		}
		answers, err := b.send(ctx, open[:b.limit.perRound(len(open))], false)
		if err != nil {
			return nil, err
		}
		var next []part
		for _, p := range parts {
			if p.accepted || len(answers) == 0 {
				next = append(next, p)
				continue
			}
			next = append(next, b.halve([]part{p}, answers[:1])...)
			answers = answers[1:]
		}
		parts = next
	}
}

// halve replaces each part that was refused by its halves. A single event that was refused is moved to b.refused.
func (b *bisection) halve(parts []part, answers []answer) (next []part) {
	for i, p := range parts {
		refusal, half := answers[i].refusal, len(p.events)/2
		switch {
		case refusal == nil:
			next = append(next, part{p.events, true})
		case half == 0:
			b.refused = append(b.refused, unstorable(p.events[0], refusal))
		default:
			next = append(next, part{events: p.events[:half]}, part{events: p.events[half:]})
		}
	}
	return next
}

// maxQueuedBytes is how many bytes of values may wait in memory before they are written to the connection.
const maxQueuedBytes = 1 << 20

// send tries the parts one after another, in one round trip, and returns an answer for each. With keep, what a part did
// stays for those behind it; else it is rolled back.
func (b *bisection) send(ctx context.Context, parts []part, keep bool) ([]answer, error) {
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
		if keep {
			send("RELEASE SAVEPOINT part")
			send("SAVEPOINT part")
		}
		pipeline.SendPipelineSync() // after an error the server goes on from here
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

// receive reads the answers up to the given number of synchronisation points. An answer that does not speak about an
// event's value is an error.
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
		if current.refusal = classifyRow(err); domain.KindOf(current.refusal) != domain.Unstorable {
			return nil, err
		}
	}
	return answers, nil
}

func (b *bisection) exec(ctx context.Context, sql string) error {
	_, err := b.conn.Exec(ctx, sql)
	return err
}

func unstorable(e domain.DecodedEvent, err error) domain.Reject {
	return domain.Reject{Record: e.Record, Why: domain.Rejection{
		ID: e.ID, Reason: domain.ReasonUnstorable, Detail: "PostgreSQL refuses it: " + domain.AsError(err).Err.Error(),
	}}
}

// A statement is generated SQL with its arguments.
type statement struct {
	sql  string
	args []any
}

// insertStatement returns what EventInsertMany would send.
func insertStatement(pageID int64) func(context.Context, []domain.DecodedEvent) statement {
	return func(ctx context.Context, events []domain.DecodedEvent) statement {
		var s statement
		_, _ = dbsqlc.New(&s).EventInsertMany(ctx, toColumns(pageID, events)) // it is only recorded
		return s
	}
}

// compareStatement returns what EventCompare would send.
func compareStatement(ctx context.Context, events []domain.DecodedEvent) statement {
	var s statement
	_, _ = dbsqlc.New(&s).EventCompare(ctx, toComparison(events)) // it is only recorded
	return s
}

// errRecorded ends a generated query whose statement was recorded and not sent.
var errRecorded = errors.New("recorded, not sent")

// Exec implements dbsqlc.DBTX: it records the statement.
func (s *statement) Exec(_ context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	s.sql, s.args = sql, args
	return pgconn.CommandTag{}, errRecorded
}

// Query implements dbsqlc.DBTX: it records the statement.
func (s *statement) Query(_ context.Context, sql string, args ...any) (pgx.Rows, error) {
	s.sql, s.args = sql, args
	return nil, errRecorded
}

// QueryRow implements dbsqlc.DBTX. No statement of a bisection answers with one row.
func (s *statement) QueryRow(context.Context, string, ...any) pgx.Row { return nil }
