package domaintest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

// A ReplayStore is the interface replay.Store of the use case replay, which this package cannot import.
type ReplayStore interface {
	Survey(ctx context.Context, stream domain.StreamID, chosen domain.DeadLetterSelection) (domain.SelectionCount, error)
	Open(ctx context.Context, stream domain.StreamID, chosen domain.DeadLetterSelection, after, last int64) ([]domain.DeadLetter, error)
	Replay(ctx context.Context, batch domain.Replay) (domain.ReplayResult, error)
}

// A ReplayUnderTest is a database with stores for runners and a store for replays.
type ReplayUnderTest struct {
	StoreUnderTest

	Replays ReplayStore
}

// ReplayChecks returns the checks of the contract of replay.Store.
func ReplayChecks() []Check[ReplayUnderTest] {
	return []Check[ReplayUnderTest]{
		{"a survey counts the selected dead letters", checkSurvey},
		{"open dead letters come in order, from a range", checkOpenOrder},
		{"a replay reads the bytes that were parked", checkOpenBytes},
		{"each dead letter gets its outcome, and the ledger records the replay", checkReplayOutcomes},
		{"a batch is not replayed twice", checkReplayTwice},
		{"dead letters resolved meanwhile are left out", checkResolvedMeanwhile},
		{"events stored meanwhile are duplicates, or in conflict", checkStoredMeanwhile},
		{"a run is not disturbed", checkRunUndisturbed},
		{"after a restored backup another dead letter with the id is left out", checkReplayOtherLetter},
		{"after a restored backup the next batch is refused", checkReplaySetBack},
	}
}

// parkPayloads commits a page with the events 1 and 2, and with rejects without ids for the payloads.
func parkPayloads(ctx context.Context, under ReplayUnderTest, payloads ...string) (domain.EventStore, domain.Checkpoint, error) {
	s, at, err := openAndClaim(ctx, under.StoreUnderTest)
	if err != nil {
		return s, at, err
	}
	var rejects []domain.Reject
	for i, payload := range payloads {
		r := reject(2+i, 0, payload)
		r.Why.ID = domain.EventID{}
		rejects = append(rejects, r)
	}
	res, err := s.Commit(ctx, batch(at, addRejects(page(at.Position, 1, 2), rejects...)))
	return s, res.Checkpoint, err
}

// A decodeResult is the result of a decoder for a payload: an event, or else the reason of a rejection.
type decodeResult struct {
	event  *domain.Event
	reason string
	id     domain.EventID
}

func decodesTo(e domain.Event) decodeResult { return decodeResult{event: &e} }

// A fakeDecoder is a domain.Decoder with prepared results for payloads.
type fakeDecoder map[string]decodeResult

// Hash implements domain.Decoder.
func (fakeDecoder) Hash(r domain.Record) domain.RecordHash { return domain.HashBytes(r) }

// Decode implements domain.Decoder.
func (d fakeDecoder) Decode(r domain.Record) (domain.Event, []domain.Drift, error) {
	result := d[string(r.Payload)]
	if result.event != nil {
		return *result.event, nil, nil
	}
	return domain.Event{}, nil, &domain.Rejection{Reason: result.reason, Field: "f", Detail: "new decoder", ID: result.id}
}

// redecodeOpen reads the open dead letters and decodes them again.
func redecodeOpen(ctx context.Context, under ReplayUnderTest, decoder fakeDecoder) (domain.Replay, error) {
	letters, err := under.Replays.Open(ctx, streamID(), domain.DeadLetterSelection{All: true}, 0, 1<<40)
	return domain.Redecode(streamID(), letters, time.Now(), decoder), err
}

func checkOpenBytes(ctx context.Context, under ReplayUnderTest) error {
	payload := "{ \"id\" :\t\"\\u0061\",\r\n \"n\": [ 1.00 ]\xff\x00}\r\n "
	if _, _, err := parkPayloads(ctx, under, payload); err != nil {
		return err
	}
	letters, err := under.Replays.Open(ctx, streamID(), domain.DeadLetterSelection{All: true}, 0, 1<<40)
	if err != nil {
		return err
	}
	if len(letters) != 1 || string(letters[0].Payload) != payload {
		return fmt.Errorf("got dead letters %+v, want one of %q", letters, payload)
	}
	return nil
}

