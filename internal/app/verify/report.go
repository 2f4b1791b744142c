package verify

import "github.com/pawldata/pawl/internal/domain"

// A Report is what Run found.
type Report struct {
	domain.Inspection

	Walk Walk // of the API; zero if it was not walked
}

// A Walk is what the API returned in one pass.
type Walk struct {
	Pages     int64
	Received  int64 // records
	Undecoded int64 // of these, not compared, as they are no events
	Shown     []Undecoded
}

// An Undecoded is a record that cannot become an event.
type Undecoded struct {
	RequestID string
	domain.Reject
}

func (w *Walk) add(page domain.ReadPage) {
	w.Pages++
	w.Received += int64(page.Received)
	w.Undecoded += int64(len(page.Rejects))
	for _, r := range page.Rejects[:min(domain.MostShown-len(w.Shown), len(page.Rejects))] {
		w.Shown = append(w.Shown, Undecoded{page.Receipt.RequestID, r})
	}
}
