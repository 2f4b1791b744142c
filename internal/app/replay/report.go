package replay

import "github.com/pawldata/pawl/internal/domain"

// A Report is what a replay did.
type Report struct {
	Stream domain.StreamID

	domain.Counts                  // of the letters replayed; Parked are those parked again
	Again         map[string]int64 // of these, how many have which reason now

	Skipped    int64 // chosen, but resolved already or meanwhile
	Unanswered int   // COMMITs without an answer; what they did is not counted here
}

func (r *Report) add(read int, res domain.ReplayResult) {
	r.Counts = r.Counts.Add(res.Counts)
	r.Skipped += int64(read) - res.Received
	for reason, n := range res.Again {
		r.Again[reason] += n
	}
}
