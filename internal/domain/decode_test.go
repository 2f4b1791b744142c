package domain_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/pawldata/pawl/internal/domain"
)

// A wordDecoder decodes a number as an event, and each word after the number as drift. It rejects a record that does not
// begin with a number. For an empty record it breaks the contract of [domain.Decoder]: its error is no Rejection.
type wordDecoder struct{}

func (wordDecoder) Decode(r domain.Record) (domain.Event, []domain.Drift, error) {
	words := strings.Fields(string(r.Payload))
	if len(words) == 0 {
		return domain.Event{}, nil, errors.New("empty record")
	}
	n, err := strconv.Atoi(words[0])
	if err != nil {
		return domain.Event{}, nil, &domain.Rejection{Reason: "not a number", Detail: words[0]}
	}
	var drift []domain.Drift
	for _, word := range words[1:] {
		drift = append(drift, domain.Drift{Path: word, Kind: "new field", Value: r.Payload})
	}
	return domain.Event{ID: eventID(n)}, drift, nil
}

func (wordDecoder) Hash(r domain.Record) domain.RecordHash { return domain.HashBytes(r) }

// eventID returns the id of the event to which a wordDecoder decodes the number n.
func eventID(n int) domain.EventID { return domain.EventID{15: byte(n)} }

// decodePage decodes a page that has one record for each payload. Its request id is "request-1".
func decodePage(payloads ...string) domain.DecodedPage {
	fetched := domain.FetchedPage{To: domain.Position{Pass: 1}, Page: domain.Page{Receipt: domain.Receipt{RequestID: "request-1"}}}
	for i, payload := range payloads {
		fetched.Page.Records = append(fetched.Page.Records, domain.Record{Payload: []byte(payload), Index: i})
	}
	page, _ := fetched.Decode(context.Background(), wordDecoder{}, nil) // no error, since the context never ends
	return page
}

// TestDecodeEveryRecord checks that each record of a page becomes an event or a reject (I1), in the page's order.
func TestDecodeEveryRecord(t *testing.T) {
	t.Parallel()
	page := decodePage("1", "x", "2 a b", "", "3 b", "y") // wordDecoder rejects x, the empty record and y
	if page.Received != 6 || page.Receipt.RequestID != "request-1" {
		t.Errorf("got %d received records and receipt %+v, want 6 records of request-1", page.Received, page.Receipt)
	}
	if len(page.Events) != 3 || len(page.Rejects) != 3 {
		t.Fatalf("got events %+v and rejects %+v, want 3 of each", page.Events, page.Rejects)
	}
	for i, want := range []string{"1", "2 a b", "3 b"} {
		if e := page.Events[i]; string(e.Record.Payload) != want || e.ID != eventID(i+1) {
			t.Errorf("event %d: got id %s of record %q, want id %s of record %q", i, e.ID, e.Record.Payload, eventID(i+1), want)
		}
	}
	wantRejects := []struct {
		index int
		why   domain.Rejection
	}{
		{index: 1, why: domain.Rejection{Reason: "not a number", Detail: "x"}},
		{index: 3, why: domain.Rejection{Reason: "unknown", Detail: "empty record"}},
		{index: 5, why: domain.Rejection{Reason: "not a number", Detail: "y"}},
	}
	for i, want := range wantRejects {
		if got := page.Rejects[i]; got.Why != want.why || got.Record.Index != want.index {
			t.Errorf("reject %d: got record %d with %+v, want record %d with %+v", i, got.Record.Index, got.Why, want.index, want.why)
		}
	}
	wantDrift := []domain.DriftCount{
		{Path: "a", Kind: "new field", Count: 1, Value: []byte("2 a b")},
		{Path: "b", Kind: "new field", Count: 2, Value: []byte("2 a b")},
	}
	if !reflect.DeepEqual(page.Drift, wantDrift) {
		t.Errorf("got drift %+v, want %+v", page.Drift, wantDrift)
	}
}

// A cancellingDecoder calls cancel while it decodes the record with number cancelAt, counted from 1.
type cancellingDecoder struct {
	wordDecoder

	cancel   context.CancelFunc
	cancelAt int
	decoded  int // the number of records decoded so far
}

func (d *cancellingDecoder) Decode(r domain.Record) (domain.Event, []domain.Drift, error) {
	d.decoded++
	if d.decoded == d.cancelAt {
		d.cancel()
	}
	return d.wordDecoder.Decode(r)
}

// TestDecodeStopsWithContext checks that Decode decodes no further record after ctx has ended. A page whose last record is
// decoded when ctx ends is complete.
func TestDecodeStopsWithContext(t *testing.T) {
	t.Parallel()
	const recordCount = 5
	fetched := domain.FetchedPage{Page: domain.Page{Records: make([]domain.Record, recordCount)}}
	for _, cancelAt := range []int{2, 4, recordCount} {
		ctx, cancel := context.WithCancel(t.Context())
		decoder := &cancellingDecoder{cancel: cancel, cancelAt: cancelAt}
		page, err := fetched.Decode(ctx, decoder, nil)
		if decoder.decoded != cancelAt {
			t.Errorf("cancelled at record %d: got %d decoded records, want %d", cancelAt, decoder.decoded, cancelAt)
		}
		wantKind, wantReceived := domain.Stopped, 0
		if cancelAt == recordCount { // all records were decoded before ctx ended
			wantKind, wantReceived = noError, recordCount
		}
		checkKind(t, fmt.Sprintf("cancelled at record %d", cancelAt), err, wantKind)
		if page.Received != wantReceived {
			t.Errorf("cancelled at record %d: got a page of %d records, want %d", cancelAt, page.Received, wantReceived)
		}
		cancel()
	}
}

// TestDecodeLimitsDrift checks that an API that uses ids as field names does not fill the drift register. The first
// MaxDriftEntries names have their own counts, and one more count has all further names.
func TestDecodeLimitsDrift(t *testing.T) {
	t.Parallel()
	const fieldNames = 3 * domain.MaxDriftEntries
	var payloads []string
	for i := range fieldNames {
		payloads = append(payloads, "1 field-"+strconv.Itoa(i))
	}
	payloads = append(payloads, payloads[0]) // the first field name occurs twice
	drift := decodePage(payloads...).Drift
	if len(drift) != domain.MaxDriftEntries+1 {
		t.Fatalf("got %d drift counts, want %d", len(drift), domain.MaxDriftEntries+1)
	}
	if drift[0].Count != 2 {
		t.Errorf("got first count %+v, want 2 records", drift[0])
	}
	last := drift[domain.MaxDriftEntries]
	want := domain.DriftCount{
		Path: domain.FurtherDriftPath, Kind: domain.FurtherDriftKind, Count: fieldNames - domain.MaxDriftEntries,
		Value: last.Value, // any value will do
	}
	if !reflect.DeepEqual(last, want) {
		t.Errorf("got last count %+v, want %+v", last, want)
	}
}

// TestCheckRejectRatio checks how many rejects a page may have, and what the error says if a page has more.
func TestCheckRejectRatio(t *testing.T) {
	t.Parallel()
	rejects := []domain.Reject{ // records 0 and 2 have the same fault
		{
			Record: domain.Record{Index: 0, Payload: []byte(`{"a":null,` + "\x1b\n\u202e" + strings.Repeat("x", 200))},
			Why:    domain.Rejection{Reason: "null field", Field: "a", Detail: "d"},
		},
		{Record: domain.Record{Index: 1}, Why: domain.Rejection{Reason: "not an object", Detail: "d"}},
		{Record: domain.Record{Index: 2}, Why: domain.Rejection{Reason: "null field", Field: "a", Detail: "d"}},
		{Record: domain.Record{Index: 3}, Why: domain.Rejection{Reason: "null field", Field: "b", Detail: "d"}},
	}
	page := domain.DecodedPage{Received: 9, MaxParked: len(rejects), Receipt: domain.Receipt{RequestID: "req-7"}}
	checkKind(t, "as many rejects as allowed", page.CheckRejectRatio(rejects), noError)

	page.MaxParked = len(rejects) - 1
	err := page.CheckRejectRatio(rejects)
	checkKind(t, "one reject more than allowed", err, domain.TooManyRejects)
	for _, want := range []string{
		"4 of 9 records",
		`"req-7"`,
		`(2) for "null field" in field a`,
		"record 0: null field in field a: d; record 1: not an object: d; record 3: null field in field b: d",
		`; record 0 is {"a":null,???` + strings.Repeat("x", 145) + "…", // 160 bytes, of which the third ? stands for three
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got error %q, want %q in it", err, want)
		}
	}
	if strings.Contains(err.Error(), "record 2") {
		t.Errorf("got error %q, want only three records in it, each with another fault", err)
	}
	if remedy := domain.RemedyOf(err); remedy != domain.ParkRejects {
		t.Errorf("got remedy %d, want ParkRejects", remedy)
	}
	const sameFault = "all of them have the same fault"
	if hint := domain.HintOf(err); strings.Contains(hint, sameFault) {
		t.Errorf("different faults: got hint %q, want one without %q", hint, sameFault)
	}
	if hint := domain.HintOf(domain.DecodedPage{}.CheckRejectRatio(rejects[:1])); !strings.Contains(hint, sameFault) {
		t.Errorf("one fault: got hint %q, want %q in it", hint, sameFault)
	}
}

