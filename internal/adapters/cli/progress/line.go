package progress

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/dustin/go-humanize"
	"github.com/mattn/go-runewidth"

	"github.com/pawldata/pawl/internal/domain"
)

// The ranks of the parts of a line. If the parts do not fit into the line, fitParts first shortens or removes the part with the lowest
// rank.
const (
	rankIdle    = iota // the words "fetching" or "storing"
	rankBar            // the progress bar
	rankSpeed          // the speed
	rankRetries        // the number of retries
	rankCount          // the number of events
	rankLong           // the long form of words about a wait
	rankLeft           // the time left
	rankPercent        // the percentage
	rankWords          // words about a wait, a start or re-reading; the short form of words about a wait
)

const (
	minBar = 10   // the minimum width of the bar in columns, with its brackets
	maxBar = 32   // the maximum width of the bar
	gap    = "  " // the space between two parts
)

// The colours. Each value except plain is the number of a colour in the control sequence that paint writes.
const (
	plain  = ""
	green  = "32"
	yellow = "33"
	red    = "31"
)

// A part is a piece of a line. The line shows a part whole, in its short form, or not at all. Only the last remaining part is cut.
type part struct {
	text   string
	rank   int
	colour string
	short  string // the short form of text; empty if there is none
}

// Line returns s as one line, or an empty text if the state is Complete. The line is narrower than width columns, because some
// terminals begin a new row after the last column. pawl's own words are ASCII, because the encoding of the terminal is not known. An
// API's error in the line may contain other characters.
func Line(s Snapshot, now time.Time, width int, useColour bool) string {
	if s.State == Complete {
		return ""
	}
	room := width - 1
	parts := fitParts(s.parts(now), room)
	var line strings.Builder
	for i, p := range parts {
		if i > 0 {
			line.WriteString(gap)
		}
		text := p.text
		if p.rank == rankBar {
			free := room - countColumns(parts) // the columns beyond the placeholder of the bar, which has minBar columns
			text = s.bar(min(minBar+free, maxBar))
		}
		line.WriteString(paint(text, p.colour, useColour))
	}
	return line.String()
}

// parts returns all parts of the line in their order. In place of the bar it returns a placeholder of spaces, which Line replaces.
func (s Snapshot) parts(now time.Time) (parts []part) {
	add := func(rank int, colour, format string, args ...any) {
		parts = append(parts, part{text: fmt.Sprintf(format, args...), rank: rank, colour: colour})
	}
	if stored, known := s.permille(); known {
		add(rankBar, green, "%s", strings.Repeat(" ", minBar))
		add(rankPercent, plain, "%6s", formatPermille(stored)) // always as wide as 100.0%
	}
	switch {
	case s.Total.Known:
		add(rankCount, plain, "%s of %s", humanize.Comma(s.Offset), humanize.Comma(s.Total.N))
	case s.Offset > 0:
		add(rankCount, plain, "%s events", humanize.Comma(s.Offset))
	}
	if s.PerSecond > 0 {
		add(rankSpeed, plain, "%s/s", formatSpeed(s.PerSecond))
	}
	if s.Left > 0 {
		add(rankLeft, plain, "ETA %s%s", formatClock(s.Left), s.etaReason())
	}
	if s.Retries > 0 {
		add(rankRetries, plain, "%s", quantity(s.Retries, "retry", "retries"))
	}
	words := part{text: s.stateText(now), short: s.shortWaitText(now)}
	words.rank, words.colour = s.stateRank()
	if words.short != "" {
		words.rank = rankLong
	}
	return append(parts, words)
}

// etaReason returns " (rate limit)" if the rate limit decides the time left, and an empty text otherwise. It also returns an empty text
// if the line shows a wait for the rate limit, because the words about this wait name the reason already.
func (s Snapshot) etaReason() string {
	isNamed := s.showsWait() && s.Wait.ForRateLimit()
	if s.LeftByQuota && !isNamed {
		return " (rate limit)"
	}
	return ""
}

// stateRank returns the rank and the colour of the words about the state. A wait before a retry is red, and any other wait is yellow.
func (s Snapshot) stateRank() (rank int, colour string) {
	isBeforeRetry := s.Wait.Try > 0
	switch {
	case s.showsWait() && isBeforeRetry:
		return rankWords, red
	case s.showsWait():
		return rankWords, yellow
	case s.Rereading() || s.State == Preparing || s.State == Claiming:
		return rankWords, plain
	}
	return rankIdle, plain
}

// fitParts shortens or removes the part with the lowest rank, and repeats this until the parts fit into room columns. If the only part
// that is left is too wide and has no short form, fitParts cuts it.
func fitParts(parts []part, room int) []part {
	for countColumns(parts) > room {
		lowest := 0
		for i, p := range parts {
			if p.rank < parts[lowest].rank {
				lowest = i
			}
		}
		switch p := &parts[lowest]; {
		case p.short != "":
			p.text, p.short, p.rank = p.short, "", rankWords
		case len(parts) > 1:
			parts = slices.Delete(parts, lowest, lowest+1)
		default:
			p.text = cut(p.text, max(room, 0))
			return parts
		}
	}
	return parts
}

