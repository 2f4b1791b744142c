package domaintest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

// A DecoderUnderTest is a decoder with records it knows: sound ones, sound ones that hold something unexpected, and
// ones it must reject. There is at least one of each. Same are records each in at least two forms that say the same.
type DecoderUnderTest struct {
	Decoder               domain.Decoder
	Good, Drifted, Faulty []string
	Same                  [][]string
}

// DecoderChecks are the contract of domain.Decoder.
func DecoderChecks() []Check[DecoderUnderTest] {
	return []Check[DecoderUnderTest]{
		{"a sound record becomes an event and nothing else", soundRecords},
		{"the same record gives the same answer", sameAnswer},
		{"concurrent calls do not disturb each other", concurrentCalls},
		{"a payload is never changed", payloadUntouched},
		{"an answer outlives the calls after it", answersOutlive},
		{"the unexpected is drift and is kept", driftIsKept},
		{"a fault is a rejection that says what and comes without an event", faultsAreRejections},
		{"no bytes at all make it fail otherwise", anyBytes},
		{"the hash is one for all forms of a record, and another for other records", hashTells},
	}
}

func (u DecoderUnderTest) all() []string {
	return slices.Concat(append([][]string{u.Good, u.Drifted, u.Faulty}, u.Same...)...)
}

// A decoded is one answer of a decoder.
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

func soundRecords(_ context.Context, under DecoderUnderTest) error {
	for _, payload := range under.Good {
		got := under.decode([]byte(payload))
		if got.err != nil || got.drift != nil || got.event.Extra != nil {
			return fmt.Errorf("%s: drift %v, extra %q, error %w", payload, got.drift, got.event.Extra, got.err)
		}
		at := got.event.OccurredAt
		if at.IsZero() || at.Location() != time.UTC || !at.Equal(at.Truncate(time.Microsecond)) {
			return fmt.Errorf("%s occurred at %v, which is not UTC in microseconds", payload, at)
		}
		if got.event.ID == (domain.EventID{}) || !bytes.HasPrefix(got.event.Properties, []byte("{")) {
			return fmt.Errorf("%s: id %s, properties %q", payload, got.event.ID, got.event.Properties)
		}
	}
	return nil
}

func sameAnswer(_ context.Context, under DecoderUnderTest) error {
	for _, payload := range under.all() {
		if first, again := under.decode([]byte(payload)), under.decode([]byte(payload)); !first.equal(again) {
			return fmt.Errorf("%s: first %+v, then %+v", payload, first, again)
		}
	}
	return nil
}

func concurrentCalls(_ context.Context, under DecoderUnderTest) error {
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
					faults[caller] = fmt.Errorf("%s: alone %+v, in company %+v", payloads[at], want[at], got)
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(faults...)
}

func payloadUntouched(_ context.Context, under DecoderUnderTest) error {
	for _, payload := range under.all() {
		// With room behind it: an append to a slice of the payload would run into the next record.
		page := append([]byte(payload), "next record"...)
		under.decode(page[:len(payload)])
		under.Decoder.Hash(domain.Record{Payload: page[:len(payload)]})
		if string(page) != payload+"next record" {
			return fmt.Errorf("%s became %s", payload, page)
		}
	}
	return nil
}

func answersOutlive(_ context.Context, under DecoderUnderTest) error {
	var kept []decoded
	var was []string
	for _, payload := range under.all() {
		kept = append(kept, under.decode([]byte(payload)))
		was = append(was, fmt.Sprintf("%+v", kept[len(kept)-1]))
	}
	for i, now := range kept {
		if is := fmt.Sprintf("%+v", now); is != was[i] {
			return fmt.Errorf("was %s, became %s", was[i], is)
		}
	}
	return nil
}

func driftIsKept(_ context.Context, under DecoderUnderTest) error {
	for _, payload := range under.Drifted {
		got := under.decode([]byte(payload))
		if got.err != nil || len(got.drift) == 0 || !bytes.HasPrefix(got.event.Extra, []byte("{")) {
			return fmt.Errorf("%s: drift %v, extra %q, error %w", payload, got.drift, got.event.Extra, got.err)
		}
		for _, d := range got.drift {
			if d.Path == "" || d.Kind == "" || len(d.Value) == 0 || len(d.Path) > 400 {
				return fmt.Errorf("%s: drift %+v does not say in short what and where", payload, d)
			}
		}
	}
	return nil
}

func faultsAreRejections(_ context.Context, under DecoderUnderTest) error {
	for _, payload := range under.Faulty {
		got := under.decode([]byte(payload))
		if err := checkRejection(got); err != nil {
			return fmt.Errorf("%.80q: %w", payload, err)
		}
		if got.err == nil {
			return fmt.Errorf("%.80q is accepted", payload)
		}
	}
	return nil
}

// anyBytes takes the known records apart: cut at every place, and each byte replaced.
func anyBytes(_ context.Context, under DecoderUnderTest) error {
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

// hashTells: Same says which records are the same; faulty ones are all different.
func hashTells(_ context.Context, under DecoderUnderTest) error {
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
		return fmt.Errorf("the error is %T: %w", got.err, got.err)
	}
	if rejection.Reason == "" || rejection.Detail == "" {
		return fmt.Errorf("the rejection does not say what was wrong: %w", rejection)
	}
	if got.drift != nil || !reflect.DeepEqual(got.event, domain.Event{}) {
		return fmt.Errorf("an event came with the rejection: %+v", got.event)
	}
	return nil
}
