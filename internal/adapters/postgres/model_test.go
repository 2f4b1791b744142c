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

// TestStoreLikeModel commits random pages, several in one transaction. A few ids come as events, with other values, with values
// that PostgreSQL refuses, and as rejects. It compares dead letters, ledger, checkpoint and events with those of the store in
// memory, which handles one record after the other.
func TestStoreLikeModel(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Parallel()
			databaseURL, model := pgtest.Database(t), domaintest.NewMemDatabase()
			tested := storeUnderTest(t, databaseURL)
			pages := &pageGenerator{random: rand.New(rand.NewPCG(seed, 0)), newest: 3}
			runners := []*storePair{newStorePair(t, databaseURL, model, "s"), newStorePair(t, databaseURL, model, "other")}
			for range 30 {
				runner := runners[pages.random.IntN(len(runners))]
				chain := pages.chain(runner.checkpoint.Position)
				runner.commit(t, chain)
				checkSameLetters(t, tested, model, chain)
			}
			for _, runner := range runners {
				durable, err := runner.store.Checkpoint(t.Context(), runner.checkpoint.Stream)
				if err != nil || checkpointState(durable) != checkpointState(runner.modelCheckpoint) {
					t.Errorf("got durable checkpoint\n%+v, %v, want\n%+v", checkpointState(durable), err, checkpointState(runner.modelCheckpoint))
				}
			}
			checkSameLedger(t, tested, model)
			checkSameEvents(t, tested, model)
			if inspection := inspect(t.Context(), t, databaseURL); describe(inspection) != "" {
				t.Errorf("got differences:\n%s", describe(inspection))
			}
		})
	}
}

// TestStoreLikeModelLargePages is TestStoreLikeModel with pages that take several statements.
func TestStoreLikeModelLargePages(t *testing.T) {
	t.Parallel()
	databaseURL, model := pgtest.Database(t), domaintest.NewMemDatabase()
	tested := storeUnderTest(t, databaseURL)
	pages := &pageGenerator{random: rand.New(rand.NewPCG(5, 0)), newest: 3, padding: 120 << 10}
	runner := newStorePair(t, databaseURL, model, "s")
	for range 2 {
		page := []domain.DecodedPage{pages.page(runner.checkpoint.Position, 40)}
		runner.commit(t, page)
		checkSameLetters(t, tested, model, page)
	}
	checkSameLedger(t, tested, model)
	checkSameEvents(t, tested, model)
}

// A storePair does the same in a stream of the database and of the model.
type storePair struct {
	store, model                domain.EventStore
	checkpoint, modelCheckpoint domain.Checkpoint
}

