package domaintest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

// A ReplayStore is the interface Store of internal/app/replay, which this package must not import.
type ReplayStore interface {
	Survey(ctx context.Context, stream domain.StreamID, selection domain.DeadLetterSelection) (domain.SelectionCount, error)
	Open(ctx context.Context, stream domain.StreamID, selection domain.DeadLetterSelection, after, last int64) ([]domain.DeadLetter, error)
	Replay(ctx context.Context, batch domain.ReplayBatch) (domain.ReplayResult, error)
}

// A ReplayUnderTest gives access to an empty database, with stores for runners and with a store for replays.
type ReplayUnderTest struct {
	StoreUnderTest

	ReplayStore ReplayStore
}

// ReplayChecks returns the checks of the contract of replay.Store.
func ReplayChecks() []Check[ReplayUnderTest] {
	return []Check[ReplayUnderTest]{
		{"a survey counts the selected dead letters", checkSurvey},
		{"Open returns the selected dead letters of a range in order", checkOpenOrder},
		{"Open returns the bytes that were parked", checkOpenBytes},
		{"each dead letter gets its outcome, and the ledger records the replay", checkReplayOutcomes},
		{"a second replay of the same batch does nothing", checkReplayTwice},
		{"a replay skips dead letters that were resolved meanwhile", checkResolvedMeanwhile},
		{"a replay finds events that were stored meanwhile", checkStoredMeanwhile},
		{"a replay does not disturb a run", checkRunUndisturbed},
		{"after a restored backup a replay skips a dead letter that has got the id of a lost one", checkReplayOtherLetter},
		{"after a restored backup the next batch of a replay is refused", checkReplaySetBack},
	}
}

// parkPayloads claims the stream and commits one page: the events 1 and 2, and one reject without an event id for each payload.
// It returns the runner's store and the new checkpoint.
func parkPayloads(ctx context.Context, db ReplayUnderTest, payloads ...string) (domain.EventStore, domain.Checkpoint, error) {
	store, checkpoint, err := openAndClaim(ctx, db.StoreUnderTest)
	if err != nil {
		return store, checkpoint, err
	}
	var rejects []domain.Reject
	for _, payload := range payloads {
		rejects = append(rejects, rejectWithoutID(payload))
	}
	res, err := store.Commit(ctx, batch(checkpoint, addRejects(page(checkpoint.Position, 1, 2), rejects...)))
	return store, res.Checkpoint, err
}

// A decodeResult is the result of a decoder for a payload: an event, or a rejection with a reason and an event id.
type decodeResult struct {
	event  *domain.Event  // nil for a rejection
	reason string         // empty for an event
	id     domain.EventID // zero for an event, and if the rejection has no event id
}

// decodesTo returns the result of a payload that the decoder accepts.
func decodesTo(e domain.Event) decodeResult { return decodeResult{event: &e} }

// A fakeDecoder is a domain.Decoder. It maps each payload to the result of Decode. The checks use it as the decoder of a later
// version of pawl, which can accept payloads that were parked.
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

// maxID is greater than the id of every dead letter in these checks.
const maxID = math.MaxInt64

// readOpen reads all open dead letters.
func readOpen(ctx context.Context, db ReplayUnderTest) ([]domain.DeadLetter, error) {
	return db.ReplayStore.Open(ctx, streamID(), domain.DeadLetterSelection{All: true}, 0, maxID)
}

// redecodeOpen reads all open dead letters, decodes them again, and returns them as one batch for the replay.
func redecodeOpen(ctx context.Context, db ReplayUnderTest, decoder fakeDecoder) (domain.ReplayBatch, error) {
	letters, err := readOpen(ctx, db)
	if err != nil {
		return domain.ReplayBatch{}, err
	}
	return domain.Redecode(streamID(), letters, time.Now(), decoder), nil
}

// checkSurvey checks how a survey counts the dead letters of a selection. One of the three dead letters is resolved, and two are
// open.
func checkSurvey(ctx context.Context, db ReplayUnderTest) error {
	_, err := db.ReplayStore.Survey(ctx, streamID(), domain.DeadLetterSelection{All: true})
	if err := wantKind(err, domain.Invalid); err != nil {
		return fmt.Errorf("survey of a stream that was never claimed: %w", err)
	}
	if _, _, err := parkPayloads(ctx, db, "a", "b", "c"); err != nil {
		return err
	}
	redecoded, err := redecodeOpen(ctx, db, fakeDecoder{
		"a": decodesTo(event(3)), "b": {reason: "other"}, "c": {reason: rejectReason},
	})
	if err != nil {
		return err
	}
	if _, err := db.ReplayStore.Replay(ctx, redecoded); err != nil {
		return err
	}
	// The dead letter of "a" is now resolved. The dead letters of "b" and "c" are open, and that of "b" has a new reason.
	a, b, c := redecoded.Letters[0].ID, redecoded.Letters[1].ID, redecoded.Letters[2].ID
	unknown1, unknown2 := maxID-int64(1), int64(maxID) // no dead letter has these ids
	for _, tt := range []struct {
		selection domain.DeadLetterSelection
		want      domain.SelectionCount
	}{
		{selection: domain.DeadLetterSelection{All: true}, want: domain.SelectionCount{Open: 2, Last: c}},
		{selection: domain.DeadLetterSelection{Reason: "other"}, want: domain.SelectionCount{Open: 1, Last: b}},
		{selection: domain.DeadLetterSelection{Reason: "unused"}, want: domain.SelectionCount{}},
		{
			selection: domain.DeadLetterSelection{IDs: []int64{b, a, b, unknown2, unknown1, unknown2}},
			want:      domain.SelectionCount{Open: 1, Last: b, Resolved: 1, Missing: []int64{unknown1, unknown2}},
		},
	} {
		got, err := db.ReplayStore.Survey(ctx, streamID(), tt.selection)
		if err != nil {
			return err
		}
		if len(got.Missing) == 0 {
			got.Missing = nil // for DeepEqual
		}
		if !reflect.DeepEqual(got, tt.want) {
			return fmt.Errorf("survey of %+v: got %+v, want %+v", tt.selection, got, tt.want)
		}
	}
	return nil
}

