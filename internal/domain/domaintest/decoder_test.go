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

// newDecoderUnderTest returns the decoder with payloads in the format of domaintest.LineDecoder.
func newDecoderUnderTest(d domain.Decoder) domaintest.DecoderUnderTest {
	return domaintest.DecoderUnderTest{
		Decoder: d,
		Good:    []string{"1", "17"},
		Drifted: []string{"3 colour"},
		Faulty:  []string{"bad", "", "-1"},
		Same:    [][]string{{"2", "2 ", "2  "}, {"not", "not "}}, // the hash of a LineDecoder ignores spaces at the end
	}
}

func TestLineDecoder(t *testing.T) {
	t.Parallel()
	domaintest.RunChecks(t, domaintest.DecoderChecks(), func(*testing.T) domaintest.DecoderUnderTest {
		return newDecoderUnderTest(domaintest.LineDecoder{})
	})
}

// A decodeFunc is a domain.Decoder whose Decode has one fault.
type decodeFunc func(domain.Record) (domain.Event, []domain.Drift, error)

func (f decodeFunc) Decode(r domain.Record) (domain.Event, []domain.Drift, error) { return f(r) }

// Hash implements domain.Decoder without a fault.
func (decodeFunc) Hash(r domain.Record) domain.RecordHash { return domaintest.LineDecoder{}.Hash(r) }

// TestDecoderChecks_BrokenDecoders checks that each fault of a decoder fails the check that is about this fault.
func TestDecoderChecks_BrokenDecoders(t *testing.T) {
	t.Parallel()
	decode := domaintest.LineDecoder{}.Decode
	var calls atomic.Int64
	buffer := make([]byte, 0, 64) // large enough for the properties of every event
	tests := []struct {
		name   string
		decode decodeFunc
		caught string // the check that must fail
	}{
		{"a time is in local time", func(r domain.Record) (domain.Event, []domain.Drift, error) {
			e, drift, err := decode(r)
			e.OccurredAt = e.OccurredAt.In(time.FixedZone("local", 3600))
			return e, drift, err
		}, "a good record becomes an event without drift"},
		{"a time has nanoseconds, which PostgreSQL cannot store", func(r domain.Record) (domain.Event, []domain.Drift, error) {
			e, drift, err := decode(r)
			e.OccurredAt = e.OccurredAt.Add(time.Nanosecond)
			return e, drift, err
		}, "a good record becomes an event without drift"},
		{"each call returns another time", func(r domain.Record) (domain.Event, []domain.Drift, error) {
			e, drift, err := decode(r)
			e.OccurredAt = time.UnixMicro(calls.Add(1)).UTC()
			return e, drift, err
		}, "the same record gives the same result"},
		{"payloads are changed in place", func(r domain.Record) (domain.Event, []domain.Drift, error) {
			e, drift, err := decode(r)
			if len(r.Payload) > 0 {
				r.Payload[0] = '#'
			}
			return e, drift, err
		}, "a payload is never changed"},
		{"an append to the payload overwrites the next record", func(r domain.Record) (domain.Event, []domain.Drift, error) {
			e, drift, err := decode(r)
			_ = append(r.Payload, '}')
			return e, drift, err
		}, "a payload is never changed"},
		{"the next call reuses the buffer of the properties", func(r domain.Record) (domain.Event, []domain.Drift, error) {
			e, drift, err := decode(r)
			if err == nil {
				buffer = append(buffer[:0], e.Properties...)
				e.Properties = buffer
			}
			return e, drift, err
		}, "a result stays valid after later calls"},
		{"unexpected fields are neither reported nor stored", func(r domain.Record) (domain.Event, []domain.Drift, error) {
			e, _, err := decode(r)
			e.Extra = nil
			return e, nil, err
		}, "unexpected fields are drift and are stored in Extra"},
		{"unexpected fields are reported and not stored", func(r domain.Record) (domain.Event, []domain.Drift, error) {
			e, drift, err := decode(r)
			e.Extra = nil
			return e, drift, err
		}, "unexpected fields are drift and are stored in Extra"},
		{"a faulty record is accepted", func(r domain.Record) (domain.Event, []domain.Drift, error) {
			e, drift, _ := decode(r)
			return e, drift, nil
		}, "a faulty record gives a rejection and no event"},
		{"a part of an event comes with the rejection", func(r domain.Record) (domain.Event, []domain.Drift, error) {
			e, drift, err := decode(r)
			e.Type = "click"
			return e, drift, err
		}, "a faulty record gives a rejection and no event"},
		{"rejections are wrapped in another error", func(r domain.Record) (domain.Event, []domain.Drift, error) {
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

// A hashDecoder is a LineDecoder with another hash function.
type hashDecoder struct {
	domaintest.LineDecoder

	hash func(domain.Record) domain.RecordHash
}

func (d hashDecoder) Hash(r domain.Record) domain.RecordHash { return d.hash(r) }

// TestDecoderChecks_BrokenHashes checks that a hash must not depend on the form of a record, and must differ for different records.
func TestDecoderChecks_BrokenHashes(t *testing.T) {
	t.Parallel()
	const caught = "equal contents have equal hashes and different contents have different hashes"
	for name, hash := range map[string]func(domain.Record) domain.RecordHash{
		"hash of all bytes": domain.HashBytes,
		"hash of the length": func(r domain.Record) domain.RecordHash {
			return domain.RecordHash{byte(len(strings.TrimSpace(string(r.Payload))))}
		},
	} {
		t.Run(name, func(t *testing.T) {
			wantCheckFails(t, domaintest.DecoderChecks(), caught, newDecoderUnderTest(hashDecoder{hash: hash}))
		})
	}
}

// TestDecoderChecks_ConcurrentCalls checks that a decoder fails if its results are wrong only in concurrent calls. The check first
// decodes each payload once, alone. The decoder in this test counts its calls and is correct for these first calls.
func TestDecoderChecks_ConcurrentCalls(t *testing.T) {
	t.Parallel()
	decode := domaintest.LineDecoder{}.Decode
	var calls atomic.Int64
	const callsAlone = 11 // the number of payloads of newDecoderUnderTest
	confused := decodeFunc(func(r domain.Record) (domain.Event, []domain.Drift, error) {
		if n := calls.Add(1); n > callsAlone && n%7 == 0 {
			return decode(domain.Record{Payload: []byte("99")}) // another record than r
		}
		return decode(r)
	})
	wantCheckFails(t, domaintest.DecoderChecks(), "concurrent calls do not disturb each other", newDecoderUnderTest(confused))
}
