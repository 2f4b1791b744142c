package verify

import "github.com/pawldata/pawl/internal/domain"

// A Report is what Run found.
type Report struct {
	domain.Inspection

	Walk Walk // of the API; zero if it was not walked
}

// A Walk is what the API returned in one pass.
type Walk struct {
	Pages    int64
	Received int64 // records
	Parked   int64 // of these, no rows but dead letters
	NotKept  int64 // of these, counted in another dead letter of their event, see domain.MaxOpenDeadLetters
	New      int64 // of these, neither stored nor parked, and newer than what was read by all that can be told
}

func (w *Walk) add(page domain.DecodedPage, compared domain.PageComparison) {
	w.Pages++
	w.Received += int64(page.Received)
	w.Parked += compared.Parked
	w.NotKept += compared.NotKept
}