func newStorePair(t *testing.T, databaseURL string, model *domaintest.MemDatabase, source string) *storePair {
	t.Helper()
	p := &storePair{store: newStore(t, databaseURL), model: model.Store()}
	for store, checkpoint := range map[domain.EventStore]*domain.Checkpoint{p.store: &p.checkpoint, p.model: &p.modelCheckpoint} {
		var err error
		if *checkpoint, err = store.Claim(t.Context(), domain.StreamID{Source: source}, sourceURL); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// commit stores pages in one transaction and compares the results of both stores.
func (p *storePair) commit(t *testing.T, pages []domain.DecodedPage) {
	t.Helper()
	batch := func(checkpoint domain.Checkpoint) domain.Batch {
		return domain.Batch{At: checkpoint, Pages: pages}
	}
	got, err := p.store.Commit(t.Context(), batch(p.checkpoint))
	want, modelErr := p.model.Commit(t.Context(), batch(p.modelCheckpoint))
	if err != nil || modelErr != nil || got.Counts != want.Counts {
		t.Fatalf("got %+v, %v, want %+v, %v, for\n%s", got.Counts, err, want.Counts, modelErr, describePages(pages))
	}
	if got, want := checkpointState(got.Checkpoint), checkpointState(want.Checkpoint); got != want {
		t.Fatalf("got checkpoint\n%+v\nwant\n%+v\nafter\n%s", got, want, describePages(pages))
	}
	p.checkpoint, p.modelCheckpoint = got.Checkpoint, want.Checkpoint
}

// checkpointState returns what a checkpoint says of the pages before it, in a comparable form.
func checkpointState(checkpoint domain.Checkpoint) any {
	checkpoint.CursorExpiresAt = checkpoint.CursorExpiresAt.UTC()
	return struct {
		Seq         int64
		Position    domain.Position
		Counts      domain.Counts
		LastEventAt time.Time
	}{checkpoint.Seq, checkpoint.Position, checkpoint.Counts, checkpoint.LastEventAt.UTC()}
}

// checkSameLetters ends the test unless the database has the same dead letters as the model. pages is what was committed last.
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

// A pageGenerator generates pages of records over four ids. The first record of each page has a new id, which replaces the
// oldest of the four. Some pages have 40 records, because unstable sort functions are stable up to 12 elements.
type pageGenerator struct {
	random  *rand.Rand
	newest  uint64
	padding int // bytes added to each event; ten times as many to each reject
}

// chain returns one to three pages that follow each other from at, sometimes from the head of a new pass.
func (m *pageGenerator) chain(from domain.Position) []domain.DecodedPage {
	var pages []domain.DecodedPage
	if m.random.IntN(8) == 0 {
		from = from.NextPass()
	}
	for range 1 + m.random.IntN(3) {
		p := m.page(from, []int{0, 1 + m.random.IntN(6), 40}[m.random.IntN(3)])
		pages, from = append(pages, p), p.To
	}
	return pages
}

func (m *pageGenerator) page(from domain.Position, records int) domain.DecodedPage {
	m.newest++
	receipt := domain.Receipt{FetchedAt: time.Unix(int64(m.newest), 0), TraceID: strconv.FormatUint(m.newest, 10)}
	p := domain.DecodedPage{
		From: from, Received: records, MaxParked: records, Receipt: receipt,
		To: from.After(domain.Page{
			Records: make([]domain.Record, records), Next: domain.Cursor(fmt.Sprintf("behind page %d", m.newest)),
			Total: domain.Total{N: m.random.Int64N(9999), Known: m.random.IntN(2) == 0}, ExpiresIn: time.Duration(m.random.IntN(3)) * time.Minute, Receipt: receipt,
		}),
	}
	for i := range records {
		n := m.newest
		if i > 0 {
			n += m.random.Uint64N(4)
			n -= 3
		}
		m.add(&p, i, domaintest.EventID(n), n)
	}
	return p
}

// add adds a record with the id to the page: an event or a reject.
func (m *pageGenerator) add(p *domain.DecodedPage, index int, id domain.EventID, n uint64) {
	e := domain.Event{ID: id, Properties: []byte("{}"), OccurredAt: time.Unix(int64(n), 0)}
	if m.padding > 0 {
		e.Properties = []byte(`{"padding":"` + strings.Repeat("x", m.padding) + `"}`)
	}
	how := []string{"event", "event", "other", "third", "refused", "reject"}[m.random.IntN(6)]
	record := domain.Record{Index: index, Payload: fmt.Appendf(nil, "%d %d %s", m.random.Int32(), n, how)}
	switch how {
	case "reject":
		why := domain.Rejection{Reason: how, Detail: how + strings.Repeat("x", 10*m.padding), ID: id}
		p.Rejects = append(p.Rejects, domain.Reject{Record: record, Why: why})
		return
	case "refused":
		e.Name = "\x00"
	case "event":
	default:
		e.Name = how
	}
	p.Events = append(p.Events, domain.DecodedEvent{Event: e, Record: record})
}

// describeLetters returns the dead letters as text, without what the two stores may name as they like: pages, and the values of
// conflicts.
func describeLetters(letters []domain.DeadLetter) []string {
	var all []string
	for _, l := range letters {
		how := "open"
		if l.Resolved != nil {
			how = l.Resolved.How
		}
		key, _, _ := strings.Cut(string(l.Key), " with ")
		all = append(all, fmt.Sprintf("%s: %s, %s at %d, seen %d, %s", key, l.Why.Reason, l.Payload, l.Index, l.Seen, how))
	}
	slices.Sort(all)
	return all
}

// describePages returns the payloads of pages as text.
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
