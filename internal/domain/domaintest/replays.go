package domaintest

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

// A ReplayStore is replay.Store, which stands beside its use case.
type ReplayStore interface {
	Survey(ctx context.Context, stream domain.StreamID, chosen domain.DeadLetterSelection) (domain.SelectionCount, error)
	Open(ctx context.Context, stream domain.StreamID, chosen domain.DeadLetterSelection, after, last int64) ([]domain.DeadLetter, error)
	Replay(ctx context.Context, batch domain.Replay) (domain.ReplayResult, error)
}

// A ReplayUnderTest is a database with a store for replays beside those of runners.
type ReplayUnderTest struct {
	StoreUnderTest

	Replays ReplayStore
}

// ReplayChecks are the contract of replay.Store.
func ReplayChecks() []Check[ReplayUnderTest] {
	return []Check[ReplayUnderTest]{
		{"a survey tells letters apart", surveyTellsApart},
		{"open letters come in order, from a range", openInOrder},
		{"a replay reads the bytes that were parked", bytesAsParked},
		{"each letter finds its end, and the ledger says so", eachFindsItsEnd},
		{"a batch that was replayed is not replayed again", replayedOnce},
		{"letters resolved meanwhile are left out", resolvedMeanwhile},
		{"events stored meanwhile are duplicates, or in conflict", storedMeanwhile},
		{"a run is not disturbed", runIsNotDisturbed},
	}
}

// parkedAs commits a page with the events 1 and 2, and parks payloads that tell no id.
func parkedAs(ctx context.Context, under ReplayUnderTest, payloads ...string) (domain.EventStore, domain.Checkpoint, error) {
	s, at, err := claimed(ctx, under.StoreUnderTest)
	if err != nil {
		return s, at, err
	}
	var rejects []domain.Reject
	for i, payload := range payloads {
		r := reject(2+i, 0, payload)
		r.Why.ID = domain.EventID{}
		rejects = append(rejects, r)
	}
	res, err := s.Commit(ctx, batch(at, withRejects(page(at.Position, 1, 2), rejects...)))
	return s, res.Checkpoint, err
}

// A verdict is what a decoder of today makes of a payload: an event, or else a rejection for a reason.
type verdict struct {
	event  *domain.Event
	reason string
	id     domain.EventID
}

func becomes(e domain.Event) verdict { return verdict{event: &e} }

// verdicts are a domain.Decoder, by payload.
type verdicts map[string]verdict

// Hash implements domain.Decoder.
func (verdicts) Hash(r domain.Record) domain.RecordHash { return domain.HashBytes(r) }

// Decode implements domain.Decoder.
func (v verdicts) Decode(r domain.Record) (domain.Event, []domain.Drift, error) {
	is := v[string(r.Payload)]
	if is.event != nil {
		return *is.event, nil, nil
	}
	return domain.Event{}, nil, &domain.Rejection{Reason: is.reason, Field: "f", Detail: "of today", ID: is.id}
}

// readAgain reads what is open and decodes it.
func readAgain(ctx context.Context, under ReplayUnderTest, v verdicts) (domain.Replay, error) {
	letters, err := under.Replays.Open(ctx, streamID(), domain.DeadLetterSelection{All: true}, 0, 1<<40)
	return domain.Redecode(streamID(), letters, time.Now(), v), err
}

func bytesAsParked(ctx context.Context, under ReplayUnderTest) error {
	payload := "{ \"id\" :\t\"\\u0061\",\r\n \"n\": [ 1.00 ]\xff\x00}\r\n "
	if _, _, err := parkedAs(ctx, under, payload); err != nil {
		return err
	}
	letters, err := under.Replays.Open(ctx, streamID(), domain.DeadLetterSelection{All: true}, 0, 1<<40)
	if err != nil {
		return err
	}
	if len(letters) != 1 || string(letters[0].Payload) != payload {
		return fmt.Errorf("letters %+v, want one of %q", letters, payload)
	}
	return nil
}

func surveyTellsApart(ctx context.Context, under ReplayUnderTest) error {
	if _, err := under.Replays.Survey(ctx, streamID(), domain.DeadLetterSelection{All: true}); domain.KindOf(err) != domain.Invalid {
		return fmt.Errorf("a stream that was never claimed: %w", err)
	}
	if _, _, err := parkedAs(ctx, under, "a", "b", "c"); err != nil {
		return err
	}
	again, err := readAgain(ctx, under, verdicts{"a": becomes(event(3)), "b": {reason: "other"}, "c": {reason: "bad timestamp"}})
	if err != nil {
		return err
	}
	if _, err := under.Replays.Replay(ctx, again); err != nil {
		return err
	}
	a, b, c := again.Letters[0].ID, again.Letters[1].ID, again.Letters[2].ID
	for _, tt := range []struct {
		chosen domain.DeadLetterSelection
		want   domain.SelectionCount
	}{
		{domain.DeadLetterSelection{All: true}, domain.SelectionCount{Open: 2, Last: c}},
		{domain.DeadLetterSelection{Reason: "other"}, domain.SelectionCount{Open: 1, Last: b}},
		{domain.DeadLetterSelection{Reason: "none has it"}, domain.SelectionCount{}},
		{domain.DeadLetterSelection{IDs: []int64{b, a, b, 99, 98, 99}}, domain.SelectionCount{Open: 1, Last: b, Resolved: 1, Missing: []int64{98, 99}}},
	} {
		got, err := under.Replays.Survey(ctx, streamID(), tt.chosen)
		if err != nil {
			return err
		}
		if len(got.Missing) == 0 {
			got.Missing = nil
		}
		if !reflect.DeepEqual(got, tt.want) {
			return fmt.Errorf("%+v comes to %+v, want %+v", tt.chosen, got, tt.want)
		}
	}
	return nil
}

func openInOrder(ctx context.Context, under ReplayUnderTest) error {
	if _, _, err := parkedAs(ctx, under, "a", "b\xff\x00", "c", "d"); err != nil {
		return err
	}
	letters, err := under.Letters(ctx)
	if err != nil {
		return err
	}
	first := letters[0].ID
	for _, tt := range []struct {
		chosen      domain.DeadLetterSelection
		after, last int64
		want        []string
	}{
		{domain.DeadLetterSelection{All: true}, 0, first + 3, []string{"a", "b\xff\x00", "c", "d"}},
		{domain.DeadLetterSelection{All: true}, first, first + 2, []string{"b\xff\x00", "c"}},
		{domain.DeadLetterSelection{Reason: "bad timestamp"}, first + 2, first + 99, []string{"d"}},
		{domain.DeadLetterSelection{Reason: "another"}, 0, first + 3, nil},
		{domain.DeadLetterSelection{IDs: []int64{first + 3, first, first}}, 0, first + 3, []string{"a", "d"}},
	} {
		open, err := under.Replays.Open(ctx, streamID(), tt.chosen, tt.after, tt.last)
		if err != nil {
			return err
		}
		var got []string
		for _, l := range open {
			got = append(got, string(l.Payload))
		}
		if !slices.Equal(got, tt.want) {
			return fmt.Errorf("%+v from %d to %d gives %q, want %q", tt.chosen, tt.after, tt.last, got, tt.want)
		}
	}
	return nil
}
