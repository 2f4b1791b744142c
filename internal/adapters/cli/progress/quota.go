package progress

import (
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

// A quota is the rate limit as the last page told it, with the length of a window as far as it is known.
type quota struct {
	domain.Quota

	window time.Duration
}

// heed takes in what came with a page. A window whose length nobody announces is as long as the longest rest of one that
// was seen.
func (q *quota) heed(r domain.Receipt) {
	q.Quota = r.Quota
	if q.Window > 0 {
		q.window = q.Window
	} else if !q.Reset.IsZero() {
		q.window = max(q.window, q.Reset.Sub(r.FetchedAt))
	}
}

func (q *quota) windowed() bool { return q.Limit > 0 && q.window > 0 }

// wait is how many seconds must pass before the last of so many pages may be asked for: until the next window opens, and
// all windows between. It is 0 if nothing is known, or if they may be asked for now.
func (q *quota) wait(pages int64, now time.Time) float64 {
	if !q.windowed() {
		return 0
	}
	free, opens := q.Remaining, q.Reset.Sub(now)
	if opens <= 0 { // the window has ended, and the next request opens another
		free, opens = q.Limit, q.window
	}
	if pages <= free {
		return 0
	}
	windows := (pages - free + q.Limit - 1) / q.Limit
	return opens.Seconds() + float64(windows-1)*q.window.Seconds()
}
