package cli

import (
	"encoding/json"
	"io"

	"github.com/pawldata/pawl/internal/app/verify"
	"github.com/pawldata/pawl/internal/domain"
)

// reportJSON is a verification as scripts read it; README.md documents the fields.
type reportJSON struct {
	Stream        string      `json:"stream"`
	Pass          int64       `json:"pass"`
	Seq           int64       `json:"seq"`
	Done          bool        `json:"done"`
	Pages         int64       `json:"pages"`
	Events        int64       `json:"events"` // stored
	Parked        int64       `json:"parked"` // records that are open dead letters, or discarded ones
	Sound         bool        `json:"sound"`  // every check listed holds
	Checks        []checkJSON `json:"checks"`
	Announced     *int64      `json:"announced"`      // when the last pass began; null if it was not
	AnnouncedLast *int64      `json:"announced_last"` // by its last page
	EndAccepted   bool        `json:"end_accepted"`   // the user accepted an end below these
	API           *walkJSON   `json:"api"`            // null if it was not walked
	Notes         []string    `json:"notes"`
}

type walkJSON struct {
	Pages    int64 `json:"pages"`
	Received int64 `json:"received"`
	Parked   int64 `json:"parked"`   // of these, no rows but dead letters
	NotKept  int64 `json:"not_kept"` // of these, counted in another dead letter of their event
	New      int64 `json:"new"`      // of these, newer than what was read
}

type checkJSON struct {
	Check       string           `json:"check"`
	Claim       string           `json:"claim"`
	Differences int64            `json:"differences"`
	Shown       []differenceJSON `json:"shown"` // the first of them
}

type differenceJSON struct {
	PageID    int64  `json:"page_id,omitempty"`
	Seq       int64  `json:"seq,omitempty"`
	Pass      int64  `json:"pass,omitempty"`
	EventID   string `json:"event_id,omitempty"`
	RequestID string `json:"request_id,omitempty"`
	What      string `json:"what"`
	Value     string `json:"value,omitempty"`
	Against   string `json:"against,omitempty"`
	Found     string `json:"found,omitempty"`
}

func writeReportJSON(w io.Writer, r verify.Report) error {
	at := r.Stream.Checkpoint
	out := reportJSON{
		Stream: at.Stream.String(), Pass: at.Pass, Seq: at.Seq, Done: at.Done, Pages: r.Stream.Pages, Events: r.Stored, Parked: r.Parked,
		Sound: true, Checks: []checkJSON{}, Notes: append([]string{}, notes(r)...),
	}
	if at.AnnouncedFirst.Known {
		out.Announced = &at.AnnouncedFirst.N
	}
	if at.AnnouncedLast.Known {
		out.AnnouncedLast = &at.AnnouncedLast.N
	}
	out.EndAccepted = r.EndAccepted
	for _, f := range r.Findings {
		check := checkJSON{Check: f.Check.String(), Claim: f.Check.Claim(), Differences: f.Differences, Shown: []differenceJSON{}}
		for _, d := range f.Shown {
			check.Shown = append(check.Shown, toDifferenceJSON(d))
		}
		out.Sound = out.Sound && f.Differences == 0
		out.Checks = append(out.Checks, check)
	}
	if walk := r.Walk; walk.Pages > 0 {
		out.API = &walkJSON{Pages: walk.Pages, Received: walk.Received, Parked: walk.Parked, NotKept: walk.NotKept, New: walk.New}
	}
	return json.NewEncoder(w).Encode(out)
}

func toDifferenceJSON(d domain.Difference) differenceJSON {
	out := differenceJSON{
		PageID: d.PageID, Seq: d.Seq, Pass: d.Pass, RequestID: d.RequestID,
		What: d.What, Value: d.Value, Against: d.Against, Found: d.Found,
	}
	if d.Event != (domain.EventID{}) {
		out.EventID = d.Event.String()
	}
	return out
}
