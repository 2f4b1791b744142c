package postgres_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/adapters/postgres"
	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/pgtest"
)

// TestCommitUnbalancedPage checks that Commit rolls back a page whose counts do not add up (invariant I5, see package domain).
func TestCommitUnbalancedPage(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	store, checkpoint := claimStore(t, databaseURL)
	page := emptyPage(checkpoint)
	page.Received = 1 // a record that is neither an event nor a reject
	_, err := store.Commit(t.Context(), batchOf(checkpoint, page))
	if domain.KindOf(err) != domain.Unknown || !strings.Contains(err.Error(), "I5") {
		t.Errorf("got %v, want an Unknown error that names I5", err)
	}
	if n := pgtest.QueryOne[int](t, databaseURL, "SELECT count(*) FROM pages"); n != 0 {
		t.Errorf("got %d pages, want 0", n)
	}
}

// TestCommitSettings checks that Commit uses its own settings of the transaction and not the defaults of the database. With the
// defaults of this test a commit would not be durable, would have no time limits and would not send its text as UTF-8.
func TestCommitSettings(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	for _, setting := range []string{"synchronous_commit = off", "lock_timeout = 0", "statement_timeout = 0", "client_encoding = SQL_ASCII"} {
		pgtest.Exec(t, databaseURL, "DO $$ BEGIN EXECUTE 'ALTER DATABASE ' || quote_ident(current_database()) || ' SET "+setting+"'; END $$")
	}
	// A trigger stores the settings of the transaction that writes a page.
	pgtest.Exec(t, databaseURL, `CREATE TABLE used_settings (name text, value text);
		CREATE FUNCTION store_settings() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			INSERT INTO used_settings SELECT name, current_setting(name) FROM unnest(ARRAY['client_encoding', 'synchronous_commit', 'lock_timeout',
				'statement_timeout', 'idle_in_transaction_session_timeout']) AS name;
			RETURN NEW; END $$;
		CREATE TRIGGER store_settings BEFORE INSERT ON pages FOR EACH ROW EXECUTE FUNCTION store_settings()`)
	store, checkpoint := claimStore(t, pgtest.WithParam(t, databaseURL, "client_encoding", "SQL_ASCII"))
	if _, err := store.Commit(t.Context(), batchOf(checkpoint, emptyPage(checkpoint))); err != nil {
		t.Fatal(err)
	}
	got := pgtest.QueryOne[string](t, databaseURL, "SELECT string_agg(name || '=' || value, ' ' ORDER BY name) FROM used_settings")
	const want = "client_encoding=UTF8 idle_in_transaction_session_timeout=1min lock_timeout=15s statement_timeout=1min synchronous_commit=on"
	if got != want {
		t.Errorf("got settings %s, want %s", got, want)
	}
}

// TestCommitReadOnly checks that Commit is Transient on a server that accepts no writes, and that the store then drops its connections. Here
// the sessions that begin while the database is read-only stay so, as a connection to a former primary does.
func TestCommitReadOnly(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	adminURL := pgtest.WithParam(t, databaseURL, "default_transaction_read_only", "off")
	setReadOnly := func(value string) {
		pgtest.Exec(t, adminURL, "DO $$ BEGIN EXECUTE 'ALTER DATABASE ' || quote_ident(current_database()) || "+
			"' SET default_transaction_read_only = "+value+"'; END $$")
	}
	setReadOnly("on")
	pool := newPool(t, databaseURL)
	store := postgres.NewStore(pool, postgres.RunnerProfile{})
	t.Cleanup(store.Close)
	for range 3 {
		_, err := store.Claim(t.Context(), streamS, sourceURL)
		if domain.KindOf(err) != domain.Transient || domain.CodeOf(err) != domain.CodeDatabaseReadOnly {
			t.Fatalf("got error %v of kind %s, code %s; want Transient, %s", err, domain.KindOf(err), domain.CodeOf(err), domain.CodeDatabaseReadOnly)
		}
	}
	setReadOnly("off")
	checkpoint, err := store.Claim(t.Context(), streamS, sourceURL)
	if err != nil {
		t.Fatalf("after the database accepts writes again: got %v, want a claim", err)
	}
	if _, err := store.Commit(t.Context(), batchOf(checkpoint, emptyPage(checkpoint))); err != nil {
		t.Error(err)
	}
}