// checkOpenOrder checks that Open returns the selected open dead letters with ids greater than after, up to last, in order of
// id.
func checkOpenOrder(ctx context.Context, db ReplayUnderTest) error {
	const second = "b\xff\x00" // no text in PostgreSQL
	if _, _, err := parkPayloads(ctx, db, "a", second, "c", "d"); err != nil {
		return err
	}
	letters, err := db.Letters(ctx)
	if err != nil {
		return err
	}
	firstID, thirdID, fourthID := letters[0].ID, letters[2].ID, letters[3].ID
	for _, tt := range []struct {
		selection   domain.DeadLetterSelection
		after, last int64    // the range of ids: after is excluded, last is included
		want        []string // the payloads
	}{
		{selection: domain.DeadLetterSelection{All: true}, after: 0, last: fourthID, want: []string{"a", second, "c", "d"}},
		{selection: domain.DeadLetterSelection{All: true}, after: firstID, last: thirdID, want: []string{second, "c"}},
		{selection: domain.DeadLetterSelection{Reason: rejectReason}, after: thirdID, last: maxID, want: []string{"d"}},
		{selection: domain.DeadLetterSelection{Reason: "another"}, after: 0, last: fourthID, want: nil},
		{selection: domain.DeadLetterSelection{IDs: []int64{fourthID, firstID, firstID}}, after: 0, last: fourthID, want: []string{"a", "d"}},
	} {
		open, err := db.ReplayStore.Open(ctx, streamID(), tt.selection, tt.after, tt.last)
		if err != nil {
			return err
		}
		var got []string
		for _, l := range open {
			got = append(got, string(l.Payload))
		}
		if !slices.Equal(got, tt.want) {
			return fmt.Errorf("open dead letters of %+v with ids above %d, up to %d: got payloads %q, want %q",
				tt.selection, tt.after, tt.last, got, tt.want)
		}
	}
	return nil
}

// checkOpenBytes parks a payload with spaces, escapes and bytes that are not valid UTF-8. Open must return the same bytes.
func checkOpenBytes(ctx context.Context, db ReplayUnderTest) error {
	payload := "{ \"id\" :\t\"\\u0061\",\r\n \"n\": [ 1.00 ]\xff\x00}\r\n "
	if _, _, err := parkPayloads(ctx, db, payload); err != nil {
		return err
	}
	letters, err := readOpen(ctx, db)
	if err != nil {
		return err
	}
	if len(letters) != 1 || string(letters[0].Payload) != payload {
		return fmt.Errorf("got dead letters %+v, want one with the payload %q", letters, payload)
	}
	return nil
}

