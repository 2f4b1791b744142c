// Package domaintest holds the contracts of the ports in package domain, and fakes of these ports. A contract is a list of
// checks that every implementation must pass. The fakes pass them too.
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

// A Check is one rule of a port's contract. Run tests a new implementation, and returns an error if it breaks the rule. Run
// does not fail a test itself, so that a test can require an error for a broken implementation.
type Check[T any] struct {
	Name string
	Run  func(ctx context.Context, tested T) error
}

// RunChecks runs each check as a subtest. Each subtest calls newT for a new implementation.
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

// sourceURL is the URL that the checks' stream is read from.
const sourceURL = "https://api.example/v1"

// streamID returns the id of the stream that the checks claim.
func streamID() domain.StreamID { return domain.StreamID{Source: "checks"} }

// otherStreamID returns the id of another stream in the same database.
func otherStreamID() domain.StreamID { return domain.StreamID{Source: "checks", Partition: "2"} }

// event returns the n-th event of the series: a fixed list of events that differ in every value. In the comments of the checks,
// "event 3" is event(3).
func event(n byte) domain.Event {
	return domain.Event{
		ID: domain.UUID{15: n}, SessionID: domain.UUID{0: 1, 15: n}, UserID: domain.UUID{0: 2, 15: n},
		Type: fmt.Sprintf("type-%d", n), Name: fmt.Sprintf("näme-%d", n),
		Properties: fmt.Appendf(nil, `{"n": %d, "deep": {"list": [1.50, 9007199254740993, null, "x"]}}`, n),
		OccurredAt: time.Date(2026, 1, 27, 19, 19, 13, 629_000_000, time.UTC).Add(time.Duration(n) * time.Microsecond),
		DeviceType: fmt.Sprintf("device-%d", n), Browser: fmt.Sprintf("browser-%d", n),
	}
}

// refusedText is a text that PostgreSQL refuses, because of its NUL character.
const refusedText = "\x00"

// maxParked is more rejects than a page of the checks has, unless a check sets DecodedPage.MaxParked itself.
const maxParked = 99

// page returns a page that begins at from and has the events of the series with these numbers. Its cursor names the offset
// after the page, and the pass.
func page(from domain.Position, numbers ...byte) domain.DecodedPage {
	p := domain.DecodedPage{From: from, To: from, Received: len(numbers), MaxParked: maxParked}
	for _, n := range numbers {
		p.Events = append(p.Events, newDecodedEvent(len(p.Events), event(n)))
	}
	p.To.Offset += int64(len(numbers))
	p.To.MaxOffset = max(p.To.MaxOffset, p.To.Offset)
	p.To.ParentSeq = 0
	p.To.Cursor = domain.Cursor(fmt.Sprintf("after %d of pass %d", p.To.Offset, from.Pass))
	p.Receipt = domain.Receipt{
		RequestID: "req", Status: 200, Bytes: 99, FetchedAt: time.Now(),
		TraceID: fmt.Sprintf("%032x", p.To.Offset), // a trace id has 32 hex digits
	}
	return p
}

// newDecodedEvent returns the event together with a record. index is the record's index in its page, and the payload names
// the index and the event.
func newDecodedEvent(index int, e domain.Event) domain.DecodedEvent {
	payload := fmt.Appendf(nil, "record %d: %s", index, e.Name)
	return domain.DecodedEvent{Event: e, Record: domain.Record{Index: index, Payload: payload}}
}

// batch returns a batch that moves the checkpoint over the pages.
func batch(checkpoint domain.Checkpoint, pages ...domain.DecodedPage) domain.Batch {
	return domain.Batch{Start: checkpoint, Pages: pages}
}

// compareEvents returns an error if the events differ. Equal times in different zones count as equal. JSON with equal values in
// different formats counts as equal too.
func compareEvents(got, want domain.Event) error {
	if !got.OccurredAt.Equal(want.OccurredAt) {
		return fmt.Errorf("got time %s, want %s", got.OccurredAt, want.OccurredAt)
	}
	if !isSameJSON(got.Properties, want.Properties) || !isSameJSON(got.Extra, want.Extra) {
		return fmt.Errorf("got properties %s, extra %s; want %s and %s", got.Properties, got.Extra, want.Properties, want.Extra)
	}
	got.OccurredAt, got.Properties, got.Extra = want.OccurredAt, want.Properties, want.Extra // they are compared already
	if !reflect.DeepEqual(got, want) {
		return fmt.Errorf("got %+v, want %+v", got, want)
	}
	return nil
}

// isSameJSON reports whether a and b are both nil, or are JSON with the same value. It does not compare bytes, because a
// database may format JSON in its own way.
func isSameJSON(a, b []byte) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	valueA, errA := unmarshalExact(a)
	valueB, errB := unmarshalExact(b)
	areValid := errA == nil && errB == nil
	return areValid && reflect.DeepEqual(valueA, valueB)
}

// unmarshalExact decodes JSON. Its numbers are strings with the original digits, so 1.5 and 1.50 differ.
func unmarshalExact(text []byte) (value any, err error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	err = dec.Decode(&value)
	return value, err
}

// wantKind returns an error unless err has the kind want.
func wantKind(err error, want domain.Kind) error {
	if err == nil {
		return fmt.Errorf("got no error, want kind %s", want)
	}
	if got := domain.KindOf(err); got != want {
		return fmt.Errorf("got kind %s, want %s: %w", got, want, err)
	}
	return nil
}

// NoError stands for the kind of a nil error in tables of tests.
const NoError domain.Kind = 0

// CheckKind fails the test unless err has the kind want. For NoError, err must be nil.
func CheckKind(t *testing.T, err error, want domain.Kind) {
	t.Helper()
	if want == NoError {
		if err != nil {
			t.Errorf("got error %v, want none", err)
		}
		return
	}
	if err := wantKind(err, want); err != nil {
		t.Error(err)
	}
}

// wantCounts returns an error unless the counts are equal.
func wantCounts(got, want domain.Counts) error {
	if got != want {
		return fmt.Errorf("got counts %+v, want %+v", got, want)
	}
	return nil
}
