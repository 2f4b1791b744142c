package domaintest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

const origin = "https://api.example/v1"

func streamID() domain.StreamID { return domain.StreamID{Source: "checks"} }

// event is the n-th of a series in which no two values are alike.
func event(n byte) domain.Event {
	return domain.Event{
		ID: domain.UUID{15: n}, SessionID: domain.UUID{0: 1, 15: n}, UserID: domain.UUID{0: 2, 15: n},
		Type: fmt.Sprintf("type-%d", n), Name: fmt.Sprintf("näme-%d", n),
		Properties: fmt.Appendf(nil, `{"n": %d, "deep": {"list": [1.50, 9007199254740993, null, "x"]}}`, n),
		OccurredAt: time.Date(2026, 1, 27, 19, 19, 13, 629_000_000+int(n)*1000, time.UTC),
		DeviceType: fmt.Sprintf("device-%d", n), Browser: fmt.Sprintf("browser-%d", n),
	}
}

// page holds the given events of a series and ends at a place of its own.
func page(at domain.Position, numbers ...byte) domain.DecodedPage {
	p := domain.DecodedPage{From: at, To: at, Received: len(numbers), MaxParked: 99}
	for _, n := range numbers {
		p.Events = append(p.Events, readEvent(len(p.Events), event(n)))
	}
	p.To.Offset += int64(len(numbers))
	p.To.MaxOffset = max(p.To.MaxOffset, p.To.Offset)
	p.To.Cursor = domain.Cursor(fmt.Sprintf("behind %d of pass %d", p.To.Offset, at.Pass))
	p.Receipt = domain.Receipt{
		RequestID: "req", Status: 200, Bytes: 99, FetchedAt: time.Now(), TraceID: fmt.Sprintf("%032x", p.To.Offset),
	}
	return p
}

// readEvent is an event with a record that could be the one it was read from.
func readEvent(index int, e domain.Event) domain.DecodedEvent {
	return domain.DecodedEvent{Event: e, Record: domain.Record{Index: index, Payload: fmt.Appendf(nil, "record %d: %s", index, e.Name)}}
}

func batch(at domain.Checkpoint, pages ...domain.DecodedPage) domain.Batch {
	return domain.Batch{At: at, Pages: pages}
}

// claimed opens a runner's store and claims the stream with it.
func claimed(ctx context.Context, under StoreUnderTest) (domain.EventStore, domain.Checkpoint, error) {
	s := under.Open()
	at, err := s.Claim(ctx, streamID(), origin)
	return s, at, err
}

// stored compares the events there are with the series' numbers.
func stored(ctx context.Context, under StoreUnderTest, numbers ...byte) error {
	got, err := under.Events(ctx)
	if err != nil {
		return err
	}
	if len(got) != len(numbers) {
		return fmt.Errorf("%d events stored, want %d", len(got), len(numbers))
	}
	for _, n := range numbers {
		if err := sameEvent(got[event(n).ID], event(n)); err != nil {
			return fmt.Errorf("event %d: %w", n, err)
		}
	}
	return nil
}

func sameEvent(got, want domain.Event) error {
	if !got.OccurredAt.Equal(want.OccurredAt) {
		return fmt.Errorf("occurred at %s, want %s", got.OccurredAt, want.OccurredAt)
	}
	if !sameJSON(got.Properties, want.Properties) || !sameJSON(got.Extra, want.Extra) {
		return fmt.Errorf("properties %s extra %s, want %s and %s", got.Properties, got.Extra, want.Properties, want.Extra)
	}
	got.OccurredAt, got.Properties, got.Extra = want.OccurredAt, want.Properties, want.Extra
	if !reflect.DeepEqual(got, want) {
		return fmt.Errorf("got %+v, want %+v", got, want)
	}
	return nil
}

// sameJSON compares values, not spelling: a database may keep its own.
func sameJSON(a, b []byte) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	va, errA := exactly(a)
	vb, errB := exactly(b)
	return errA == nil && errB == nil && reflect.DeepEqual(va, vb)
}

// exactly keeps numbers as they are spelt.
func exactly(text []byte) (value any, err error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	err = dec.Decode(&value)
	return value, err
}

func wantKind(err error, want domain.Kind) error {
	if err == nil {
		return fmt.Errorf("no error, want kind %s", want)
	}
	if got := domain.KindOf(err); got != want {
		return fmt.Errorf("kind %s, want %s: %w", got, want, err)
	}
	return nil
}

func wantTally(got, want domain.Counts) error {
	if got != want {
		return fmt.Errorf("tally %+v, want %+v", got, want)
	}
	return nil
}
