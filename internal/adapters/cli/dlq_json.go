package cli

import (
	"io"
	"time"
	"unicode/utf8"

	"github.com/pawldata/pawl/internal/domain"
)

// lettersJSON is what `pawl dlq list --json` prints.
type lettersJSON struct {
	Stream    string       `json:"stream"`     // the stream's name
	Letters   []letterJSON `json:"letters"`    // the dead letters in the order of their ids
	NextAfter *int64       `json:"next_after"` // the value of --after that lists the next dead letters; null if there are no more
}

type letterJSON struct {
	ID          int64           `json:"id"`                    // the dead letter's id
	Reason      string          `json:"reason"`                // why the record cannot become a row
	Field       string          `json:"field"`                 // the name of the field with the problem; may be empty
	Detail      string          `json:"detail"`                // a description of the problem
	EventID     *string         `json:"event_id"`              // the event's id; null if the record has no readable id
	Key         string          `json:"key"`                   // the event's id or, if event_id is null, a hash of the record
	PageID      int64           `json:"page_id"`               // the id in the ledger of the page that parked it
	IndexInPage int             `json:"index_in_page"`         // the record's index in that page, from 0
	Seen        int64           `json:"seen"`                  // how often the API sent this record, including others
	Others      int64           `json:"others"`                // records of the same event with other bytes; pawl counted them and did not store them
	OthersNote  string          `json:"others_note,omitempty"` // the meaning of others, in words
	Replays     int64           `json:"replays"`               // how often it was replayed
	ParkedAt    string          `json:"parked_at"`             // when it was parked
	Resolved    *resolutionJSON `json:"resolved"`              // how it was resolved; null while it is open
}

type resolutionJSON struct {
	How    string `json:"how"`     // replayed, duplicate, superseded or discarded
	Why    string `json:"why"`     // the reason, in words
	At     string `json:"at"`      // when it was resolved
	PageID *int64 `json:"page_id"` // the id in the ledger of the page that resolved it; null if a user discarded it
}

// shownJSON is what `pawl dlq show --json` prints.
type shownJSON struct {
	Stream string `json:"stream"` // the stream's name
	letterJSON
	Payload []byte  `json:"payload"`      // the record, in base64
	Text    *string `json:"payload_text"` // the record as text; null if it is not UTF-8
}

// reasonsJSON is what `pawl dlq list --summary --json` prints.
type reasonsJSON struct {
	Stream  string       `json:"stream"`  // the stream's name
	Letters int64        `json:"letters"` // the number of dead letters that were counted
	Reasons []reasonJSON `json:"reasons"` // an entry for each reason, the most frequent first
}

type reasonJSON struct {
	Reason string      `json:"reason"`           // why the records cannot become rows
	Count  int64       `json:"count"`            // the number of dead letters with this reason
	Sample *letterJSON `json:"sample,omitempty"` // one dead letter with this reason
}

// discardJSON is what `pawl dlq discard --json` prints.
type discardJSON struct {
	Stream string `json:"stream"` // the stream's name
	ID     int64  `json:"id"`     // the dead letter's id
	How    string `json:"how"`    // always discarded
	Why    string `json:"why"`    // the reason that the user gave
}

// writeLettersJSON writes a list of dead letters. more says that other dead letters follow after the last of them.
func writeLettersJSON(w io.Writer, stream domain.StreamID, letters []domain.DeadLetter, more bool) error {
	out := lettersJSON{Stream: stream.String(), Letters: []letterJSON{}}
	for _, l := range letters {
		out.Letters = append(out.Letters, toLetterJSON(l))
	}
	if more {
		out.NextAfter = &letters[len(letters)-1].ID
	}
	return writeASCIIJSON(w, out)
}

func writeReasonsJSON(w io.Writer, stream domain.StreamID, counts []domain.ReasonCount) error {
	out := reasonsJSON{Stream: stream.String(), Reasons: []reasonJSON{}}
	for _, n := range counts {
		sample := toLetterJSON(n.Sample)
		out.Letters += n.Count
		out.Reasons = append(out.Reasons, reasonJSON{Reason: n.Reason, Count: n.Count, Sample: &sample})
	}
	return writeASCIIJSON(w, out)
}

func writeShownJSON(w io.Writer, stream domain.StreamID, l domain.DeadLetter) error {
	out := shownJSON{Stream: stream.String(), letterJSON: toLetterJSON(l), Payload: l.Payload}
	if text := string(l.Payload); utf8.ValidString(text) {
		out.Text = &text
	}
	return writeASCIIJSON(w, out)
}

func toLetterJSON(letter domain.DeadLetter) letterJSON {
	out := letterJSON{
		ID: letter.ID, Reason: letter.Why.Reason, Field: letter.Why.Field, Detail: letter.Why.Detail, Key: string(letter.Key),
		PageID: letter.PageID, IndexInPage: letter.Index, Seen: letter.Seen, Others: letter.Others, Replays: letter.Replays,
		ParkedAt: letter.ParkedAt.Format(time.RFC3339Nano),
	}
	if letter.Others > 0 {
		out.OthersNote = othersNote(letter.Others)
	}
	if id := eventIDOf(letter); id != "" {
		out.EventID = &id
	}
	if r := letter.Resolved; r != nil {
		out.Resolved = &resolutionJSON{How: r.How, Why: r.Why, At: r.At.Format(time.RFC3339Nano)}
		if r.PageID != 0 {
			out.Resolved.PageID = &r.PageID
		}
	}
	return out
}
