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
	Index     int // in its page, from 0
	Why       error
}

func (w *Walk) addUndecoded(u Undecoded) {
	w.Undecoded++
	if len(w.Shown) < domain.MostShown {
		w.Shown = append(w.Shown, u)
	}
}
