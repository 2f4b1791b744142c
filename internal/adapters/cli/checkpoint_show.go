package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/pawldata/pawl/internal/domain"
)

// writeCheckpoint writes the checkpoint of a stream for a person.
func writeCheckpoint(w io.Writer, s domain.StreamStatus) error {
	c := s.Checkpoint
	lines := []string{fmt.Sprintf("stream %s: pass %d, seq %d, epoch %d", c.Stream, c.Pass, c.Seq, c.Epoch)}
	add := func(name, format string, args ...any) {
		lines = append(lines, fmt.Sprintf("  %-9s ", name)+fmt.Sprintf(format, args...))
	}
	add("next", "%s", nextPageOf(c.Position))
	add("position", "%s in this pass, %s in the longest pass", quantity(c.Offset, "record", "records"), humanize.Comma(c.MaxOffset))
	if !c.CursorExpiresAt.IsZero() {
		add("expires", "%s", timeAt(c.CursorExpiresAt, s.Now))
	}
	add("announced", "%s", announcedOf(c.Position))
	add("counts", "%s received = %s inserted + %s duplicate + %s parked", humanize.Comma(c.Received),
		humanize.Comma(c.Inserted), humanize.Comma(c.Duplicate), humanize.Comma(c.Parked))
	if !c.LastEventAt.IsZero() {
		add("last", "the last page with events ends at %s", c.LastEventAt.UTC().Format(time.RFC3339))
	}
	add("updated", "%s", timeAt(c.UpdatedAt, s.Now))
	if r := s.Runner; r != nil && r.Token == c.Token {
		add("claim", "of pid %d on %s, %s, since %s", r.PID, escapeUnprintable(r.Host), escapeUnprintable(r.Version), timeAt(r.Since, s.Now))
		add("runner", "%s", runnerOf(s))
	} else {
		add("claim", "of no known runner; the next run takes the next epoch")
	}
	add("source", "reads from %s", c.SourceURL)
	_, err := io.WriteString(w, strings.Join(lines, "\n")+"\n")
	return err
}

// nextPageOf returns where the next page of a position begins, in words.
func nextPageOf(p domain.Position) string {
	switch {
	case p.Done:
		return "none, the pass is complete"
	case p.IsAtHead():
		return "the first page, without a cursor"
	}
	return "the page at cursor " + shortCursor(p.Cursor)
}

// maxShownCursor is the greatest number of characters of a cursor that a person sees.
const maxShownCursor = 48

// shortCursor returns the beginning of a cursor. It escapes the characters that could control a terminal.
func shortCursor(cursor domain.Cursor) string {
	text := escapeToASCII(string(cursor))
	if len(text) <= maxShownCursor {
		return text
	}
	return fmt.Sprintf("%s… (%s)", text[:maxShownCursor], quantity(int64(len(cursor)), "byte", "bytes"))
}

// announcedOf returns the totals that the API announced in the pass.
func announcedOf(p domain.Position) string {
	if !p.AnnouncedLast.Known {
		return "nothing yet in this pass"
	}
	return fmt.Sprintf("%s when the pass began, %s last", quantity(p.AnnouncedFirst.N, "record", "records"), humanize.Comma(p.AnnouncedLast.N))
}

// checkpointJSON is what `pawl checkpoint show --json` prints.
type checkpointJSON struct {
	Stream          string      `json:"stream"`            // the stream's name
	SourceURL       string      `json:"source_url"`        // the address that the stream reads from
	Epoch           int64       `json:"epoch"`             // the number of the claim
	Seq             int64       `json:"seq"`               // pages that all runs together have stored
	Pass            int64       `json:"pass"`              // the number of the pass, from 1
	Position        int64       `json:"position"`          // records from the head that this pass has read and stored
	Furthest        int64       `json:"furthest"`          // the greatest position of any pass
	Cursor          string      `json:"cursor"`            // where the next page begins; empty at the head and at the end
	CursorExpiresAt *string     `json:"cursor_expires_at"` // when the API stops accepting the cursor; null if it did not say
	Done            bool        `json:"done"`              // the pass is complete
	AnnouncedFirst  *int64      `json:"announced_first"`   // the total that the API announced first in this pass; null if it announced none
	AnnouncedLast   *int64      `json:"announced_last"`    // the total that it announced last
	Received        int64       `json:"received"`          // records received, over all passes
	Inserted        int64       `json:"inserted"`          // of these, events stored
	Duplicate       int64       `json:"duplicate"`         // of these, stored or parked already
	Parked          int64       `json:"parked"`            // of these, new dead letters
	LastEventAt     *string     `json:"last_event_at"`     // when the last event of the last page with events occurred; null if there is none
	UpdatedAt       string      `json:"updated_at"`        // when the last page was stored; without a page, when the stream began
	Runner          *runnerJSON `json:"runner"`            // the runner that has the claim; null if it is not known, also after a reset
}

// writeCheckpointJSON writes the checkpoint of a stream as JSON on one line.
func writeCheckpointJSON(w io.Writer, s domain.StreamStatus) error {
	c := s.Checkpoint
	out := checkpointJSON{
		Stream: c.Stream.String(), SourceURL: c.SourceURL, Epoch: c.Epoch, Seq: c.Seq, Pass: c.Pass, Position: c.Offset, Furthest: c.MaxOffset,
		Cursor: string(c.Cursor), CursorExpiresAt: timeOrNil(c.CursorExpiresAt), Done: c.Done,
		AnnouncedFirst: numberOrNil(c.AnnouncedFirst), AnnouncedLast: numberOrNil(c.AnnouncedLast),
		Received: c.Received, Inserted: c.Inserted, Duplicate: c.Duplicate, Parked: c.Parked,
		LastEventAt: timeOrNil(c.LastEventAt), UpdatedAt: formatTime(c.UpdatedAt),
	}
	if r := s.Runner; r != nil && r.Token == c.Token {
		out.Runner = newRunnerJSON(*r, s.Now)
	}
	return writeASCIIJSON(w, out)
}

// numberOrNil returns nil for an unknown total.
func numberOrNil(total domain.Total) *int64 {
	if !total.Known {
		return nil
	}
	return &total.N
}
