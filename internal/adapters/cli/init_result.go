package cli

import (
	"fmt"
	"io"
	"math"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/pawldata/pawl/internal/adapters/cli/settings"
	"github.com/pawldata/pawl/internal/domain"
)

// printResult writes what `pawl init` has found out, and what to do next.
func (i *initialisation) printResult(w io.Writer) error {
	total := i.page.To.AnnouncedLast
	rows := table{{"written", settings.DefaultEnvFile + ", which only you can read"}}
	switch {
	case i.refused:
		rows = append(rows, []string{"API", i.describeRefusal()})
	case total.Known:
		pages := divideUp(total.N, int64(i.checked.PageSize))
		rows = append(rows,
			[]string{"API", quantity(total.N, "event", "events") + " announced: " + quantity(pages, "page", "pages")},
			[]string{"time", describeTime(pages, i.page.Receipt)},
			[]string{"disk", "about " + describeDisk(total.N) + ", and up to 1 GB for PostgreSQL's log"})
	default:
		rows = append(rows, []string{"API", "it answers, but announces no total, so the time and the disk for a run are not known"})
	}
	rows = append(rows, []string{"database", i.about})
	if err := rows.write(w); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\nNext:\n  pawl run --dry-run --max-pages 3\n  pawl run\n")
	return err
}

// describeRefusal says what is known about an API that has refused the request because of its rate limit.
func (i *initialisation) describeRefusal() string {
	until := ""
	if !i.until.IsZero() {
		until = " until " + i.until.Format(time.DateTime+" MST")
	}
	return "it answers, but its rate limit refuses requests" + until + ": the key was not tried, and the time and the disk are not known"
}

// bytesPerEvent is the disk that PostgreSQL needs for an event of about 350 bytes, with its key (docs/performance.md).
const bytesPerEvent = 220

// describeDisk returns the disk that so many events need. The number comes from the API and may be absurd.
func describeDisk(events int64) string {
	return humanize.Bytes(uint64(min(events, math.MaxInt64/bytesPerEvent)) * bytesPerEvent) //nolint:gosec // no total is negative
}

// describeTime returns how long the rate limit of the receipt makes a run of so many pages take.
func describeTime(pages int64, r domain.Receipt) string {
	quota := r.Quota
	window := quota.Window
	if window <= 0 && !quota.Reset.IsZero() {
		window = quota.Reset.Sub(r.FetchedAt).Round(time.Second)
	}
	if quota.Limit <= 0 || window <= 0 {
		return "not known, because the API reports no rate limit; a run shows it"
	}
	word, every := "about", "every "+window.String()
	if window == time.Minute {
		every = "a minute"
	}
	beganEarlier := quota.Remaining < quota.Limit-1
	if quota.Window <= 0 && beganEarlier { // then only the rest of the window is known
		word, every = "at least", "in a window of "+window.String()+" or more"
	}
	limit := fmt.Sprintf("the rate limit allows %s %s", quantity(quota.Limit, "page", "pages"), every)
	waits := divideUp(pages, quota.Limit) - 1
	if waits <= 0 {
		return "no wait for the rate limit: " + limit
	}
	longest := int64(math.MaxInt64 / window)
	return word + " " + roundTime(time.Duration(min(waits, longest))*window) + ": " + limit
}

// divideUp returns a divided by b, rounded up.
func divideUp(a, b int64) int64 {
	if a%b == 0 {
		return a / b
	}
	return a/b + 1
}

// roundTime returns d in the largest unit of which it has at least two, rounded.
func roundTime(d time.Duration) string {
	for _, unit := range []struct {
		length time.Duration
		name   string
	}{{24 * time.Hour, "days"}, {time.Hour, "hours"}, {time.Minute, "min"}} {
		if d >= 2*unit.length {
			return fmt.Sprintf("%.0f %s", math.Round(float64(d)/float64(unit.length)), unit.name)
		}
	}
	return fmt.Sprintf("%.0f s", math.Round(d.Seconds()))
}
