package domain_test

import (
	"context"
	"errors"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/pawldata/pawl/internal/domain"
)

// A wordDecoder decodes a number as an event, and each word after the number as drift. It rejects anything else.
type wordDecoder struct{}

func (wordDecoder) Decode(r domain.Record) (domain.Event, []domain.Drift, error) {
	words := strings.Fields(string(r.Payload))
	if len(words) == 0 {
		return domain.Event{}, nil, errors.New("no rejection, against the contract")
	}
	n, err := strconv.Atoi(words[0])
	if err != nil {
		return domain.Event{}, nil, &domain.Rejection{Reason: "not a number", Detail: words[0]}
	}
	var drift []domain.Drift
	for _, word := range words[1:] {
		drift = append(drift, domain.Drift{Path: word, Kind: "new field", Value: r.Payload})
	}
	return domain.Event{ID: domain.EventID{15: byte(n)}}, drift, nil
}

func (wordDecoder) Hash(r domain.Record) domain.RecordHash { return domain.HashBytes(r) }

func decodePage(payloads ...string) domain.DecodedPage {
	fetched := domain.FetchedPage{To: domain.Position{Pass: 1}, Page: domain.Page{Receipt: domain.Receipt{RequestID: "r"}}}
	for i, payload := range payloads {
		fetched.Page.Records = append(fetched.Page.Records, domain.Record{Payload: []byte(payload), Index: i})
	}
	page, _ := fetched.Decode(context.Background(), wordDecoder{}) // no error, since the context never ends
	return page
}

// TestDecodeEveryRecord checks the part of I1 that is decided before the store.
func TestDecodeEveryRecord(t *testing.T) {
	t.Parallel()
	page := decodePage("1", "x", "2 a b", "", "3 b", "y")
	if page.Received != 6 || len(page.Events) != 3 || len(page.Rejects) != 3 || page.Receipt.RequestID != "r" {
		t.Fatalf("%+v", page)
	}
	for i, want := range []string{"1", "2 a b", "3 b"} {
		if e := page.Events[i]; string(e.Record.Payload) != want || e.ID != (domain.EventID{15: byte(i + 1)}) {
			t.Errorf("event %d is %+v", i, e)
		}
	}
	for i, want := range []domain.Rejection{
		{Reason: "not a number", Detail: "x"}, {Reason: "unknown", Detail: "no rejection, against the contract"}, {Reason: "not a number", Detail: "y"},
	} {
		if r := page.Rejects[i]; r.Why != want || r.Record.Index != 2*i+1 {
			t.Errorf("reject %d is %+v", i, r)
		}
	}
	want := []domain.DriftCount{
		{Path: "a", Kind: "new field", Count: 1, Value: []byte("2 a b")}, {Path: "b", Kind: "new field", Count: 2, Value: []byte("2 a b")},
	}
	if !reflect.DeepEqual(page.Drift, want) {
		t.Errorf("drift %+v, want %+v", page.Drift, want)
	}
}

// A stoppingDecoder cancels its context at the record with this number, from 1.
type stoppingDecoder struct {
	wordDecoder

	stop    context.CancelFunc
	at      int
	decoded *int
}

func (d stoppingDecoder) Decode(r domain.Record) (domain.Event, []domain.Drift, error) {
	if *d.decoded++; *d.decoded == d.at {
		d.stop()
	}
	return d.wordDecoder.Decode(r)
}

func TestDecodeStopsWithContext(t *testing.T) {
	t.Parallel()
	records := make([]domain.Record, 5)
	for at, want := range map[int]domain.Kind{2: domain.Stopped, 4: domain.Stopped, 5: domain.Unknown} {
		ctx, cancel := context.WithCancel(t.Context())
		decoded := 0
		fetched := domain.FetchedPage{Page: domain.Page{Records: records}}
		page, err := fetched.Decode(ctx, stoppingDecoder{stop: cancel, at: at, decoded: &decoded})
		if decoded != at {
			t.Errorf("stopped at record %d, went on to %d", at, decoded)
		}
		if done := want == domain.Unknown; domain.KindOf(err) != want || done != (page.Received == 5) || done && err != nil {
			t.Errorf("stopped at record %d: %d received, error %v", at, page.Received, err)
		}
		cancel()
	}
}