// checkReplayOutcomes replays seven dead letters in one batch, so that every outcome occurs.
func checkReplayOutcomes(ctx context.Context, db ReplayUnderTest) error {
	_, checkpoint, err := parkPayloads(ctx, db,
		"new event", "new event again", "stored event", "stored with other values", "unstorable", "rejected", "rejected with id")
	if err != nil {
		return err
	}
	unstorable := changeName(event(5), refusedText)
	redecoded, err := redecodeOpen(ctx, db, fakeDecoder{
		"new event":                decodesTo(event(3)),
		"new event again":          decodesTo(event(3)),
		"stored event":             decodesTo(event(1)),
		"stored with other values": decodesTo(changeName(event(2), "other")),
		"unstorable":               decodesTo(unstorable),
		"rejected":                 {reason: "other"},
		"rejected with id":         {reason: "other", id: event(9).ID},
	})
	if err != nil {
		return err
	}
	res, err := db.ReplayStore.Replay(ctx, redecoded)
	if err != nil {
		return err
	}
	// Inserted is "new event". The duplicates are "new event again" and "stored event". The others are parked again.
	want := domain.Counts{Received: 7, Inserted: 1, Duplicate: 2, Parked: 4}
	if err := wantCounts(res.Counts, want); err != nil {
		return err
	}
	reasons := map[string]int64{domain.ReasonConflict: 1, domain.ReasonUnstorable: 1, "other": 2}
	if !reflect.DeepEqual(res.ParkedAgain, reasons) {
		return fmt.Errorf("got parked again %v, want %v", res.ParkedAgain, reasons)
	}
	rows, err := db.Ledger(ctx)
	if err != nil {
		return err
	}
	wantRow := LedgerRow{
		Kind: "replay", Stream: checkpoint.Stream.String(), Pass: checkpoint.Pass, Seq: checkpoint.Seq,
		Position: checkpoint.Offset, Counts: want,
	}
	if len(rows) != 2 || rows[1] != wantRow { // the first row is of the page that parkPayloads committed
		return fmt.Errorf("got ledger %+v, want two rows, the last one %+v", rows, wantRow)
	}
	if res.PageID == 0 {
		return errors.New("got no page id of the replay's ledger row")
	}
	for payload, outcome := range map[string]struct {
		how    string         // how the dead letter was resolved, empty if it is still open
		reason string         // of the dead letter after the replay
		id     domain.EventID // the event id of the dead letter after the replay
	}{
		"new event":                {how: domain.ResolvedByReplay, reason: rejectReason, id: event(3).ID},
		"new event again":          {how: domain.ResolvedAsDuplicate, reason: rejectReason, id: event(3).ID},
		"stored event":             {how: domain.ResolvedAsDuplicate, reason: rejectReason, id: event(1).ID},
		"stored with other values": {how: "", reason: domain.ReasonConflict, id: event(2).ID},
		"unstorable":               {how: "", reason: domain.ReasonUnstorable, id: event(5).ID},
		"rejected":                 {how: "", reason: "other", id: domain.EventID{}},
		"rejected with id":         {how: "", reason: "other", id: event(9).ID},
	} {
		l, err := findDeadLetter(ctx, db, payload)
		if err != nil {
			return err
		}
		key := keyOf(rejectWithoutID(payload)) // a replay does not change the key
		if l.Why.Reason != outcome.reason || l.Why.ID != outcome.id {
			return fmt.Errorf("dead letter %q: got reason %q and id %s, want %q and %s",
				payload, l.Why.Reason, l.Why.ID, outcome.reason, outcome.id)
		}
		if l.Key != key || l.Replays != 1 || l.Seen != 1 || l.Why.Detail == "" {
			return fmt.Errorf("dead letter %q: got %+v, want key %q, 1 replay, seen 1 and a detail", payload, l, key)
		}
		if err := wantResolution(l, outcome.how, res.PageID); err != nil {
			return fmt.Errorf("%q: %w", payload, err)
		}
	}
	return wantStored(ctx, db.StoreUnderTest, 1, 2, 3)
}

// findDeadLetter returns the dead letter with this payload.
func findDeadLetter(ctx context.Context, db ReplayUnderTest, payload string) (domain.DeadLetter, error) {
	letters, err := db.Letters(ctx)
	if err != nil {
		return domain.DeadLetter{}, err
	}
	for _, l := range letters {
		if string(l.Payload) == payload {
			return l, nil
		}
	}
	return domain.DeadLetter{}, fmt.Errorf("got no dead letter with the payload %q, want one", payload)
}

// wantResolution returns an error unless the dead letter l was resolved as how says, by the ledger row with the id pageID. If how
// is empty, l must be open.
func wantResolution(l domain.DeadLetter, how string, pageID int64) error {
	r := l.Resolved
	if how == "" {
		if r != nil {
			return fmt.Errorf("got resolution %+v, want an open dead letter", *r)
		}
		return nil
	}
	if r == nil || r.How != how || r.PageID != pageID || r.Why == "" || r.At.IsZero() {
		return fmt.Errorf("got resolution %+v, want %q by page %d, with a reason and a time", r, how, pageID)
	}
	return nil
}

// checkReplayTwice replays the same batch twice. The second replay must change nothing and add no row to the ledger.
func checkReplayTwice(ctx context.Context, db ReplayUnderTest) error {
	if _, _, err := parkPayloads(ctx, db, "a", "b"); err != nil {
		return err
	}
	redecoded, err := redecodeOpen(ctx, db, fakeDecoder{"a": decodesTo(event(3)), "b": decodesTo(event(4))})
	if err != nil {
		return err
	}
	if _, err := db.ReplayStore.Replay(ctx, redecoded); err != nil {
		return err
	}
	res, err := db.ReplayStore.Replay(ctx, redecoded)
	if err != nil {
		return err
	}
	if res.PageID != 0 || res.Counts != (domain.Counts{}) {
		return fmt.Errorf("second replay: got %+v, want no page id and no counts", res)
	}
	rows, err := db.Ledger(ctx)
	if err != nil {
		return err
	}
	if len(rows) != 2 {
		return fmt.Errorf("got %d rows in the ledger, want 2: one page and one replay", len(rows))
	}
	return wantStored(ctx, db.StoreUnderTest, 1, 2, 3, 4)
}