// TestCommitLostAnswer checks that Commit returns an Uncertain error if the connection is lost before the answer to COMMIT. The
// checkpoint must then show whether the server has carried out the COMMIT.
func TestCommitLostAnswer(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		delivers bool // whether the server receives the COMMIT, see commitCutter
	}{
		{name: "lost before the server received COMMIT", delivers: false},
		{name: "lost after the server carried out COMMIT", delivers: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			cutter := &commitCutter{}
			cutter.delivers.Store(tt.delivers)
			store, checkpoint := claimStore(t, startProxy(t, pgtest.Database(t), cutter.serve))
			page := emptyPage(checkpoint)
			page.To = checkpoint.After(domain.Page{Next: "next-cursor"})
			batch := batchOf(checkpoint, page)
			cutter.armed.Store(true)
			if _, err := store.Commit(ctx, batch); domain.KindOf(err) != domain.Uncertain {
				t.Fatalf("got %v, want Uncertain", err)
			}
			durable, err := store.Checkpoint(ctx, checkpoint.Stream)
			if err != nil {
				t.Fatal(err)
			}
			wantSeq := checkpoint.Seq
			if tt.delivers {
				wantSeq = batch.TargetSeq()
			}
			if durable.Seq != wantSeq || durable.Epoch != checkpoint.Epoch {
				t.Fatalf("got checkpoint %+v, want seq %d and epoch %d", durable, wantSeq, checkpoint.Epoch)
			}
			if !tt.delivers {
				if _, err := store.Commit(ctx, batch); err != nil {
					t.Errorf("second commit of the batch: got %v, want no error", err)
				}
			}
		})
	}
}

// TestCommitRepeatedConflict checks that Commit recognises a conflict that it has parked before. The values of the second conflict
// are equal to those of the first but have another text, and the server has another time zone and date style meanwhile.
func TestCommitRepeatedConflict(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	const anyNumber = 1
	e := makeEvents(t, anyNumber)[0]
	store, checkpoint := claimStore(t, databaseURL)
	res := commitNext(t, store, checkpoint, domain.DecodedPage{Events: []domain.DecodedEvent{e}})
	e.Extra = []byte(`{"a":1,"b":[2]}`)
	res = commitNext(t, store, res.Checkpoint, domain.DecodedPage{Events: []domain.DecodedEvent{e}})
	if res.Counts.Parked != 1 {
		t.Fatalf("first conflict: got counts %+v, want 1 parked", res.Counts)
	}
	pgtest.Exec(t, databaseURL, `DO $$ BEGIN EXECUTE 'ALTER DATABASE ' || quote_ident(current_database()) || ' SET timezone = "Etc/GMT-9"';
		EXECUTE 'ALTER DATABASE ' || quote_ident(current_database()) || ' SET datestyle = "German"'; END $$`)
	e.Extra = []byte(`{ "b" : [ 2 ], "a" : 1 }`) // the same JSON value as before
	res = commitNext(t, newStore(t, databaseURL), res.Checkpoint, domain.DecodedPage{Events: []domain.DecodedEvent{e, e}})
	if want := (domain.Counts{Received: 2, Duplicate: 2}); res.Counts != want {
		t.Errorf("repeated conflict: got counts %+v, want %+v", res.Counts, want)
	}
	const wantSeen = 3 // the first conflict, and the two of the last page
	if l := readDeadLetters(t, databaseURL); len(l) != 1 || l[0].Seen != wantSeen || l[0].Why.Field != "extra" {
		t.Errorf("got dead letters %+v, want one, seen %d times, with field extra", l, wantSeen)
	}
}