// cut returns text if it fits into room columns. Otherwise it returns the beginning of text, followed by "..." if there is room for more
// than these three dots.
func cut(text string, room int) string {
	ellipsis := "..."
	if room <= len(ellipsis) {
		ellipsis = ""
	}
	return widths.Truncate(text, room, ellipsis)
}

// countColumns returns the width of the parts with the gaps between them.
func countColumns(parts []part) int {
	sum := len(gap) * (len(parts) - 1)
	for _, p := range parts {
		sum += widths.StringWidth(p.text)
	}
	return sum
}

// widths measures the columns of text independently of the locale. It counts a character of ambiguous width as one column, because most
// terminals show it so.
var widths = &runewidth.Condition{StrictEmojiNeutral: true}

// bar returns a progress bar that is width columns wide, including its brackets.
func (s Snapshot) bar(width int) string {
	stored, _ := s.permille()
	inside := width - len("[]")
	filled := int(stored) * inside / 1000
	bar := strings.Repeat("=", filled)
	if isPartial := filled > 0 && filled < inside; isPartial {
		bar = strings.Repeat("=", filled-1) + ">"
	}
	return "[" + bar + strings.Repeat(" ", inside-filled) + "]"
}

// paint returns text in a colour if useColour is true, and text unchanged otherwise.
func paint(text, colour string, useColour bool) string {
	if !useColour || colour == plain {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[m"
}

// formatPermille returns a permille as a percentage with one decimal, for example 41.6%.
func formatPermille(n int64) string { return fmt.Sprintf("%d.%d%%", n/10, n%10) }

// formatSpeed returns a speed as text. A speed below 10 has one decimal, and any other speed is a whole number.
func formatSpeed(speed float64) string {
	if speed < 10 {
		return fmt.Sprintf("%.1f", speed)
	}
	return humanize.Comma(int64(math.Round(speed)))
}

// quantity returns n with a noun, in its singular if n is 1 and in its plural otherwise.
func quantity(n int, singular, plural string) string {
	if n == 1 {
		return "1 " + singular
	}
	return humanize.Comma(int64(n)) + " " + plural
}

// stateText returns words for what the run does. If the line shows a wait, the words are those of waitText.
func (s Snapshot) stateText(now time.Time) string {
	switch {
	case s.showsWait():
		return s.waitText(now)
	case s.State == Preparing:
		return "preparing the database"
	case s.State == Claiming:
		return "claiming the stream"
	case s.Rereading() && s.Total.Known:
		total := max(s.Total.N, s.MaxOffset) // an earlier pass may have stored more records than the API announces now
		return fmt.Sprintf("re-reading: %s of %s already stored", humanize.Comma(s.MaxOffset), humanize.Comma(total))
	case s.Rereading():
		return fmt.Sprintf("re-reading: %s already stored", humanize.Comma(s.MaxOffset))
	case s.State == Storing:
		return "storing"
	}
	return "fetching"
}

// minShownWait is the shortest wait for the rate limit that is shown.
const minShownWait = time.Second

// showsWait reports whether the run waits and the wait is shown. A short wait for the rate limit is not shown.
func (s Snapshot) showsWait() bool {
	isShort := s.Wait.ForRateLimit() && s.Wait.For < minShownWait
	return s.State == Waiting && !isShort
}

// waitText returns the reason for the wait and the rest of its time, in words. The reason Fenced means that another runner holds the
// stream.
func (s Snapshot) waitText(now time.Time) string {
	left := max(s.Wait.Until.Sub(now), 0)
	switch {
	case s.Wait.ForRateLimit():
		return fmt.Sprintf("waiting for the API until %s (rate limit, %s)", formatTime(s.Wait.Until, now), formatWait(left))
	case domain.KindOf(s.Wait.Err) == domain.Fenced:
		return fmt.Sprintf("waiting for another runner to release the stream (%s)", formatWait(left))
	}
	return fmt.Sprintf("retrying in %s (%d of %d): %s", formatWait(left), s.Wait.Try, s.Wait.Tries, rootCause(s.Wait.Err))
}

// shortWaitText returns the short form of waitText. It returns an empty text if there is no short form or no wait to show.
func (s Snapshot) shortWaitText(now time.Time) string {
	if !s.showsWait() || !s.Wait.ForRateLimit() {
		return ""
	}
	left := max(s.Wait.Until.Sub(now), 0)
	return fmt.Sprintf("API rate limit until %s (%s)", formatTime(s.Wait.Until, now), formatWait(left))
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

func ceilSeconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }
