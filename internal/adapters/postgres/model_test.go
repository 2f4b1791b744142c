package postgres_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
	"github.com/pawldata/pawl/internal/pgtest"
)

// TestStoreLikeModel checks that the database stores the same as a model. The model is the store in memory, which handles one
// record after the other. The test commits random pages to both stores, several in one transaction. Then it compares their dead
// letters, ledgers, checkpoints and events.
func TestStoreLikeModel(t *testing.T) {
	t.Parallel()
	const seeds = 4
	for seed := range uint64(seeds) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Parallel()
			databaseURL, model := pgtest.Database(t), domaintest.NewMemDatabase()
			tested := storeUnderTest(t, databaseURL, databaseURL)
			generator := newPageGenerator(seed)
			pairs := []*storePair{newStorePair(t, databaseURL, model, "s"), newStorePair(t, databaseURL, model, "other")} // two streams
			const transactions = 30
			for range transactions {
				pair := pairs[generator.random.IntN(len(pairs))]
				pages := generator.makePages(pair.checkpoint.Position)
				pair.commit(t, pages)
				checkSameLetters(t, tested, model, pages)
			}
			for _, pair := range pairs {
				durable, err := pair.store.Checkpoint(t.Context(), pair.checkpoint.Stream)
				if got, want := stateOf(durable), stateOf(pair.modelCheckpoint); err != nil || got != want {
					t.Errorf("got durable checkpoint\n%+v, %v, want\n%+v", got, err, want)
				}
			}
			checkSameLedger(t, tested, model)
			checkSameEvents(t, tested, model)
			if got := describe(inspect(t.Context(), t, databaseURL)); got != "" {
				t.Errorf("got differences:\n%swant none", got)
			}
		})
	}
}

// TestStoreLikeModelLargePages checks the same as TestStoreLikeModel with pages of so many bytes that their rows take several
// statements.
func TestStoreLikeModelLargePages(t *testing.T) {
	t.Parallel()
	databaseURL, model := pgtest.Database(t), domaintest.NewMemDatabase()
	tested := storeUnderTest(t, databaseURL, databaseURL)
	const seed = 5 // any seed
	generator := newPageGenerator(seed)
	generator.padding = 120 << 10 // manyRecords events of 120 KiB are 4.7 MiB, and a statement has at most 4 MiB
	pair := newStorePair(t, databaseURL, model, "s")
	const commits = 2
	for range commits {
		pages := []domain.DecodedPage{generator.makePage(pair.checkpoint.Position, manyRecords)}
		pair.commit(t, pages)
		checkSameLetters(t, tested, model, pages)
	}
	checkSameLedger(t, tested, model)
	checkSameEvents(t, tested, model)
}

// A storePair is a stream in the database and the same stream in the model.
type storePair struct {
	store, model                domain.EventStore
	checkpoint, modelCheckpoint domain.Checkpoint
}

// newStorePair claims the stream of this source in both stores.
func newStorePair(t *testing.T, databaseURL string, model *domaintest.MemDatabase, source string) *storePair {
	t.Helper()
	p := &storePair{store: newStore(t, databaseURL), model: model.Store()}
	stream := domain.StreamID{Source: source}
	var err error
	if p.checkpoint, err = p.store.Claim(t.Context(), stream, sourceURL); err != nil {
		t.Fatal(err)
	}
	if p.modelCheckpoint, err = p.model.Claim(t.Context(), stream, sourceURL); err != nil {
		t.Fatal(err)
	}
	return p
}

// commit commits the pages to both stores, each in one transaction, and ends the test unless the results are the same.
func (p *storePair) commit(t *testing.T, pages []domain.DecodedPage) {
	t.Helper()
	got, err := p.store.Commit(t.Context(), batchOf(p.checkpoint, pages...))
	want, modelErr := p.model.Commit(t.Context(), batchOf(p.modelCheckpoint, pages...))
	if err != nil || modelErr != nil {
		t.Fatalf("got errors %v by the store and %v by the model, want none, for\n%s", err, modelErr, describePages(pages))
	}
	if got.Counts != want.Counts {
		t.Fatalf("got counts %+v, want %+v, for\n%s", got.Counts, want.Counts, describePages(pages))
	}
	if got, want := stateOf(got.Checkpoint), stateOf(want.Checkpoint); got != want {
		t.Fatalf("got checkpoint\n%+v\nwant\n%+v\nafter\n%s", got, want, describePages(pages))
	}
	p.checkpoint, p.modelCheckpoint = got.Checkpoint, want.Checkpoint
}

// stateOf returns the fields of a checkpoint that must be the same in both stores, as a value that == can compare. It omits the claim.
func stateOf(checkpoint domain.Checkpoint) any {
	checkpoint.CursorExpiresAt = checkpoint.CursorExpiresAt.UTC()
	return struct {
		Seq         int64
		Position    domain.Position
		Counts      domain.Counts
		LastEventAt time.Time
	}{checkpoint.Seq, checkpoint.Position, checkpoint.Counts, checkpoint.LastEventAt.UTC()}
}

// checkSameLetters ends the test unless the database has the same dead letters as the model. pages are the pages of the last
// commit.
func checkSameLetters(t *testing.T, tested domaintest.StoreUnderTest, model *domaintest.MemDatabase, pages []domain.DecodedPage) {
	t.Helper()
	letters, err := tested.Letters(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := describeLetters(letters), describeLetters(model.Letters()); !reflect.DeepEqual(got, want) {
		t.Fatalf("got dead letters\n%s\nwant\n%s\nafter\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"), describePages(pages))
	}
}

// checkSameLedger checks that the database has the same ledger as the model.
func checkSameLedger(t *testing.T, tested domaintest.StoreUnderTest, model *domaintest.MemDatabase) {
	t.Helper()
	rows, err := tested.Ledger(t.Context())
	want := model.Ledger()
	if err != nil || len(rows) != len(want) {
		t.Fatalf("got %d ledger rows, %v, want %d", len(rows), err, len(want))
	}
	for i := range rows {
		if rows[i] != want[i] {
			t.Errorf("ledger row %d: got\n%+v, want\n%+v", i, rows[i], want[i])
		}
	}
}

// checkSameEvents checks that the database has the same events as the model. It compares only the columns in which the events of
// a pageGenerator differ.
func checkSameEvents(t *testing.T, tested domaintest.StoreUnderTest, model *domaintest.MemDatabase) {
	t.Helper()
	events, err := tested.Events(t.Context())
	if err != nil || len(events) != len(model.Events()) {
		t.Fatalf("got %d events, %v, want %d", len(events), err, len(model.Events()))
	}
	for id, e := range model.Events() {
		if events[id].Name != e.Name || !events[id].OccurredAt.Equal(e.OccurredAt) {
			t.Errorf("event %s: got %q at %s, want %q at %s", id, events[id].Name, events[id].OccurredAt, e.Name, e.OccurredAt)
		}
	}
}

// A pageGenerator makes random pages. The first record of each page has a new event id. Each other record has one of the recentIDs
// newest ids, so that ids repeat within a page and between pages.
type pageGenerator struct {
	random  *rand.Rand
	newest  uint64   // the number of the newest event id
	padding int      // the number of bytes added to each event; a reject gets ten times as many
	kinds   []string // each record gets one of these kinds by chance
}

const recentIDs = 4

// These are the kinds of records. Events with the same id and different names are conflicts.
const (
	unnamedEvent = "event"
	otherName    = "other name" // an event with this name
	thirdName    = "third name" // an event with this name
	refusedEvent = "refused"    // an event with a name that PostgreSQL refuses
	rejectRecord = "reject"
)

// allKinds are all kinds of records. unnamedEvent is twice as frequent as each of the others.
var allKinds = []string{unnamedEvent, unnamedEvent, otherName, thirdName, refusedEvent, rejectRecord}

// manyRecords is the number of records of a large page. Go's unstable sort functions keep the order of up to 12 equal elements, so
// a small page would not show a wrong order.
const manyRecords = 40

// newPageGenerator returns a generator whose pages depend only on the seed.
func newPageGenerator(seed uint64) *pageGenerator {
	const newest = recentIDs - 1 // makePage adds 1, so the first page has ids from 1 to recentIDs
	return &pageGenerator{random: rand.New(rand.NewPCG(seed, 0)), newest: newest, kinds: allKinds}
}

