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

// TestTheStoreDoesAsTheModel commits pages in which a few ids come as events, with other values, with values that
// PostgreSQL refuses, and as rejects, in any order and number, and compares what becomes of them with the store in memory,
// which does one record after the other.
func TestTheStoreDoesAsTheModel(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Parallel()
			databaseURL, model := pgtest.Database(t), domaintest.NewMemDatabase()
			random := rand.New(rand.NewPCG(seed, 0))
			var stores [2][2]domain.EventStore // by stream, the model's behind
			var at [2][2]domain.Checkpoint
			for i := range stores {
				stores[i] = [2]domain.EventStore{open(t, databaseURL), model.Store()}
				for k, s := range stores[i] {
					var err error
					if at[i][k], err = s.Claim(t.Context(), domain.StreamID{Source: strconv.Itoa(i)}, "https://api.example"); err != nil {
						t.Fatal(err)
					}
				}
			}
			for n := range 40 {
				i := random.IntN(len(stores))
				b := domain.Batch{At: at[i][0]}
				for range 1 + random.IntN(2) {
					b.Pages = append(b.Pages, anyPage(random, int64(2*n+len(b.Pages))))
				}
				got, err := stores[i][0].Commit(t.Context(), b)
				b.At = at[i][1]
				want, modelErr := stores[i][1].Commit(t.Context(), b)
				if err != nil || modelErr != nil || got.Tally != want.Tally {
					t.Fatalf("batch %d: %+v, %v, want %+v, %v, of\n%s", n, got.Tally, err, want.Tally, modelErr, shown(b))
				}
				if was, is := fates(model.Letters()), fates(letters(t, databaseURL)); !reflect.DeepEqual(was, is) {
					t.Fatalf("batch %d: the letters are\n%s\nwant\n%s\nof\n%s", n, strings.Join(is, "\n"), strings.Join(was, "\n"), shown(b))
				}
				at[i] = [2]domain.Checkpoint{got.Checkpoint, want.Checkpoint}
			}
			events, err := storeOn(t, databaseURL).Events(t.Context())
			if err != nil || len(events) != len(model.Events()) {
				t.Fatalf("%d rows, %v", len(events), err)
			}
			for id, e := range model.Events() {
				if events[id].Name != e.Name {
					t.Errorf("%s is %q, want %q", id, events[id].Name, e.Name)
				}
			}
		})
	}
}

// anyPage returns a page of a pass of its own: within a pass no page may repeat another.
func anyPage(random *rand.Rand, pass int64) domain.ReadPage {
	p := domain.ReadPage{To: domain.Place{Pass: pass}, Received: random.IntN(7), Receipt: domain.Receipt{FetchedAt: time.Now()}}
	p.MayPark = p.Received
	for i := range p.Received {
		id := domain.EventID{15: byte(random.IntN(4) + 1)}
		e := domain.Event{ID: id, Properties: []byte("{}"), OccurredAt: time.Unix(1, 0)}
		how := []string{"event", "event", "other", "third", "refused", "reject"}[random.IntN(6)]
		record := domain.Record{Index: i, Payload: fmt.Appendf(nil, "%d %d %s", random.Int32(), id[15], how)}
		switch how {
		case "reject":
			p.Rejects = append(p.Rejects, domain.Reject{Record: record, Why: domain.Rejection{Reason: how, Detail: how, ID: id}})
			continue
		case "refused":
			e.Name = "\x00"
		case "event":
		default:
			e.Name = how
		}
		p.Events = append(p.Events, domain.ReadEvent{Event: e, Record: record})
	}
	return p
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

func shown(b domain.Batch) string {
	var text strings.Builder
	for _, p := range b.Pages {
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
