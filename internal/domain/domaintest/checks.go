// Package domaintest contains the contracts of the domain's ports, as checks that every implementation must pass, and fakes
// of the ports, which pass them, too.
package domaintest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

// A Check is one rule of a port's contract. It runs against a new implementation. It returns an error instead of failing a
// test, so that a test can show that a broken implementation does not pass.
type Check[T any] struct {
	Name string
	Run  func(ctx context.Context, under T) error
}

// RunChecks runs each check as a subtest, on a new implementation.
func RunChecks[T any](t *testing.T, checks []Check[T], newT func(*testing.T) T) {
	t.Helper()
	for _, check := range checks {
		t.Run(check.Name, func(t *testing.T) {
			if err := check.Run(t.Context(), newT(t)); err != nil {
				t.Error(err)
			}
		})
	}
}

const sourceURL = "https://api.example/v1"

func streamID() domain.StreamID { return domain.StreamID{Source: "checks"} }

// event returns the n-th event of a series. Its values differ from each other, and from those of every other event.
func event(n byte) domain.Event {
	return domain.Event{
		ID: domain.UUID{15: n}, SessionID: domain.UUID{0: 1, 15: n}, UserID: domain.UUID{0: 2, 15: n},
		Type: fmt.Sprintf("type-%d", n), Name: fmt.Sprintf("näme-%d", n),
		Properties: fmt.Appendf(nil, `{"n": %d, "deep": {"list": [1.50, 9007199254740993, null, "x"]}}`, n),
		OccurredAt: time.Date(2026, 1, 27, 19, 19, 13, 629_000_000+int(n)*1000, time.UTC),
		DeviceType: fmt.Sprintf("device-%d", n), Browser: fmt.Sprintf("browser-%d", n),
	}
}

// page returns a page with these events of the series. It ends at a position that no other page ends at.
func page(at domain.Position, numbers ...byte) domain.DecodedPage {
	p := domain.DecodedPage{From: at, To: at, Received: len(numbers), MaxParked: 99}
	for _, n := range numbers {
		p.Events = append(p.Events, newDecodedEvent(len(p.Events), event(n)))
	}
	p.To.Offset += int64(len(numbers))
	p.To.MaxOffset = max(p.To.MaxOffset, p.To.Offset)
	p.To.Cursor = domain.Cursor(fmt.Sprintf("after %d of pass %d", p.To.Offset, at.Pass))
	p.Receipt = domain.Receipt{
		RequestID: "req", Status: 200, Bytes: 99, FetchedAt: time.Now(), TraceID: fmt.Sprintf("%032x", p.To.Offset),
	}
	return p
}

// newDecodedEvent returns an event with a record that it could have been decoded from.
func newDecodedEvent(index int, e domain.Event) domain.DecodedEvent {
	return domain.DecodedEvent{Event: e, Record: domain.Record{Index: index, Payload: fmt.Appendf(nil, "record %d: %s", index, e.Name)}}
}

func batch(at domain.Checkpoint, pages ...domain.DecodedPage) domain.Batch {
	return domain.Batch{At: at, Pages: pages}
}

func compareEvents(got, want domain.Event) error {
	if !got.OccurredAt.Equal(want.OccurredAt) {
		return fmt.Errorf("got time %s, want %s", got.OccurredAt, want.OccurredAt)
	}
	if !isSameJSON(got.Properties, want.Properties) || !isSameJSON(got.Extra, want.Extra) {
		return fmt.Errorf("got properties %s, extra %s; want %s and %s", got.Properties, got.Extra, want.Properties, want.Extra)
	}
	got.OccurredAt, got.Properties, got.Extra = want.OccurredAt, want.Properties, want.Extra
	if !reflect.DeepEqual(got, want) {
		return fmt.Errorf("got %+v, want %+v", got, want)
	}
	return nil
}

// isSameJSON compares values, not bytes: a database may format JSON in its own way.
func isSameJSON(a, b []byte) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	va, errA := unmarshalExact(a)
	vb, errB := unmarshalExact(b)
	return errA == nil && errB == nil && reflect.DeepEqual(va, vb)
}

// unmarshalExact decodes JSON and keeps numbers as they are written.
func unmarshalExact(text []byte) (value any, err error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	err = dec.Decode(&value)
	return value, err
}

func wantKind(err error, want domain.Kind) error {
	if err == nil {
		return fmt.Errorf("got no error, want kind %s", want)
	}
	if got := domain.KindOf(err); got != want {
		return fmt.Errorf("got kind %s, want %s: %w", got, want, err)
	}
	return nil
}

func wantCounts(got, want domain.Counts) error {
	if got != want {
		return fmt.Errorf("got counts %+v, want %+v", got, want)
	}
	return nil
}
