package progress

import (
	"time"

	"github.com/pawldata/pawl/internal/app/retry"
	"github.com/pawldata/pawl/internal/domain"
)

// A State is what a run is about.
type State int

// The states.
const (
	Preparing State = iota // the database
	Claiming               // the stream
	Fetching
	Storing
	Waiting
	Complete // there was nothing to do, and there is nothing to show
)

// A Snapshot is how a run stands at one moment.
type Snapshot struct {
	State State
	Wait  retry.Wait // the one under way, if State is Waiting

	Offset    int64 // records from the head that are stored, in this pass
	MaxOffset int64 // the greatest position of all passes: up to it everything is stored already
	Total     domain.Total

	PerSecond   float64       // records, of late, waits included; 0 if not known
	Left        time.Duration // to the announced end; 0 if not known
	LeftByQuota bool          // it is the rate limit that makes it as long
	Retries     int           // tries after failures
}

// Rereading reports whether what is read has been stored before.
func (s Snapshot) Rereading() bool { return s.Offset < s.MaxOffset }

// permille is how much of the announced total is done, from 0 to 1000, rounded down: 100.0 % is a promise.
func (s Snapshot) permille() (n int64, known bool) {
	if !s.Total.Known || s.Total.N <= 0 {
		return 0, false
	}
	return min(s.Offset, s.Total.N) * 1000 / s.Total.N, true
}
