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

func newDecoderUnderTest(d domain.Decoder) domaintest.DecoderUnderTest {
	return domaintest.DecoderUnderTest{
		Decoder: d, Good: []string{"1", "17"}, Drifted: []string{"3 colour"}, Faulty: []string{"bad", "", "-1"},
		Same: [][]string{{"2", "2 ", "2  "}, {"not", "not "}},
	}
}

func TestLineDecoder(t *testing.T) {
	t.Parallel()
	domaintest.RunChecks(t, domaintest.DecoderChecks(), func(*testing.T) domaintest.DecoderUnderTest {
		return newDecoderUnderTest(domaintest.LineDecoder{})
	})
}

// A decodeFunc is a Decode with one fault.
type decodeFunc func(domain.Record) (domain.Event, []domain.Drift, error)

func (f decodeFunc) Decode(r domain.Record) (domain.Event, []domain.Drift, error) { return f(r) }

// Hash implements domain.Decoder without a fault.
func (decodeFunc) Hash(r domain.Record) domain.RecordHash { return domaintest.LineDecoder{}.Hash(r) }

// TestDecoderChecks_BrokenDecoders shows that each fault of a decoder fails a check.
func TestDecoderChecks_BrokenDecoders(t *testing.T) {
	t.Parallel()
	decode := domaintest.LineDecoder{}.Decode
	var calls atomic.Int64
	scratch := make([]byte, 0, 64)
	tests := []struct {
		name   string
		decode decodeFunc
		caught string // the check that must fail
	}{
		{"local time", func(r domain.Record) (domain.Event, []domain.Drift, error) {
			e, drift, err := decode(r)
			e.OccurredAt = e.OccurredAt.In(time.FixedZone("local", 3600))
			return e, drift, err
		}, "a good record becomes an event without drift"},
		{"finer than PostgreSQL keeps", func(r domain.Record) (domain.Event, []domain.Drift, error) {
			e, drift, err := decode(r)
			e.OccurredAt = e.OccurredAt.Add(time.Nanosecond)
			return e, drift, err
		}, "a good record becomes an event without drift"},
		{"a bad time is now", func(r domain.Record) (domain.Event, []domain.Drift, error) {
			e, drift, err := decode(r)
			e.OccurredAt = time.UnixMicro(calls.Add(1)).UTC()
			return e, drift, err
		}, "the same record gives the same result"},
		{"payloads are unescaped in place", func(r domain.Record) (domain.Event, []domain.Drift, error) {
			e, drift, err := decode(r)
			if len(r.Payload) > 0 {
				r.Payload[0] = '#'
			}
			return e, drift, err
		}, "a payload is never changed"},
		{"an append runs into the next record", func(r domain.Record) (domain.Event, []domain.Drift, error) {
			e, drift, err := decode(r)
			_ = append(r.Payload, '}')
			return e, drift, err
		}, "a payload is never changed"},
		{"properties live in a buffer that is used again", func(r domain.Record) (domain.Event, []domain.Drift, error) {
			e, drift, err := decode(r)
			if err == nil {
				scratch = append(scratch[:0], e.Properties...)
				e.Properties = scratch
			}
			return e, drift, err
		}, "a result stays valid after later calls"},
		{"the unexpected is dropped", func(r domain.Record) (domain.Event, []domain.Drift, error) {
			e, _, err := decode(r)
			e.Extra = nil
			return e, nil, err
		}, "unexpected fields are drift and are stored in Extra"},
		{"the unexpected is reported and dropped", func(r domain.Record) (domain.Event, []domain.Drift, error) {
			e, drift, err := decode(r)
			e.Extra = nil
			return e, drift, err
		}, "unexpected fields are drift and are stored in Extra"},
		{"a fault is accepted", func(r domain.Record) (domain.Event, []domain.Drift, error) {
			e, drift, _ := decode(r)
			return e, drift, nil
		}, "a faulty record gives a rejection and no event"},
		{"half an event comes with the rejection", func(r domain.Record) (domain.Event, []domain.Drift, error) {
			e, drift, err := decode(r)
			e.Type = "click"
			return e, drift, err
		}, "a faulty record gives a rejection and no event"},
		{"errors are of some other type", func(r domain.Record) (domain.Event, []domain.Drift, error) {
			e, drift, err := decode(r)
			if err != nil {
				err = fmt.Errorf("decode: %w", err)
			}
			return e, drift, err
		}, "any bytes give an event or a rejection"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			wantCheckFails(t, domaintest.DecoderChecks(), tt.caught, newDecoderUnderTest(tt.decode))
		})
	}
}

// A hashFunc is a decoder with another hash.
type hashFunc struct {
	domaintest.LineDecoder

	hash func(domain.Record) domain.RecordHash
}

func (f hashFunc) Hash(r domain.Record) domain.RecordHash { return f.hash(r) }

func TestDecoderChecks_BrokenHashes(t *testing.T) {
	t.Parallel()
	const caught = "all forms of a record have the same hash, and different records have different ones"
	for name, hash := range map[string]func(domain.Record) domain.RecordHash{
		"of the bytes": domain.HashBytes,
		"of the length": func(r domain.Record) domain.RecordHash {
			return domain.RecordHash{byte(len(strings.TrimSpace(string(r.Payload))))}
		},
	} {
		t.Run(name, func(t *testing.T) {
			wantCheckFails(t, domaintest.DecoderChecks(), caught, newDecoderUnderTest(hashFunc{hash: hash}))
		})
	}
}

// TestDecoderChecks_ConcurrentCalls uses a decoder that is wrong only in concurrent calls.
func TestDecoderChecks_ConcurrentCalls(t *testing.T) {
	t.Parallel()
	decode := domaintest.LineDecoder{}.Decode
	var calls atomic.Int64
	alone := int64(len([]string{"1", "17", "3 colour", "bad", "", "-1", "2", "2 ", "2  ", "not", "not "}))
	confused := decodeFunc(func(r domain.Record) (domain.Event, []domain.Drift, error) {
		if n := calls.Add(1); n > alone && n%7 == 0 {
			return decode(domain.Record{Payload: []byte("99")})
		}
		return decode(r)
	})
	wantCheckFails(t, domaintest.DecoderChecks(), "concurrent calls do not disturb each other", newDecoderUnderTest(confused))
}
