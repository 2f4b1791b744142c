package domaintest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

// A DecoderUnderTest is a decoder with records for it: good ones, good ones with unexpected fields, and ones that it must
// reject. There is at least one of each. Same has records in two or more forms with the same content.
type DecoderUnderTest struct {
	Decoder               domain.Decoder
	Good, Drifted, Faulty []string
	Same                  [][]string
}

// DecoderChecks returns the checks of the contract of [domain.Decoder].
func DecoderChecks() []Check[DecoderUnderTest] {
	return []Check[DecoderUnderTest]{
		{"a good record becomes an event without drift", checkGoodRecords},
		{"the same record gives the same result", checkSameResult},
		{"concurrent calls do not disturb each other", checkConcurrentCalls},
		{"a payload is never changed", checkPayloadUnchanged},
		{"a result stays valid after later calls", checkResultsStayValid},
		{"unexpected fields are drift and are stored in Extra", checkDrift},
		{"a faulty record gives a rejection and no event", checkFaultyRecords},
		{"any bytes give an event or a rejection", checkAnyBytes},
		{"all forms of a record have the same hash, and different records have different ones", checkHash},
	}
}

func (u DecoderUnderTest) all() []string {
	return slices.Concat(append([][]string{u.Good, u.Drifted, u.Faulty}, u.Same...)...)
}

// A decoded is one result of a decoder.
type decoded struct {
	event domain.Event
	drift []domain.Drift
	err   error
	hash  domain.RecordHash
}

func (d decoded) equal(other decoded) bool {
	return d.hash == other.hash && reflect.DeepEqual(d.event, other.event) && reflect.DeepEqual(d.drift, other.drift) &&
		fmt.Sprintf("%#v", d.err) == fmt.Sprintf("%#v", other.err)
}

func (u DecoderUnderTest) decode(payload []byte) decoded {
	event, drift, err := u.Decoder.Decode(domain.Record{Payload: payload})
	return decoded{event, drift, err, u.Decoder.Hash(domain.Record{Payload: payload})}
}

func checkGoodRecords(_ context.Context, under DecoderUnderTest) error {
	for _, payload := range under.Good {
		got := under.decode([]byte(payload))
		if got.err != nil || got.drift != nil || got.event.Extra != nil {
			return fmt.Errorf("%s: got drift %v, extra %q, error %w", payload, got.drift, got.event.Extra, got.err)
		}
		at := got.event.OccurredAt
		if at.IsZero() || at.Location() != time.UTC || !at.Equal(at.Truncate(time.Microsecond)) {
			return fmt.Errorf("%s: got time %v, want UTC in microseconds", payload, at)
		}
		if got.event.ID == (domain.EventID{}) || !bytes.HasPrefix(got.event.Properties, []byte("{")) {
			return fmt.Errorf("%s: got id %s, properties %q", payload, got.event.ID, got.event.Properties)
		}
	}
	return nil
}

func checkSameResult(_ context.Context, under DecoderUnderTest) error {
	for _, payload := range under.all() {
		if first, again := under.decode([]byte(payload)), under.decode([]byte(payload)); !first.equal(again) {
			return fmt.Errorf("%s: got first %+v, then %+v", payload, first, again)
		}
	}
	return nil
}

func checkConcurrentCalls(_ context.Context, under DecoderUnderTest) error {
	const callers, rounds = 8, 50
	payloads := under.all()
	var want []decoded
	for _, payload := range payloads {
		want = append(want, under.decode([]byte(payload)))
	}
	faults := make([]error, callers)
	var wg sync.WaitGroup
	for caller := range callers {
		wg.Go(func() {
			for i := range rounds * len(payloads) {
				at := (i + caller) % len(payloads)
				if got := under.decode([]byte(payloads[at])); !got.equal(want[at]) {
					faults[caller] = fmt.Errorf("%s: got %+[3]v in concurrent calls, want %+[2]v", payloads[at], want[at], got)
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(faults...)
}

func checkPayloadUnchanged(_ context.Context, under DecoderUnderTest) error {
	for _, payload := range under.all() {
		// The payload has spare capacity: an append to a slice of it would overwrite the next record.
		page := append([]byte(payload), "next record"...)
		under.decode(page[:len(payload)])
		under.Decoder.Hash(domain.Record{Payload: page[:len(payload)]})
		if string(page) != payload+"next record" {
			return fmt.Errorf("%s was changed to %s", payload, page)
		}
	}
	return nil
}

func checkResultsStayValid(_ context.Context, under DecoderUnderTest) error {
	var results []decoded
	var before []string
	for _, payload := range under.all() {
		results = append(results, under.decode([]byte(payload)))
		before = append(before, fmt.Sprintf("%+v", results[len(results)-1]))
	}
	for i, result := range results {
		if after := fmt.Sprintf("%+v", result); after != before[i] {
			return fmt.Errorf("result %s changed to %s", before[i], after)
		}
	}
	return nil
}

func checkDrift(_ context.Context, under DecoderUnderTest) error {
	for _, payload := range under.Drifted {
		got := under.decode([]byte(payload))
		if got.err != nil || len(got.drift) == 0 || !bytes.HasPrefix(got.event.Extra, []byte("{")) {
			return fmt.Errorf("%s: got drift %v, extra %q, error %w", payload, got.drift, got.event.Extra, got.err)
		}
		for _, d := range got.drift {
			if d.Path == "" || d.Kind == "" || len(d.Value) == 0 || len(d.Path) > 400 {
				return fmt.Errorf("%s: drift %+v lacks a field, or its path is too long", payload, d)
			}
		}
	}
	return nil
}

func checkFaultyRecords(_ context.Context, under DecoderUnderTest) error {
	for _, payload := range under.Faulty {
		got := under.decode([]byte(payload))
		if err := checkRejection(got); err != nil {
			return fmt.Errorf("%.80q: %w", payload, err)
		}
		if got.err == nil {
			return fmt.Errorf("%.80q: got no rejection", payload)
		}
	}
	return nil
}

// checkAnyBytes cuts the records at every byte, and replaces each byte.
func checkAnyBytes(_ context.Context, under DecoderUnderTest) error {
	for _, payload := range append(under.all(), "", "\x00", "\xff", "null", "{}", "[]") {
		for i := range len(payload) + 1 {
			if err := checkRejection(under.decode([]byte(payload[:i]))); err != nil {
				return fmt.Errorf("%.80q cut at %d: %w", payload, i, err)
			}
		}
		for i := range len(payload) {
			for _, c := range []byte("\x00\x1f\"\\{}[]:,u0\xc3\xff") {
				changed := []byte(payload)
				changed[i] = c
				if err := checkRejection(under.decode(changed)); err != nil {
					return fmt.Errorf("%.80q with %q at %d: %w", payload, c, i, err)
				}
			}
		}
	}
	return nil
}

// checkHash: the records in Same have the same hash in every form; faulty records all have different ones.
func checkHash(_ context.Context, under DecoderUnderTest) error {
	records := slices.Clone(under.Same)
	for _, payload := range under.Faulty {
		records = append(records, []string{payload})
	}
	seen := map[domain.RecordHash]int{}
	for i, forms := range records {
		for _, form := range forms {
			hash := under.decode([]byte(form)).hash
			if hash != under.decode([]byte(forms[0])).hash {
				return fmt.Errorf("%q has another hash than %q", form, forms[0])
			}
			if other, known := seen[hash]; known && other != i {
				return fmt.Errorf("%q has the hash of %q", form, records[other][0])
			}
			seen[hash] = i
		}
	}
	return nil
}

func checkRejection(got decoded) error {
	if got.err == nil {
		return nil
	}
	var rejection *domain.Rejection
	if !errors.As(got.err, &rejection) || reflect.TypeOf(got.err) != reflect.TypeOf(rejection) {
		return fmt.Errorf("got error type %T, want *domain.Rejection: %w", got.err, got.err)
	}
	if rejection.Reason == "" || rejection.Detail == "" {
		return fmt.Errorf("the rejection lacks its reason or detail: %w", rejection)
	}
	if got.drift != nil || !reflect.DeepEqual(got.event, domain.Event{}) {
		return fmt.Errorf("got event %+v with the rejection", got.event)
	}
	return nil
}

// A LineDecoder is a domain.Decoder for tests. A payload is a number, like "17", which becomes the event of EventID(17). A
// word after the number, as in "17 colour", is an unexpected field of that name. Any other payload is rejected.
type LineDecoder struct {
	Accepts string // an optional prefix of the number
}

// EventID returns the id of the n-th event.
func EventID(n uint64) domain.EventID {
	var id domain.EventID
	copy(id[:8], "pawltest")
	binary.BigEndian.PutUint64(id[8:], n)
	return id
}

// Hash implements domain.Decoder. It ignores spaces at the end of a record.
func (LineDecoder) Hash(r domain.Record) domain.RecordHash {
	return sha256.Sum256(bytes.TrimRight(r.Payload, " "))
}

// Decode implements domain.Decoder.
func (d LineDecoder) Decode(r domain.Record) (domain.Event, []domain.Drift, error) {
	number, unexpected, drifted := strings.Cut(string(r.Payload), " ")
	number = strings.TrimPrefix(number, d.Accepts)
	n, err := strconv.ParseUint(number, 10, 32)
	if err != nil {
		return domain.Event{}, nil, &domain.Rejection{
			Reason: "not a number", Detail: strconv.QuoteToASCII(fmt.Sprintf("%.40s", number)),
		}
	}
	event := domain.Event{
		ID: EventID(n), SessionID: EventID(n / 5), UserID: EventID(n / 50), Type: "click", Name: "event_" + number,
		Properties: []byte(`{"n":` + strconv.FormatUint(n, 10) + `}`), OccurredAt: time.UnixMilli(1_769_541_553_000 + int64(n)).UTC(),
		DeviceType: "desktop", Browser: "Firefox",
	}
	if !drifted {
		return event, nil, nil
	}
	event.Extra, _ = json.Marshal(map[string]bool{unexpected: true})
	return event, []domain.Drift{{Path: unexpected, Kind: "new field", Value: []byte("true")}}, nil
}