func checkSurvey(ctx context.Context, under ReplayUnderTest) error {
	if _, err := under.Replays.Survey(ctx, streamID(), domain.DeadLetterSelection{All: true}); domain.KindOf(err) != domain.Invalid {
		return fmt.Errorf("stream that was never claimed: got %w, want Invalid", err)
	}
	if _, _, err := parkPayloads(ctx, under, "a", "b", "c"); err != nil {
		return err
	}
	replay, err := redecodeOpen(ctx, under, fakeDecoder{"a": decodesTo(event(3)), "b": {reason: "other"}, "c": {reason: "bad timestamp"}})
	if err != nil {
		return err
	}
	if _, err := under.Replays.Replay(ctx, replay); err != nil {
		return err
	}
	a, b, c := replay.Letters[0].ID, replay.Letters[1].ID, replay.Letters[2].ID
	for _, tt := range []struct {
		chosen domain.DeadLetterSelection
		want   domain.SelectionCount
	}{
		{domain.DeadLetterSelection{All: true}, domain.SelectionCount{Open: 2, Last: c}},
		{domain.DeadLetterSelection{Reason: "other"}, domain.SelectionCount{Open: 1, Last: b}},
		{domain.DeadLetterSelection{Reason: "none has it"}, domain.SelectionCount{}},
		{
			domain.DeadLetterSelection{IDs: []int64{b, a, b, 99, 98, 99}},
			domain.SelectionCount{Open: 1, Last: b, Resolved: 1, Missing: []int64{98, 99}},
		},
	} {
		got, err := under.Replays.Survey(ctx, streamID(), tt.chosen)
		if err != nil {
			return err
		}
		if len(got.Missing) == 0 {
			got.Missing = nil
		}
		if !reflect.DeepEqual(got, tt.want) {
			return fmt.Errorf("survey of %+v: got %+v, want %+v", tt.chosen, got, tt.want)
		}
	}
	return nil
}

func checkOpenOrder(ctx context.Context, under ReplayUnderTest) error {
	if _, _, err := parkPayloads(ctx, under, "a", "b\xff\x00", "c", "d"); err != nil {
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
			return fmt.Errorf("%+v from %d to %d: got %q, want %q", tt.chosen, tt.after, tt.last, got, tt.want)
		}
	}
	return nil
}

// checkReplayOutcomes replays dead letters with every outcome at once.
func checkReplayOutcomes(ctx context.Context, under ReplayUnderTest) error {
	_, at, err := parkPayloads(ctx, under, "fresh", "fresh again", "stored before", "other values", "refused", "bad", "has an id now")
	if err != nil {
		return err
	}
	nul := event(5)
	nul.Name = "\x00"
	replay, err := redecodeOpen(ctx, under, fakeDecoder{
		"fresh": decodesTo(event(3)), "fresh again": decodesTo(event(3)), "stored before": decodesTo(event(1)),
		"other values": decodesTo(renamedEvent(0, 2, "other").Event), "refused": decodesTo(nul),
		"bad": {reason: "other"}, "has an id now": {reason: "other", id: event(9).ID},
	})
	if err != nil {
		return err
	}
	res, err := under.Replays.Replay(ctx, replay)
	if err != nil {
		return err
	}
	want := domain.Counts{Received: 7, Inserted: 1, Duplicate: 2, Parked: 4}
	if err := wantCounts(res.Counts, want); err != nil {
		return err
	}
	reasons := map[string]int64{domain.ReasonConflict: 1, domain.ReasonUnstorable: 1, "other": 2}
	if !reflect.DeepEqual(res.Again, reasons) {
		return fmt.Errorf("got parked again %v, want %v", res.Again, reasons)
	}
	rows, err := under.Ledger(ctx)
	if err != nil {
		return err
	}
	row := LedgerRow{Kind: "replay", Stream: at.Stream.String(), Pass: at.Pass, Seq: at.Seq, Position: at.Offset, Counts: want}
	if len(rows) != 2 || rows[1] != row || res.PageID == 0 {
		return fmt.Errorf("got ledger %+v, want %+v as its last row", rows, row)
	}
	for payload, end := range map[string]struct {
		how, reason string
		id          domain.EventID
	}{
		"fresh":         {domain.ResolvedByReplay, "bad timestamp", event(3).ID},
		"fresh again":   {domain.ResolvedAsDuplicate, "bad timestamp", event(3).ID},
		"stored before": {domain.ResolvedAsDuplicate, "bad timestamp", event(1).ID},
		"other values":  {"", domain.ReasonConflict, event(2).ID},
		"refused":       {"", domain.ReasonUnstorable, event(5).ID},
		"bad":           {"", "other", domain.EventID{}},
		"has an id now": {"", "other", event(9).ID},
	} {
		l, err := findDeadLetter(ctx, under, payload)
		if err != nil {
			return err
		}
		key := keyOf(domain.Reject{Record: domain.Record{Payload: l.Payload}})
		if l.Why.Reason != end.reason || l.Why.ID != end.id || l.Why.Detail == "" || l.Key != key || l.Replays != 1 || l.Seen != 1 {
			return fmt.Errorf("dead letter %q: got %+v, want %+v", payload, l, end)
		}
		if err := checkResolution(l, end.how, res.PageID); err != nil {
			return fmt.Errorf("%q: %w", payload, err)
		}
	}
	return wantStored(ctx, under.StoreUnderTest, 1, 2, 3)
}

func findDeadLetter(ctx context.Context, under ReplayUnderTest, payload string) (domain.DeadLetter, error) {
	letters, err := under.Letters(ctx)
	for _, l := range letters {
		if string(l.Payload) == payload {
			return l, err
		}
	}
	return domain.DeadLetter{}, errors.Join(err, fmt.Errorf("no dead letter %q", payload))
}

