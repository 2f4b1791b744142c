package progress

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/dustin/go-humanize"

	"github.com/pawldata/pawl/internal/domain"
)

// mostReason is as much of an error as stands beside share and time left in 80 columns; the log has the whole of it.
const mostReason = 34

// shortWait is the longest wait for the API that is not worth a word.
const shortWait = time.Second

// words say what the run is about, and what it waits for and until when.
func (s Snapshot) words(now time.Time) string {
	switch {
	case s.waiting():
		return s.waitingWords(now)
	case s.State == Preparing:
		return "preparing the database"
	case s.State == Claiming:
		return "claiming the stream"
	case s.Rereading() && s.Total.Known:
		return fmt.Sprintf("replaying: %s of %s already stored", humanize.Comma(s.MaxOffset), humanize.Comma(max(s.Total.N, s.MaxOffset)))
	case s.Rereading():
		return fmt.Sprintf("replaying: %s already stored", humanize.Comma(s.MaxOffset))
	case s.State == Storing:
		return "storing"
	}
	return "fetching"
}

// waiting reports whether the run waits long enough to speak of it.
func (s Snapshot) waiting() bool {
	return s.State == Waiting && (!s.Wait.ForRateLimit() || s.Wait.For >= shortWait)
}

func (s Snapshot) waitingWords(now time.Time) string {
	left := max(s.Wait.Until.Sub(now), 0)
	switch {
	case s.Wait.ForRateLimit():
		return fmt.Sprintf("waiting for the API until %s (rate limit, %s)", clock(s.Wait.Until, now), inWords(left))
	case domain.KindOf(s.Wait.Err) == domain.Fenced:
		return fmt.Sprintf("waiting for another runner to let go of the stream (%s)", inWords(left))
	}
	return fmt.Sprintf("retrying in %s (%d of %d): %s", inWords(left), s.Wait.Try, s.Wait.Tries, reason(s.Wait.Err))
}

// shortWords are the words for a narrow line, empty if there are none.
func (s Snapshot) shortWords(now time.Time) string {
	if !s.waiting() || !s.Wait.ForRateLimit() {
		return ""
	}
	return fmt.Sprintf("API rate limit until %s (%s)", clock(s.Wait.Until, now), inWords(max(s.Wait.Until.Sub(now), 0)))
}

// reason is the root of an error: what happened, without the operations around it. It is short and holds no control
// characters, whatever an upstream wrote into it.
func reason(err error) string {
	for cause := err; cause != nil; cause = errors.Unwrap(cause) {
		err = cause
	}
	printable := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return ' '
		}
		return r
	}, err.Error())
	return cut(printable, mostReason)
}

// clock is the time of day, with the date if that is not today.
func clock(t, now time.Time) string {
	t = t.In(now.Location())
	if t.YearDay() != now.YearDay() || t.Year() != now.Year() {
		return t.Format("2006-01-02 15:04:05")
	}
	return t.Format(time.TimeOnly)
}

// inWords is the time left, rounded up, as it stands in a sentence.
func inWords(d time.Duration) string {
	if d > 99*time.Second {
		return onClock(d)
	}
	return strconv.FormatInt(ceilSeconds(d), 10) + " s"
}

// onClock is the time left, rounded up, as 4:12, 1:04:12 or 2 d 01:04:12.
func onClock(d time.Duration) string {
	s := ceilSeconds(d)
	days, hours, minutes, seconds := s/86400, s/3600%24, s/60%60, s%60
	switch {
	case days > 0:
		return fmt.Sprintf("%s d %02d:%02d:%02d", humanize.Comma(days), hours, minutes, seconds)
	case hours > 0:
		return fmt.Sprintf("%d:%02d:%02d", hours, minutes, seconds)
	}
	return fmt.Sprintf("%d:%02d", minutes, seconds)
}

func ceilSeconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }
