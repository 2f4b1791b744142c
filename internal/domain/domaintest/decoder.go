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

// A DecoderUnderTest is a decoder with payloads for it. Each list has at least one payload.
type DecoderUnderTest struct {
	Decoder domain.Decoder
	Good    []string   // payloads that the decoder accepts without drift
	Drifted []string   // payloads that the decoder accepts, although they have unexpected fields
	Faulty  []string   // payloads that the decoder rejects; their contents all differ
	Same    [][]string // each inner list has two or more payloads with the same content, called its forms
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
		{"equal contents have equal hashes and different contents have different hashes", checkHash},
	}
}

// all returns all payloads.
func (u DecoderUnderTest) all() []string {
	return slices.Concat(u.Good, u.Drifted, u.Faulty, slices.Concat(u.Same...))
}

// A decodedRecord is what a decoder returns for one record.
type decodedRecord struct {
	event domain.Event
	drift []domain.Drift
	err   error
	hash  domain.RecordHash
}

// equal reports whether d and other are equal. It compares errors by their Go syntax.
func (d decodedRecord) equal(other decodedRecord) bool {
	return d.hash == other.hash && reflect.DeepEqual(d.event, other.event) && reflect.DeepEqual(d.drift, other.drift) &&
		fmt.Sprintf("%#v", d.err) == fmt.Sprintf("%#v", other.err)
}

// decode calls Decode and Hash with a record that has this payload.
func (u DecoderUnderTest) decode(payload []byte) decodedRecord {
	event, drift, err := u.Decoder.Decode(domain.Record{Payload: payload})
	return decodedRecord{event, drift, err, u.Decoder.Hash(domain.Record{Payload: payload})}
}

// checkGoodRecords checks that each good record gives an event with an id, a time and properties, and gives no drift.
func checkGoodRecords(_ context.Context, tested DecoderUnderTest) error {
	for _, payload := range tested.Good {
		got := tested.decode([]byte(payload))
		if got.err != nil {
			return fmt.Errorf("%s: %w", payload, got.err)
		}
		if got.drift != nil || got.event.Extra != nil {
			return fmt.Errorf("%s: got drift %v and extra %q, want neither", payload, got.drift, got.event.Extra)
		}
		occurredAt := got.event.OccurredAt
		isUTC := occurredAt.Location() == time.UTC
		isWhole := occurredAt.Equal(occurredAt.Truncate(time.Microsecond))
		if occurredAt.IsZero() || !isUTC || !isWhole {
			return fmt.Errorf("%s: got time %v, want a time in UTC, in whole microseconds", payload, occurredAt)
		}
		if got.event.ID == (domain.EventID{}) || !bytes.HasPrefix(got.event.Properties, []byte("{")) {
			return fmt.Errorf("%s: got id %s, properties %q; want an id and a JSON object", payload, got.event.ID, got.event.Properties)
		}
	}
	return nil
}

// checkSameResult decodes each record twice. Both calls must return the same.
func checkSameResult(_ context.Context, tested DecoderUnderTest) error {
	for _, payload := range tested.all() {
		if first, again := tested.decode([]byte(payload)), tested.decode([]byte(payload)); !first.equal(again) {
			return fmt.Errorf("%s: got %+v from the second call, want %+v", payload, again, first)
		}
	}
	return nil
}

