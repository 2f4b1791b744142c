package progress

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/dustin/go-humanize"

	"github.com/pawldata/pawl/internal/domain"
)

// words returns words for what the run does, which are at most width columns wide. It returns the longest form that fits, or a cut one if
// none does.
func (s Snapshot) words(now time.Time, width int) string {
	forms := s.stateForms(now)
	if s.LeftByQuota && !s.showsWait() { // the words about a wait name the rate limit themselves
		forms = slices.Concat([]string{forms[0] + " (the rate limit decides the time left)", forms[0] + " (rate limit)"}, forms)
	}
	for _, form := range forms {
		if widths.StringWidth(form) <= width {
			return form
		}
	}
	return cut(forms[len(forms)-1], width)
}

// stateForms returns words for what the run does in one or more forms, the longest first. If the line shows a wait, these are the forms of
// waitForms.
func (s Snapshot) stateForms(now time.Time) []string {
	total := max(s.Total.N, s.MaxOffset) // an earlier pass may have stored more records than the API announces now
	stored := humanize.Comma(s.MaxOffset) + " already stored"
	switch {
	case s.showsWait():
		return s.waitForms(now)
	case s.State == Preparing:
		return []string{"preparing the database"}
	case s.State == Claiming:
		return []string{"claiming the stream"}
	case s.Rereading() && s.Total.Known:
		return []string{
			fmt.Sprintf("re-reading: %s of %s already stored", humanize.Comma(s.MaxOffset), humanize.Comma(total)),
			"re-reading: " + stored, "re-reading",
		}
	case s.Rereading():
		return []string{"re-reading: " + stored, "re-reading"}
	}
	work := "fetching"
	if s.State == Storing {
		work = "storing"
	}
	return []string{work}
}

// minShownWait is the shortest wait for the rate limit that is shown.
const minShownWait = time.Second

// showsWait reports whether the run waits and the wait is shown. A short wait for the rate limit is not shown.
func (s Snapshot) showsWait() bool {
	isShort := s.Wait.ForRateLimit() && s.Wait.For < minShownWait
	return s.State == Waiting && !isShort
}

// waitForms returns the reason for the wait and the rest of its time in words, the longest form first. The reason Fenced means that another
// runner holds the stream.
func (s Snapshot) waitForms(now time.Time) []string {
	left := formatWait(max(s.Wait.Until.Sub(now), 0))
	switch {
	case s.Wait.ForRateLimit():
		until := formatTime(s.Wait.Until, now)
		return []string{
			fmt.Sprintf("waiting for the API until %s (rate limit, %s)", until, left),
			fmt.Sprintf("API rate limit until %s (%s)", until, left),
			"rate limit until " + until, "rate limit (" + left + ")",
		}
	case domain.KindOf(s.Wait.Err) == domain.Fenced:
		return []string{
			"waiting for another runner to release the stream (" + left + ")", "another runner (" + left + ")",
		}
	}
	if s.Wait.ByTimeAlone() {
		until := formatTime(s.Wait.GivesUpAt, now)
		return []string{
			fmt.Sprintf("database away, trying until %s: %s", until, rootCause(s.Wait.Err)),
			"database away, trying until " + until, "trying until " + until, "database away",
		}
	}
	return []string{
		fmt.Sprintf("retrying in %s (%d of %d): %s", left, s.Wait.Try, s.Wait.Tries, rootCause(s.Wait.Err)),
		fmt.Sprintf("retry %d of %d in %s: %s", s.Wait.Try, s.Wait.Tries, left, rootCause(s.Wait.Err)),
	}
}

// maxCauseColumns is the maximum width of an error in the line. With this width, a line about a retry fits into 80 columns. The log has
// the whole error.
const maxCauseColumns = 34

// rootCause returns the text of the innermost error in err: what happened, without the operations in which it happened. The text has at
// most maxCauseColumns columns. It may quote the API, so it has spaces in place of characters that control the terminal.
func rootCause(err error) string {
	for errors.Unwrap(err) != nil {
		err = errors.Unwrap(err)
	}
	printable := strings.Map(func(r rune) rune {
		isFormat := unicode.Is(unicode.Cf, r) // for example a character that reverses the text after it
		if unicode.IsControl(r) || isFormat {
			return ' '
		}
		return r
	}, err.Error())
	return cut(printable, maxCauseColumns)
}

// formatTime returns the time of day of at, in the time zone of now. It includes the date if at and now are on different days.
func formatTime(at, now time.Time) string {
	at = at.In(now.Location())
	isSameDay := at.YearDay() == now.YearDay() && at.Year() == now.Year()
	if !isSameDay {
		return at.Format(time.DateTime)
	}
	return at.Format(time.TimeOnly)
}

// formatWait returns a duration of at most 99 seconds like 42 s, and a longer one as formatClock does. It rounds up to seconds.
func formatWait(d time.Duration) string {
	if d > 99*time.Second {
		return formatClock(d)
	}
	return strconv.FormatInt(ceilSeconds(d), 10) + " s"
}

// formatClock returns a duration as 4:12, 1:04:12 or 2 d 01:04:12. It rounds up to seconds.
func formatClock(d time.Duration) string {
	total := ceilSeconds(d)
	days, hours, minutes, seconds := total/(24*3600), total/3600%24, total/60%60, total%60
	switch {
	case days > 0:
		return fmt.Sprintf("%s d %02d:%02d:%02d", humanize.Comma(days), hours, minutes, seconds)
	case hours > 0:
		return fmt.Sprintf("%d:%02d:%02d", hours, minutes, seconds)
	}
	return fmt.Sprintf("%d:%02d", minutes, seconds)
}

func ceilSeconds(d time.Duration) int64 { return ceilDivide(d, time.Second) }

// ceilDivide returns how many units d has, rounded up.
func ceilDivide(d, unit time.Duration) int64 { return int64((d + unit - 1) / unit) }