func checkResolution(l domain.DeadLetter, how string, pageID int64) error {
	switch r := l.Resolved; {
	case how == "" && r == nil:
		return nil
	case how == "" || r == nil || r.How != how || r.PageID != pageID || r.Why == "" || r.At.IsZero():
		return fmt.Errorf("got resolution %+v, want %q by page %d", r, how, pageID)
	}
	return nil
}

func checkReplayTwice(ctx context.Context, under ReplayUnderTest) error {
	if _, _, err := parkPayloads(ctx, under, "a", "b"); err != nil {
		return err
	}
	replay, err := redecodeOpen(ctx, under, fakeDecoder{"a": decodesTo(event(3)), "b": decodesTo(event(4))})
	if err != nil {
		return err
	}
	if _, err := under.Replays.Replay(ctx, replay); err != nil {
		return err
	}
	res, err := under.Replays.Replay(ctx, replay)
	if err != nil {
		return err
	}
	if res.PageID != 0 || res.Counts != (domain.Counts{}) {
		return fmt.Errorf("second replay: got %+v, want nothing", res)
	}
	rows, err := under.Ledger(ctx)
	if err != nil || len(rows) != 2 {
		return fmt.Errorf("got %d rows in the ledger, want 2: %w", len(rows), err)
	}
	return wantStored(ctx, under.StoreUnderTest, 1, 2, 3, 4)
}

func checkResolvedMeanwhile(ctx context.Context, under ReplayUnderTest) error {
	if _, _, err := parkPayloads(ctx, under, "a", "b", "c"); err != nil {
		return err
	}
	all, err := redecodeOpen(ctx, under, fakeDecoder{"a": {reason: "other"}, "b": decodesTo(event(4)), "c": decodesTo(event(5))})
	if err != nil {
		return err
	}
	if _, err := under.Replays.Replay(ctx, all.Only([]int64{all.Letters[1].ID})); err != nil {
		return err
	}
	res, err := under.Replays.Replay(ctx, all)
	if err != nil {
		return err
	}
	if err := wantCounts(res.Counts, domain.Counts{Received: 2, Inserted: 1, Parked: 1}); err != nil {
		return err
	}
	b, err := findDeadLetter(ctx, under, "b")
	if err != nil || b.Replays != 1 {
		return fmt.Errorf("dead letter that was resolved meanwhile: got %+v: %w", b, err)
	}
	return wantStored(ctx, under.StoreUnderTest, 1, 2, 4, 5)
}

// checkStoredMeanwhile: between Open and Replay a run stores the events of three dead letters. That supersedes the one whose
// id was known.
func checkStoredMeanwhile(ctx context.Context, under ReplayUnderTest) error {
	s, at, err := parkPayloads(ctx, under, "same", "other values")
	if err != nil {
		return err
	}
	parked, err := s.Commit(ctx, batch(at, addRejects(page(at.Position), reject(0, 4, "known by its id"))))
	if err != nil {
		return err
	}
	replay, err := redecodeOpen(ctx, under, fakeDecoder{
		"same": decodesTo(event(3)), "known by its id": decodesTo(event(4)), "other values": decodesTo(renamedEvent(0, 5, "other").Event),
	})
	if err != nil {
		return err
	}
	if _, err := s.Commit(ctx, batch(parked.Checkpoint, page(parked.Checkpoint.Position, 3, 4, 5))); err != nil {
		return err
	}
	res, err := under.Replays.Replay(ctx, replay)
	if err != nil {
		return err
	}
	if err := wantCounts(res.Counts, domain.Counts{Received: 2, Duplicate: 1, Parked: 1}); err != nil {
		return err
	}
	l, err := findDeadLetter(ctx, under, "known by its id")
	if err != nil || l.Resolved == nil || l.Resolved.How != domain.ResolvedAsSuperseded || l.Replays != 0 {
		return fmt.Errorf("superseded dead letter: got %+v: %w", l, err)
	}
	return wantStored(ctx, under.StoreUnderTest, 1, 2, 3, 4, 5)
}

func checkRunUndisturbed(ctx context.Context, under ReplayUnderTest) error {
	s, at, err := parkPayloads(ctx, under, "a")
	if err != nil {
		return err
	}
	replay, err := redecodeOpen(ctx, under, fakeDecoder{"a": decodesTo(event(3))})
	if err != nil {
		return err
	}
	if _, err := under.Replays.Replay(ctx, replay); err != nil {
		return err
	}
	durable, err := s.Checkpoint(ctx, at.Stream)
	if err != nil || !reflect.DeepEqual(durable, at) {
		return fmt.Errorf("the checkpoint changed from %+v to %+v: %w", at, durable, err)
	}
	res, err := s.Commit(ctx, batch(at, page(at.Position, 3, 4)))
	if err != nil {
		return err
	}
	if err := wantCounts(res.Counts, domain.Counts{Received: 2, Inserted: 1, Duplicate: 1}); err != nil {
		return err
	}
	return wantStored(ctx, under.StoreUnderTest, 1, 2, 3, 4)
}
