package cli

import (
	"io"
	"time"
	"unicode/utf8"

	"github.com/pawldata/pawl/internal/domain"
)

// What the commands about dead letters print for scripts; README.md documents the fields.

type lettersJSON struct {
	Stream    string       `json:"stream"`
	Letters   []letterJSON `json:"letters"`
	NextAfter *int64       `json:"next_after"` // for --after; null at the end of the list
}

type letterJSON struct {
	ID          int64           `json:"id"`
	Reason      string          `json:"reason"`
	Field       string          `json:"field"`
	Detail      string          `json:"detail"`
	EventID     *string         `json:"event_id"` // null where it cannot be told
	Key         string          `json:"key"`
	PageID      int64           `json:"page_id"`
	IndexInPage int             `json:"index_in_page"`
	Seen        int64           `json:"seen"`
	Others      int64           `json:"others"`                // of these, records of the event with other bytes that were not kept
	OthersNote  string          `json:"others_note,omitempty"` // the same in words
	Replays     int64           `json:"replays"`
	ParkedAt    string          `json:"parked_at"`
	Resolved    *resolutionJSON `json:"resolved"` // null while it is open
}

type resolutionJSON struct {
	How    string `json:"how"`
	Why    string `json:"why"`
	At     string `json:"at"`
	PageID *int64 `json:"page_id"` // null if it was done by hand
}

type shownJSON struct {
	Stream string `json:"stream"`
	letterJSON
	Payload []byte  `json:"payload"`      // in base64
	Text    *string `json:"payload_text"` // null if it is not UTF-8
}

type reasonsJSON struct {
	Stream  string       `json:"stream"`
	Letters int64        `json:"letters"`
	Reasons []reasonJSON `json:"reasons"`
}

type reasonJSON struct {
	Reason string      `json:"reason"`
	Count  int64       `json:"count"`
	Sample *letterJSON `json:"sample,omitempty"`
}

type discardJSON struct {
	Stream string `json:"stream"`
	ID     int64  `json:"id"`
	How    string `json:"how"`
	Why    string `json:"why"`
}

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
		out.Reasons = append(out.Reasons, reasonJSON{n.Reason, n.Count, &sample})
	}
	return writeASCIIJSON(w, out)
}

func writeLetterJSON(w io.Writer, stream domain.StreamID, l domain.DeadLetter) error {
	out := shownJSON{Stream: stream.String(), letterJSON: toLetterJSON(l), Payload: l.Payload}
	if text := string(l.Payload); utf8.ValidString(text) {
		out.Text = &text
	}
	return writeASCIIJSON(w, out)
}

func toLetterJSON(l domain.DeadLetter) letterJSON {
	out := letterJSON{
		ID: l.ID, Reason: l.Why.Reason, Field: l.Why.Field, Detail: l.Why.Detail, Key: string(l.Key), PageID: l.PageID,
		IndexInPage: l.Index, Seen: l.Seen, Others: l.Others, Replays: l.Replays, ParkedAt: l.ParkedAt.Format(time.RFC3339Nano),
	}
	if l.Others > 0 {
		out.OthersNote = othersNote(l.Others)
	}
	if id := idOf(l); id != "" {
		out.EventID = &id
	}
	if r := l.Resolved; r != nil {
		out.Resolved = &resolutionJSON{How: r.How, Why: r.Why, At: r.At.Format(time.RFC3339Nano)}
		if r.PageID != 0 {
			out.Resolved.PageID = &r.PageID
		}
	}
	return out
}