// TestDecodeLimitsDrift checks that an API that uses ids as field names does not fill the register.
func TestDecodeLimitsDrift(t *testing.T) {
	t.Parallel()
	var payloads []string
	for i := range 3 * domain.MaxDriftEntries {
		payloads = append(payloads, "1 field-"+strconv.Itoa(i))
	}
	drift := decodePage(append(payloads, payloads[0])...).Drift
	if len(drift) != domain.MaxDriftEntries+1 || drift[0].Count != 2 {
		t.Fatalf("%d paths, the first %+v", len(drift), drift[0])
	}
	last := drift[domain.MaxDriftEntries]
	if last.Path != domain.FurtherDriftPath || last.Kind != domain.FurtherDriftKind || last.Count != 2*domain.MaxDriftEntries {
		t.Errorf("the rest is %+v", last)
	}
}

func TestCheckRejectRatio(t *testing.T) {
	t.Parallel()
	var rejects []domain.Reject
	for i, why := range []domain.Rejection{
		{Reason: "null field", Field: "a"}, {Reason: "not an object"}, {Reason: "null field", Field: "a"}, {Reason: "null field", Field: "b"},
	} {
		why.Detail = "d"
		rejects = append(rejects, domain.Reject{Record: domain.Record{Index: i}, Why: why})
	}
	page := domain.DecodedPage{Received: 9, MaxParked: 4, Receipt: domain.Receipt{RequestID: "req-7"}}
	if err := page.CheckRejectRatio(rejects); err != nil {
		t.Errorf("it may park four, and does not: %v", err)
	}
	page.MaxParked = 3
	err := page.CheckRejectRatio(rejects)
	if domain.KindOf(err) != domain.TooManyRejects {
		t.Fatalf("it was answered %v", err)
	}
	for _, want := range []string{"4 of 9 records", `"req-7"`, `(2) for "null field" in field a`, "record 0: null field in field a: d; record 1: not an object: d; record 3: null field in field b: d"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
	if strings.Contains(err.Error(), "record 2") {
		t.Errorf("more than three are shown: %v", err)
	}
	if hint := domain.HintOf(err); strings.Contains(hint, "all of them") || domain.RemedyOf(err) != domain.ParkRejects {
		t.Errorf("the hint is %q", hint)
	}
	if hint := domain.HintOf(domain.DecodedPage{}.CheckRejectRatio(rejects[:1])); !strings.Contains(hint, "all of them") {
		t.Errorf("the hint is %q", hint)
	}
}

// TestCheckRejectRatioMemory checks a page with ten thousand rejects.
func TestCheckRejectRatioMemory(t *testing.T) {
	rejects := make([]domain.Reject, 10_000)
	for i := range rejects {
		rejects[i] = domain.Reject{Why: domain.Rejection{Reason: "not an object", Detail: strings.Repeat("d", 100)}}
	}
	page := domain.DecodedPage{Received: len(rejects)}
	once := testing.AllocsPerRun(1, func() { _ = page.CheckRejectRatio(rejects[:10]) })
	many := testing.AllocsPerRun(1, func() { _ = page.CheckRejectRatio(rejects) })
	if perReject := (many - once) / float64(len(rejects)); perReject > 4 {
		t.Errorf("%.1f allocations for each reject: %.0f for ten, %.0f for %d", perReject, once, many, len(rejects))
	}
}

func TestDeadLetterKeys(t *testing.T) {
	t.Parallel()
	const (
		id       = "00000000-0000-0000-0000-000000000001"
		ofBytes  = "sha256 74234e98afe7498fb5daf1f36ac2d78acc339464f950703b8c019892f982b90b"
		ofRecord = "sha256 2a00000000000000000000000000000000000000000000000000000000000000"
	)
	known := domain.Rejection{ID: domain.EventID{15: 1}}
	decoded := domain.DecodedPage{Hash: func(domain.Record) domain.RecordHash { return domain.RecordHash{0x2a} }}
	tests := []struct {
		name         string
		page         domain.DecodedPage
		reject       domain.Reject
		want, former domain.DeadLetterKey
	}{
		{"by the event's id and the decoder's hash", decoded, domain.Reject{Why: known}, id + " " + ofRecord, id},
		{"by the event's id and the bytes", domain.DecodedPage{}, domain.Reject{Why: known}, id + " " + ofBytes, id},
		{"by the decoder's hash alone", decoded, domain.Reject{}, ofRecord, ofBytes},
		{"by the bytes alone", domain.DecodedPage{}, domain.Reject{}, ofBytes, ofBytes},
		{"by the event's values", decoded, domain.Reject{Why: known, Values: "abc"}, id + " with values abc", id},
	}
	for _, tt := range tests {
		tt.reject.Record.Payload = []byte("null")
		if got, former := tt.page.KeyOf(tt.reject), tt.reject.LegacyKey(); got != tt.want || former != tt.former {
			t.Errorf("%s: %q, formerly %q, want %q and %q", tt.name, got, former, tt.want, tt.former)
		}
	}
}