// checkConcurrentCalls decodes all records in several goroutines, and compares each result with the result of a call before.
func checkConcurrentCalls(_ context.Context, tested DecoderUnderTest) error {
	const callers, rounds = 8, 50
	payloads := tested.all()
	var want []decodedRecord
	for _, payload := range payloads {
		want = append(want, tested.decode([]byte(payload)))
	}
	faults := make([]error, callers)
	var wg sync.WaitGroup
	for caller := range callers {
		wg.Go(func() {
			for i := range rounds * len(payloads) {
				index := (i + caller) % len(payloads) // each caller begins with another payload
				if got := tested.decode([]byte(payloads[index])); !got.equal(want[index]) {
					faults[caller] = fmt.Errorf("%s: got %+v in concurrent calls, want %+v", payloads[index], got, want[index])
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(faults...)
}

// checkPayloadUnchanged checks that decoding changes neither the payload nor the bytes after the payload.
func checkPayloadUnchanged(_ context.Context, tested DecoderUnderTest) error {
	for _, payload := range tested.all() {
		want := payload + "next record" // an append to the payload would overwrite the next record
		body := []byte(want)
		tested.decode(body[:len(payload)])
		if string(body) != want {
			return fmt.Errorf("got %s after decoding, want it unchanged: %s", body, want)
		}
	}
	return nil
}

// checkResultsStayValid decodes all records. After that, it checks that the later calls have not changed the earlier results.
func checkResultsStayValid(_ context.Context, tested DecoderUnderTest) error {
	var results []decodedRecord
	var before []string // each result as text, before the next call
	for _, payload := range tested.all() {
		result := tested.decode([]byte(payload))
		results = append(results, result)
		before = append(before, fmt.Sprintf("%+v", result))
	}
	for i, result := range results {
		if after := fmt.Sprintf("%+v", result); after != before[i] {
			return fmt.Errorf("got %s after later calls, want it unchanged: %s", after, before[i])
		}
	}
	return nil
}

// maxPathBytes is the greatest length of a drift's path. The path is part of a key in the drift register, so it must be short.
const maxPathBytes = 400

// checkDrift checks that each record with unexpected fields gives complete drift, and an event with Extra.
func checkDrift(_ context.Context, tested DecoderUnderTest) error {
	for _, payload := range tested.Drifted {
		got := tested.decode([]byte(payload))
		if got.err != nil {
			return fmt.Errorf("%s: %w", payload, got.err)
		}
		if len(got.drift) == 0 || !bytes.HasPrefix(got.event.Extra, []byte("{")) {
			return fmt.Errorf("%s: got drift %v and extra %q, want drift and a JSON object", payload, got.drift, got.event.Extra)
		}
		for _, d := range got.drift {
			if d.Path == "" || d.Kind == "" || len(d.Value) == 0 {
				return fmt.Errorf("%s: drift %+v lacks its path, its kind or its value", payload, d)
			}
			if len(d.Path) > maxPathBytes {
				return fmt.Errorf("%s: got a drift path of %d bytes, want at most %d", payload, len(d.Path), maxPathBytes)
			}
		}
	}
	return nil
}

// checkFaultyRecords checks that each faulty record gives a rejection, and no event and no drift.
func checkFaultyRecords(_ context.Context, tested DecoderUnderTest) error {
	for _, payload := range tested.Faulty {
		got := tested.decode([]byte(payload))
		if got.err == nil {
			return fmt.Errorf("%.80q: got no error, want a rejection", payload)
		}
		if err := wantOnlyRejection(got); err != nil {
			return fmt.Errorf("%.80q: %w", payload, err)
		}
	}
	return nil
}

// troublesomeBytes are bytes that often cause faults in JSON.
const troublesomeBytes = "\x00\x1f\"\\{}[]:,u0\xc3\xff"

// checkAnyBytes decodes each payload cut off after every number of bytes. It also decodes each payload with each of its bytes
// replaced by each of the troublesomeBytes. Every result must be an event or a rejection.
func checkAnyBytes(_ context.Context, tested DecoderUnderTest) error {
	for _, payload := range append(tested.all(), "", "\x00", "\xff", "null", "{}", "[]") {
		for i := range len(payload) + 1 {
			if err := wantOnlyRejection(tested.decode([]byte(payload[:i]))); err != nil {
				return fmt.Errorf("%.80q cut off after %d bytes: %w", payload, i, err)
			}
		}
		for i := range len(payload) {
			for _, replacement := range []byte(troublesomeBytes) {
				changed := []byte(payload)
				changed[i] = replacement
				if err := wantOnlyRejection(tested.decode(changed)); err != nil {
					return fmt.Errorf("%.80q with byte %d replaced by %q: %w", payload, i, replacement, err)
				}
			}
		}
	}
	return nil
}

// checkHash checks that all forms of a content in Same have the same hash. All contents in Same and Faulty differ from each
// other, so they must have different hashes.
func checkHash(_ context.Context, tested DecoderUnderTest) error {
	contents := slices.Clone(tested.Same) // each content is a list of its forms
	for _, payload := range tested.Faulty {
		contents = append(contents, []string{payload})
	}
	firstForms := map[domain.RecordHash]string{} // by hash: the first form of the content
	for _, forms := range contents {
		hash := tested.decode([]byte(forms[0])).hash
		if other, found := firstForms[hash]; found {
			return fmt.Errorf("got the same hash for %q and %q, want different hashes", forms[0], other)
		}
		firstForms[hash] = forms[0]
		for _, form := range forms[1:] {
			if tested.decode([]byte(form)).hash != hash {
				return fmt.Errorf("got different hashes for %q and %q, want the same hash", form, forms[0])
			}
		}
	}
	return nil
}

// wantOnlyRejection returns nil if got has no error. An error must be a complete *domain.Rejection that is not wrapped, and there
// must be no event and no drift with it.
func wantOnlyRejection(got decodedRecord) error {
	if got.err == nil {
		return nil
	}
	var rejection *domain.Rejection
	isWrapped := reflect.TypeOf(got.err) != reflect.TypeOf(rejection)
	if !errors.As(got.err, &rejection) || isWrapped {
		return fmt.Errorf("got error type %T, want *domain.Rejection; error %w", got.err, got.err)
	}
	if rejection.Reason == "" || rejection.Detail == "" {
		return fmt.Errorf("the rejection lacks its reason or detail: %w", rejection)
	}
	if got.drift != nil || !reflect.DeepEqual(got.event, domain.Event{}) {
		return fmt.Errorf("got event %+v and drift %v with the rejection, want neither", got.event, got.drift)
	}
	return nil
}

// A LineDecoder is a domain.Decoder for tests:
//   - It decodes a number such as "17" to an event with the id EventID(17).
//   - In "17 colour" it also finds an unexpected field with the name "colour".
//   - It rejects every other payload, with the reason "not a number".
type LineDecoder struct {
	Accepts string // a prefix that the number may have; for example, "no." accepts "no.17" and "17"
}

// EventID returns the id of the event to which a LineDecoder decodes the number n.
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
	number, unexpected, hasUnexpected := strings.Cut(string(r.Payload), " ")
	number = strings.TrimPrefix(number, d.Accepts)
	n, err := strconv.ParseUint(number, 10, 32)
	if err != nil {
		return domain.Event{}, nil, &domain.Rejection{
			Reason: "not a number", Detail: strconv.QuoteToASCII(fmt.Sprintf("%.40s", number)),
		}
	}
	const (
		eventsInSession = 5
		eventsOfUser    = 50
	)
	start := time.Date(2026, 1, 27, 19, 19, 13, 0, time.UTC)
	event := domain.Event{
		ID: EventID(n), SessionID: EventID(n / eventsInSession), UserID: EventID(n / eventsOfUser),
		Type: "click", Name: "event_" + number, Properties: []byte(`{"n":` + strconv.FormatUint(n, 10) + `}`),
		OccurredAt: start.Add(time.Duration(n) * time.Millisecond), DeviceType: "desktop", Browser: "Firefox",
	}
	if !hasUnexpected {
		return event, nil, nil
	}
	event.Extra, _ = json.Marshal(map[string]bool{unexpected: true}) // never fails
	return event, []domain.Drift{{Path: unexpected, Kind: "new field", Value: []byte("true")}}, nil
}
