package domaintest_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

func withLines(d domain.Decoder) domaintest.DecoderUnderTest {
	return domaintest.DecoderUnderTest{
		Decoder: d, Good: []string{"1", "17"}, Drifted: []string{"3 colour"}, Faulty: []string{"bad", "", "-1"},
		Same: [][]string{{"2", "2 ", "2  "}, {"not", "not "}},
	}
}

func TestLineDecoder(t *testing.T) {
	t.Parallel()
	domaintest.RunChecks(t, domaintest.DecoderChecks(), func(*testing.T) domaintest.DecoderUnderTest {
		return withLines(domaintest.LineDecoder{})
	})
}

// A decodeFunc is a decoder made of a function around the sound one.
type decodeFunc func(domain.Record) (domain.Event, []domain.Drift, error)

func (f decodeFunc) Decode(r domain.Record) (domain.Event, []domain.Drift, error) { return f(r) }

// Hash is the sound one's.
func (decodeFunc) Hash(r domain.Record) domain.RecordHash { return domaintest.LineDecoder{}.Hash(r) }

// TestBrokenDecodersFail shows that the contract tells a sound decoder from an unsound one.
func TestBrokenDecodersFail(t *testing.T) {
	t.Parallel()
	sound := domaintest.LineDecoder{}.Decode
	var calls atomic.Int64
	scratch := make([]byte, 0, 64)
	tests := []struct {
		name   string
		decode decodeFunc
		caught string // the check that must fail
	}{
		{"local time", func(r domain.Record) (domain.Event, []domain.Drift, error) {
			e, drift, err := sound(r)
			e.OccurredAt = e.OccurredAt.In(time.FixedZone("local", 3600))
			return e, drift, err
		}, "a sound record becomes an event and nothing else"},
		{"finer than PostgreSQL keeps", func(r domain.Record) (domain.Event, []domain.Drift, error) {
			e, drift, err := sound(r)
			e.OccurredAt = e.OccurredAt.Add(time.Nanosecond)
			return e, drift, err
		}, "a sound record becomes an event and nothing else"},
		{"a bad time is now", func(r domain.Record) (domain.Event, []domain.Drift, error) {
			e, drift, err := sound(r)
			e.OccurredAt = time.UnixMicro(calls.Add(1)).UTC()
			return e, drift, err
		}, "the same record gives the same answer"},
		{"payloads are unescaped in place", func(r domain.Record) (domain.Event, []domain.Drift, error) {
			e, drift, err := sound(r)
			if len(r.Payload) > 0 {
				r.Payload[0] = '#'
			}
			return e, drift, err
		}, "a payload is never changed"},
		{"an append runs into the next record", func(r domain.Record) (domain.Event, []domain.Drift, error) {
			e, drift, err := sound(r)
			_ = append(r.Payload, '}')
			return e, drift, err
		}, "a payload is never changed"},
		{"properties live in a buffer that is used again", func(r domain.Record) (domain.Event, []domain.Drift, error) {
			e, drift, err := sound(r)
			if err == nil {
				scratch = append(scratch[:0], e.Properties...)
				e.Properties = scratch
			}
			return e, drift, err
		}, "an answer outlives the calls after it"},
		{"the unexpected is dropped", func(r domain.Record) (domain.Event, []domain.Drift, error) {
			e, _, err := sound(r)
			e.Extra = nil
			return e, nil, err
		}, "the unexpected is drift and is kept"},
		{"the unexpected is reported and dropped", func(r domain.Record) (domain.Event, []domain.Drift, error) {
			e, drift, err := sound(r)
			e.Extra = nil
			return e, drift, err
		}, "the unexpected is drift and is kept"},
		{"a fault is accepted", func(r domain.Record) (domain.Event, []domain.Drift, error) {
			e, drift, _ := sound(r)
			return e, drift, nil
		}, "a fault is a rejection that says what and comes without an event"},
		{"half an event comes with the rejection", func(r domain.Record) (domain.Event, []domain.Drift, error) {
			e, drift, err := sound(r)
			e.Type = "click"
			return e, drift, err
		}, "a fault is a rejection that says what and comes without an event"},
		{"errors are of some other type", func(r domain.Record) (domain.Event, []domain.Drift, error) {
			e, drift, err := sound(r)
			if err != nil {
				err = fmt.Errorf("decode: %w", err)
			}
			return e, drift, err
		}, "no bytes at all make it fail otherwise"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { mustFail(t, domaintest.DecoderChecks(), tt.caught, withLines(tt.decode)) })
	}
}

// A hashFunc is a decoder with a hash of its own.
type hashFunc struct {
	domaintest.LineDecoder

	hash func(domain.Record) domain.RecordHash
}

func (f hashFunc) Hash(r domain.Record) domain.RecordHash { return f.hash(r) }

func TestBrokenHashesFail(t *testing.T) {
	t.Parallel()
	const caught = "the hash is one for all forms of a record, and another for other records"
	for name, hash := range map[string]func(domain.Record) domain.RecordHash{
		"of the bytes": domain.HashBytes,
		"of the length": func(r domain.Record) domain.RecordHash {
			return domain.RecordHash{byte(len(strings.TrimSpace(string(r.Payload))))}
		},
	} {
		t.Run(name, func(t *testing.T) { mustFail(t, domaintest.DecoderChecks(), caught, withLines(hashFunc{hash: hash})) })
	}
}

// TestConcurrentCallsAreTold is apart, as its decoder takes turns to be wrong only in company.
func TestConcurrentCallsAreTold(t *testing.T) {
	t.Parallel()
	sound := domaintest.LineDecoder{}.Decode
	var calls atomic.Int64
	alone := int64(len([]string{"1", "17", "3 colour", "bad", "", "-1", "2", "2 ", "2  ", "not", "not "}))
	confused := decodeFunc(func(r domain.Record) (domain.Event, []domain.Drift, error) {
		if n := calls.Add(1); n > alone && n%7 == 0 {
			return sound(domain.Record{Payload: []byte("99")})
		}
		return sound(r)
	})
	mustFail(t, domaintest.DecoderChecks(), "concurrent calls do not disturb each other", withLines(confused))
}
