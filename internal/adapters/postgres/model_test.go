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

// TestTheStoreDoesAsTheModel commits pages, several in one transaction, in which a few ids come as events, with other
// values, with values that PostgreSQL refuses, and as rejects, in any order and number. It compares what becomes of them
// with the store in memory, which does one record after the other: letters, ledger, checkpoint and events.
func TestTheStoreDoesAsTheModel(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Parallel()
			databaseURL, model := pgtest.Database(t), domaintest.NewMemDatabase()
			under := storeOn(t, databaseURL)
			pages := &pageMaker{random: rand.New(rand.NewPCG(seed, 0)), newest: 3}
			runners := []*pair{newPair(t, databaseURL, model, "s"), newPair(t, databaseURL, model, "other")}
			for range 30 {
				runner := runners[pages.random.IntN(len(runners))]
				chain := pages.chain(runner.at.Position)
				runner.commit(t, chain)
				parked, err := under.Letters(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if was, is := fates(model.Letters()), fates(parked); !reflect.DeepEqual(was, is) {
					t.Fatalf("the letters are\n%s\nwant\n%s\nof\n%s", strings.Join(is, "\n"), strings.Join(was, "\n"), shown(chain))
				}
			}
			for _, runner := range runners {
				durable, err := runner.store.Checkpoint(t.Context(), runner.at.Stream)
				if err != nil || standing(durable) != standing(runner.modelAt) {
					t.Errorf("the durable checkpoint is\n%+v, %v, want\n%+v", standing(durable), err, standing(runner.modelAt))
				}
			}
			sameLedger(t, under, model)
			sameEvents(t, under, model)
			if inspection := inspect(t.Context(), t, databaseURL); told(inspection) != "" {
				t.Errorf("differences:\n%s", told(inspection))
			}
		})
	}
}