// TestCommitConflictColumns checks that an event that differs from the stored event in one column is parked, for each column. The
// dead letter must name the column.
func TestCommitConflictColumns(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	store, checkpoint := claimStore(t, databaseURL)
	// change changes the column. A different n gives a different value.
	changes := []struct {
		column string
		change func(e *domain.Event, n int)
	}{
		{"session_id", func(e *domain.Event, n int) { e.SessionID[0] = byte(n) }},
		{"user_id", func(e *domain.Event, n int) { e.UserID[0] = byte(n) }},
		{"type", func(e *domain.Event, n int) { e.Type = strconv.Itoa(n) }},
		{"name", func(e *domain.Event, n int) { e.Name = strconv.Itoa(n) }},
		{"properties", func(e *domain.Event, n int) { e.Properties = fmt.Appendf(nil, `{"other":%d}`, n) }},
		{"occurred_at", func(e *domain.Event, n int) { e.OccurredAt = e.OccurredAt.Add(time.Duration(n) * time.Microsecond) }},
		{"device_type", func(e *domain.Event, n int) { e.DeviceType = strconv.Itoa(n) }},
		{"browser", func(e *domain.Event, n int) { e.Browser = strconv.Itoa(n) }},
		{"extra", func(e *domain.Event, n int) { e.Extra = fmt.Appendf(nil, `{"other":%d}`, n) }},
	}
	// Each column is changed in both events. One event may have only MaxOpenDeadLetters (16) open letters, and each gets 9.
	originals := makeManyEvents(t, 2)
	events := slices.Clone(originals)
	var wantColumns []string
	for _, c := range changes {
		for n, e := range originals {
			c.change(&e.Event, n+1)
			e.Record.Index = len(events)
			events = append(events, e)
			wantColumns = append(wantColumns, c.column)
		}
	}
	res := commitNext(t, store, checkpoint, domain.DecodedPage{Events: events})
	want := domain.Counts{Received: int64(len(events)), Inserted: int64(len(originals)), Parked: int64(len(wantColumns))}
	if res.Counts != want {
		t.Fatalf("got counts %+v, want %+v", res.Counts, want)
	}
	for i, l := range readDeadLetters(t, databaseURL) {
		if l.Why.Field != wantColumns[i] || l.Why.Reason != domain.ReasonConflict {
			t.Errorf("dead letter %d: got %+v, want a conflict in %s", l.ID, l.Why, wantColumns[i])
		}
	}
}

// TestPageIDsAfterSequenceSetBack checks that a new row of the ledger gets a greater id than all rows before, even if the sequence
// of the ids was set back. The row is a page or a replay.
func TestPageIDsAfterSequenceSetBack(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	const setBack = "SELECT setval(pg_get_serial_sequence('pages', 'id'), 1, false)"
	store, checkpoint := claimStore(t, databaseURL)
	checkpoint = commitNext(t, store, checkpoint, pageOfReject("x")).Checkpoint
	for range 3 { // three more pages, whose records do not matter
		checkpoint = commitNext(t, store, checkpoint, domain.DecodedPage{Events: makeManyEvents(t, 3)}).Checkpoint
	}
	pgtest.Exec(t, databaseURL, setBack)
	checkpoint = commitNext(t, store, checkpoint, domain.DecodedPage{Events: makeManyEvents(t, 4)}).Checkpoint
	pgtest.Exec(t, databaseURL, setBack)
	letter := readDeadLetters(t, databaseURL)[0]
	replay := domain.ReplayBatch{
		Stream: checkpoint.Stream, Letters: []domain.DeadLetter{letter}, ReadAt: time.Now(),
		Rejects: []domain.Reject{{Record: domain.Record{Payload: letter.Payload}, Why: letter.Why}},
	}
	if _, err := postgres.NewReplayStore(newPool(t, databaseURL)).Replay(t.Context(), replay); err != nil {
		t.Fatal(err)
	}
	// A replay has the seq of the last page.
	const rowsByID = "SELECT string_agg(kind || ' ' || seq, ', ' ORDER BY id) FROM pages"
	if got, want := pgtest.QueryOne[string](t, databaseURL, rowsByID), "page 1, page 2, page 3, page 4, page 5, replay 5"; got != want {
		t.Errorf("got ledger rows %q in order of id, want %q", got, want)
	}
}

// TestDeadLetterIDsAfterSequenceSetBack checks that a new dead letter gets a greater id than all letters before, even if the
// sequence of the ids was set back.
func TestDeadLetterIDsAfterSequenceSetBack(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	store, checkpoint := claimStore(t, databaseURL)
	for _, payload := range []string{"a", "b", "c", "d", "e"} {
		checkpoint = commitNext(t, store, checkpoint, pageOfReject(payload)).Checkpoint
		pgtest.Exec(t, databaseURL, "SELECT setval(pg_get_serial_sequence('dead_letters', 'id'), 1, false)")
	}
	const payloadsByID = "SELECT string_agg(convert_from(payload, 'UTF8'), ' ' ORDER BY id) FROM dead_letters"
	if got, want := pgtest.QueryOne[string](t, databaseURL, payloadsByID), "a b c d e"; got != want {
		t.Errorf("got dead letters %q in order of id, want %q", got, want)
	}
}

// pageOfReject returns a page for commitNext with one reject, which has this payload and no event id.
func pageOfReject(payload string) domain.DecodedPage {
	return domain.DecodedPage{Rejects: []domain.Reject{
		{Record: domain.Record{Payload: []byte(payload)}, Why: domain.Rejection{Reason: "r"}},
	}}
}
