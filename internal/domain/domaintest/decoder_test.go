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
	decodeLine := domaintest.LineDecoder{}.Decode
	var calls atomic.Int64
	buffer := make([]byte, 0, 64) // large enough for the properties of every event in this test
	tests := []struct {
		name   string
		decode decodeFunc
		caught string // the check that must fail
	}{
		{
			name: "a time is in local time",
			decode: func(r domain.Record) (domain.Event, []domain.Drift, error) {
				e, drift, err := decodeLine(r)
				e.OccurredAt = e.OccurredAt.In(time.FixedZone("local", 3600))
				return e, drift, err
			},
			caught: "a good record becomes an event without drift",
		},
		{
			name: "a time has nanoseconds, which PostgreSQL cannot store",
			decode: func(r domain.Record) (domain.Event, []domain.Drift, error) {
				e, drift, err := decodeLine(r)
				e.OccurredAt = e.OccurredAt.Add(time.Nanosecond)
				return e, drift, err
			},
			caught: "a good record becomes an event without drift",
		},
		{
			name: "each call returns another time",
			decode: func(r domain.Record) (domain.Event, []domain.Drift, error) {
				e, drift, err := decodeLine(r)
				e.OccurredAt = time.UnixMicro(calls.Add(1)).UTC()
				return e, drift, err
			},
			caught: "the same record gives the same result",
		},
		{
			name: "payloads are changed in place",
			decode: func(r domain.Record) (domain.Event, []domain.Drift, error) {
				e, drift, err := decodeLine(r)
				if len(r.Payload) > 0 {
					r.Payload[0] = '#'
				}
				return e, drift, err
			},
			caught: "a payload is never changed",
		},
		{
			name: "an append to the payload overwrites the next record",
			decode: func(r domain.Record) (domain.Event, []domain.Drift, error) {
				e, drift, err := decodeLine(r)
				_ = append(r.Payload, '}')
				return e, drift, err
			},
			caught: "a payload is never changed",
		},
		{
			name: "the next call reuses the buffer of the properties",
			decode: func(r domain.Record) (domain.Event, []domain.Drift, error) {
				e, drift, err := decodeLine(r)
				if err == nil {
					buffer = append(buffer[:0], e.Properties...)
					e.Properties = buffer
				}
				return e, drift, err
			},
			caught: "a result stays valid after later calls",
		},
		{
			name: "unexpected fields are neither reported nor stored",
			decode: func(r domain.Record) (domain.Event, []domain.Drift, error) {
				e, _, err := decodeLine(r)
				e.Extra = nil
				return e, nil, err
			},
			caught: "unexpected fields are drift and are stored in Extra",
		},
		{
			name: "unexpected fields are reported and not stored",
			decode: func(r domain.Record) (domain.Event, []domain.Drift, error) {
				e, drift, err := decodeLine(r)
				e.Extra = nil
				return e, drift, err
			},
			caught: "unexpected fields are drift and are stored in Extra",
		},
		{
			name: "a faulty record is accepted",
			decode: func(r domain.Record) (domain.Event, []domain.Drift, error) {
				e, drift, _ := decodeLine(r)
				return e, drift, nil
			},
			caught: "a faulty record gives a rejection and no event",
		},
		{
			name: "a part of an event comes with the rejection",
			decode: func(r domain.Record) (domain.Event, []domain.Drift, error) {
				e, drift, err := decodeLine(r)
				e.Type = "click"
				return e, drift, err
			},
			caught: "a faulty record gives a rejection and no event",
		},
		{
			name: "rejections are wrapped in another error",
			decode: func(r domain.Record) (domain.Event, []domain.Drift, error) {
				e, drift, err := decodeLine(r)
				if err != nil {
					err = fmt.Errorf("decode: %w", err)
				}
				return e, drift, err
			},
			caught: "any bytes give an event or a rejection",
		},
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

// TestDecoderChecks_BrokenHashes checks that two wrong hashes fail a check. One depends on the form of a record. The other one is
// equal for different records of the same length.
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
	decodeLine := domaintest.LineDecoder{}.Decode
	var calls atomic.Int64
	const (
		callsAlone = 11 // the payloads of newDecoderUnderTest: 2 good, 1 drifted, 3 faulty and 5 of the same contents
		wrongEvery = 7  // one of so many results is wrong
	)
	confused := decodeFunc(func(r domain.Record) (domain.Event, []domain.Drift, error) {
		if n := calls.Add(1); n > callsAlone && n%wrongEvery == 0 {
			return decodeLine(domain.Record{Payload: []byte("99")}) // another record than r
		}
		return decodeLine(r)
	})
	wantCheckFails(t, domaintest.DecoderChecks(), "concurrent calls do not disturb each other", newDecoderUnderTest(confused))
}