// TestCheckRejectRatioMemory checks that the error for a page with very many rejects takes few allocations per reject. It
// subtracts the allocations for a few rejects, because they do not grow with the number of rejects. It is not parallel,
// because testing.AllocsPerRun counts the allocations of all goroutines.
func TestCheckRejectRatioMemory(t *testing.T) {
	const (
		few, many               = 10, 10_000 // rejects
		maxAllocationsPerReject = 4
	)
	rejects := make([]domain.Reject, many)
	for i := range rejects {
		rejects[i] = domain.Reject{Why: domain.Rejection{Reason: "not an object", Detail: strings.Repeat("d", 100)}}
	}
	page := domain.DecodedPage{Received: many}
	countAllocations := func(rejects []domain.Reject) float64 {
		return testing.AllocsPerRun(1, func() { _ = page.CheckRejectRatio(rejects) })
	}
	perReject := (countAllocations(rejects) - countAllocations(rejects[:few])) / many
	if perReject > maxAllocationsPerReject {
		t.Errorf("got %.1f more allocations for each reject, want at most %d", perReject, maxAllocationsPerReject)
	}
}

// TestDeadLetterKeys checks the keys that a reject has today, and the keys that earlier versions of pawl gave to it.
func TestDeadLetterKeys(t *testing.T) {
	t.Parallel()
	const (
		id          = "00000000-0000-0000-0000-000000000001"
		bytesHash   = "sha256 74234e98afe7498fb5daf1f36ac2d78acc339464f950703b8c019892f982b90b" // of "null"
		decoderHash = "sha256 2a00000000000000000000000000000000000000000000000000000000000000"
	)
	record := domain.Record{Payload: []byte("null")}
	withID := domain.Reject{Record: record, Why: domain.Rejection{ID: eventID(1)}}
	withoutID := domain.Reject{Record: record}
	conflict := domain.Reject{Record: record, Why: domain.Rejection{ID: eventID(1)}, Values: "abc"}
	hashOfDecoder := func(domain.Record) domain.RecordHash { return domain.RecordHash{0x2a} }
	tests := []struct {
		name      string
		hash      func(domain.Record) domain.RecordHash // the page's Hash; nil means the hash of the bytes
		reject    domain.Reject
		key       domain.DeadLetterKey
		legacyKey domain.DeadLetterKey
	}{
		{name: "id and decoder's hash", hash: hashOfDecoder, reject: withID, key: id + " " + decoderHash, legacyKey: id},
		{name: "id and hash of the bytes", reject: withID, key: id + " " + bytesHash, legacyKey: id},
		{name: "decoder's hash", hash: hashOfDecoder, reject: withoutID, key: decoderHash, legacyKey: bytesHash},
		{name: "hash of the bytes", reject: withoutID, key: bytesHash, legacyKey: bytesHash},
		{name: "id and hash of the values", hash: hashOfDecoder, reject: conflict, key: id + " with values abc", legacyKey: id},
	}
	for _, tt := range tests {
		page := domain.DecodedPage{Hash: tt.hash}
		if got := page.KeyOf(tt.reject); got != tt.key {
			t.Errorf("%s: got key %q, want %q", tt.name, got, tt.key)
		}
		if got := tt.reject.LegacyKey(); got != tt.legacyKey {
			t.Errorf("%s: got legacy key %q, want %q", tt.name, got, tt.legacyKey)
		}
	}
}