// makePages returns one to three consecutive pages. The first one is at the position from, or at the head in the next pass.
func (g *pageGenerator) makePages(from domain.Position) []domain.DecodedPage {
	var pages []domain.DecodedPage
	startsPass := g.random.IntN(8) == 0
	if startsPass {
		from = from.NextPass()
	}
	for range 1 + g.random.IntN(3) {
		// A third of the pages is empty, a third is large, and a third has one to six records.
		records := 1 + g.random.IntN(6)
		switch g.random.IntN(3) {
		case 0:
			records = 0
		case 1:
			records = manyRecords
		}
		page := g.makePage(from, records)
		pages, from = append(pages, page), page.To
	}
	return pages
}

// makePage returns a page at the position from with this number of records.
func (g *pageGenerator) makePage(from domain.Position, records int) domain.DecodedPage {
	g.newest++
	receipt := domain.Receipt{FetchedAt: time.Unix(int64(g.newest), 0), TraceID: strconv.FormatUint(g.newest, 10)}
	fetched := domain.Page{
		Records:   make([]domain.Record, records),
		Next:      domain.Cursor(fmt.Sprintf("cursor after page %d", g.newest)),
		Total:     domain.Total{N: g.random.Int64N(9999), Known: g.random.IntN(2) == 0},
		ExpiresIn: time.Duration(g.random.IntN(3)) * time.Minute,
		Receipt:   receipt,
	}
	page := domain.DecodedPage{From: from, To: from.After(fetched), Received: records, MaxParked: records, Receipt: receipt}
	for i := range records {
		number := g.newest
		if i > 0 {
			number -= g.random.Uint64N(recentIDs)
		}
		g.addRecord(&page, i, number)
	}
	return page
}

// addRecord adds a record of a random kind with the id of the event with this number.
func (g *pageGenerator) addRecord(page *domain.DecodedPage, index int, number uint64) {
	e := domain.Event{ID: domaintest.EventID(number), Properties: []byte("{}"), OccurredAt: time.Unix(int64(number), 0)}
	if g.padding > 0 {
		e.Properties = []byte(`{"padding":"` + strings.Repeat("x", g.padding) + `"}`)
	}
	kind := g.kinds[g.random.IntN(len(g.kinds))]
	record := domain.Record{Index: index, Payload: fmt.Appendf(nil, "%d %d %s", g.random.Int32(), number, kind)}
	switch kind {
	case rejectRecord:
		why := domain.Rejection{Reason: kind, Detail: kind + strings.Repeat("x", 10*g.padding), ID: e.ID}
		page.Rejects = append(page.Rejects, domain.Reject{Record: record, Why: why})
		return
	case refusedEvent:
		e.Name = "\x00" // PostgreSQL stores no NUL
	case otherName, thirdName:
		e.Name = kind
	}
	page.Events = append(page.Events, domain.DecodedEvent{Event: e, Record: record})
}

// describeLetters returns the dead letters as text. It omits the values in which the two stores may differ: the ids of pages, and
// the part of a conflict's key after the event id.
func describeLetters(letters []domain.DeadLetter) []string {
	var all []string
	for _, l := range letters {
		state := "open"
		if l.Resolved != nil {
			state = l.Resolved.How
		}
		key, _, _ := strings.Cut(string(l.Key), " with ")
		all = append(all, fmt.Sprintf("%s: %s, %s at %d, seen %d, %s", key, l.Why.Reason, l.Payload, l.Index, l.Seen, state))
	}
	slices.Sort(all)
	return all
}

// describePages returns the payloads of the pages as text, one page in a line.
func describePages(pages []domain.DecodedPage) string {
	var text strings.Builder
	for _, p := range pages {
		byIndex := make([]string, p.Received)
		for _, e := range p.Events {
			byIndex[e.Record.Index] = string(e.Record.Payload)
		}
		for _, r := range p.Rejects {
			byIndex[r.Record.Index] = string(r.Record.Payload)
		}
		text.WriteString("page: " + strings.Join(byIndex, ", ") + "\n")
	}
	return text.String()
}
