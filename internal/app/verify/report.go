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
}

func (w *Walk) add(page domain.ReadPage, compared domain.PageComparison) {
	w.Pages++
	w.Received += int64(page.Received)
	w.Parked += compared.Parked
}