// TestTheStoreDoesAsTheModelWithLargePages: pages of which each takes several statements.
func TestTheStoreDoesAsTheModelWithLargePages(t *testing.T) {
	t.Parallel()
	databaseURL, model := pgtest.Database(t), domaintest.NewMemDatabase()
	under := storeOn(t, databaseURL)
	pages := &pageMaker{random: rand.New(rand.NewPCG(5, 0)), newest: 3, padding: 120 << 10}
	runner := newPair(t, databaseURL, model, "s")
	for range 2 {
		p := pages.page(runner.at.Position, 40)
		runner.commit(t, []domain.DecodedPage{p})
		parked, err := under.Letters(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if was, is := fates(model.Letters()), fates(parked); !reflect.DeepEqual(was, is) {
			t.Fatalf("the letters are\n%s\nwant\n%s", strings.Join(is, "\n"), strings.Join(was, "\n"))
		}
	}
	sameLedger(t, under, model)
	sameEvents(t, under, model)
}

// A pair does the same on a stream of the database and of the model.
type pair struct {
	store, model domain.EventStore
	at, modelAt  domain.Checkpoint
}

func newPair(t *testing.T, databaseURL string, model *domaintest.MemDatabase, source string) *pair {
	t.Helper()
	p := &pair{store: open(t, databaseURL), model: model.Store()}
	for store, at := range map[domain.EventStore]*domain.Checkpoint{p.store: &p.at, p.model: &p.modelAt} {
		var err error
		if *at, err = store.Claim(t.Context(), domain.StreamID{Source: source}, "https://api.example"); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// commit stores pages in one transaction and compares what both stores answer.
func (p *pair) commit(t *testing.T, pages []domain.DecodedPage) {
	t.Helper()
	batch := func(at domain.Checkpoint) domain.Batch {
		return domain.Batch{At: at, Pages: pages}
	}
	got, err := p.store.Commit(t.Context(), batch(p.at))
	want, modelErr := p.model.Commit(t.Context(), batch(p.modelAt))
	if err != nil || modelErr != nil || got.Counts != want.Counts {
		t.Fatalf("%+v, %v, want %+v, %v, of\n%s", got.Counts, err, want.Counts, modelErr, shown(pages))
	}
	if got, want := standing(got.Checkpoint), standing(want.Checkpoint); got != want {
		t.Fatalf("the checkpoint is\n%+v\nwant\n%+v\nof\n%s", got, want, shown(pages))
	}
	p.at, p.modelAt = got.Checkpoint, want.Checkpoint
}

// standing is what a checkpoint tells of the pages before it, in a form that can be compared.
func standing(at domain.Checkpoint) any {
	at.CursorExpiresAt = at.CursorExpiresAt.UTC()
	return struct {
		Seq         int64
		Place       domain.Position
		Counts      domain.Counts
		LastEventAt time.Time
	}{at.Seq, at.Position, at.Counts, at.LastEventAt.UTC()}
}

func sameLedger(t *testing.T, under domaintest.StoreUnderTest, model *domaintest.MemDatabase) {
	t.Helper()
	rows, err := under.Ledger(t.Context())
	want := model.Ledger()
	if err != nil || len(rows) != len(want) {
		t.Fatalf("%d ledger rows, %v, want %d", len(rows), err, len(want))
	}
	for i := range rows {
		if rows[i] != want[i] {
			t.Errorf("ledger row %d is\n%+v, want\n%+v", i, rows[i], want[i])
		}
	}
}

func sameEvents(t *testing.T, under domaintest.StoreUnderTest, model *domaintest.MemDatabase) {
	t.Helper()
	events, err := under.Events(t.Context())
	if err != nil || len(events) != len(model.Events()) {
		t.Fatalf("%d rows, %v, want %d", len(events), err, len(model.Events()))
	}
	for id, e := range model.Events() {
		if events[id].Name != e.Name || !events[id].OccurredAt.Equal(e.OccurredAt) {
			t.Errorf("%s is %q of %s, want %q of %s", id, events[id].Name, events[id].OccurredAt, e.Name, e.OccurredAt)
		}
	}
}

// A pageMaker makes pages of records over four ids. The first record of each page has a new id, and the oldest of the four
// is left out from then on. Sorting functions that are not stable are so with up to 12 elements: some pages hold 40.
type pageMaker struct {
	random  *rand.Rand
	newest  uint64
	padding int // bytes that each event has for nothing; a reject has ten times as many
}

// chain makes one to three pages that follow each other from at, now and then from the head of a new pass.
func (m *pageMaker) chain(at domain.Position) []domain.DecodedPage {
	var pages []domain.DecodedPage
	if m.random.IntN(8) == 0 {
		at = at.NextPass()
	}
	for range 1 + m.random.IntN(3) {
		p := m.page(at, []int{0, 1 + m.random.IntN(6), 40}[m.random.IntN(3)])
		pages, at = append(pages, p), p.To
	}
	return pages
}

func (m *pageMaker) page(at domain.Position, records int) domain.DecodedPage {
	m.newest++
	receipt := domain.Receipt{FetchedAt: time.Unix(int64(m.newest), 0), TraceID: strconv.FormatUint(m.newest, 10)}
	p := domain.DecodedPage{
		From: at, Received: records, MaxParked: records, Receipt: receipt,
		To: at.After(domain.Page{
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

// add adds the event of an id, or what cannot become one.
func (m *pageMaker) add(p *domain.DecodedPage, index int, id domain.EventID, n uint64) {
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

// fates is what became of letters, but for what the two stores name as they like: pages, and the values of a conflict.
func fates(letters []domain.DeadLetter) []string {
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

func shown(pages []domain.DecodedPage) string {
	var text strings.Builder
	for _, p := range pages {
		byPlace := make([]string, p.Received)
		for _, e := range p.Events {
			byPlace[e.Record.Index] = string(e.Record.Payload)
		}
		for _, r := range p.Rejects {
			byPlace[r.Record.Index] = string(r.Record.Payload)
		}
		text.WriteString("page: " + strings.Join(byPlace, ", ") + "\n")
	}
	return text.String()
}
