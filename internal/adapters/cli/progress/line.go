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

// The ranks of the parts of a line. If the parts do not fit into the line, the part with the lowest rank is left out or shortened
// first.
const (
	rankIdle    = iota // "fetching" or "storing"
	rankBar            // the progress bar
	rankSpeed          // the speed
	rankRetries        // the number of retries
	rankCount          // the number of events
	rankLong           // words about a wait that also have a short form
	rankLeft           // the time left
	rankDone           // the percentage
	rankWords          // words about a wait, a start or re-reading
)

const (
	minBar = 10   // the minimum width of the bar in columns, with its brackets
	maxBar = 32   // the maximum width of the bar
	gap    = "  " // the space between two parts
)

// A part is a piece of a line. The line shows a part whole, in its short form, or not at all. Only the last remaining part is cut.
type part struct {
	text   string
	rank   int
	colour string
	short  string // the short form of text; empty if there is none
}

// The colours. A value is the parameter of the control sequence SGR, which sets the colour of text.
const (
	plain  = ""
	green  = "32"
	yellow = "33"
	red    = "31"
)

// Line returns s as one line, or an empty text if the state is Complete. The line is narrower than width columns, because some
// terminals begin a new row after the last column. All words of pawl in it are ASCII, because the encoding of the terminal is not
// known. The text of an API's error may contain other characters.
func Line(s Snapshot, now time.Time, width int, colour bool) string {
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
			free := room - countColumns(parts)
			text = s.bar(min(minBar+free, maxBar))
		}
		line.WriteString(paint(text, p.colour, colour))
	}
	return line.String()
}

// parts returns all parts of the line in their order.
func (s Snapshot) parts(now time.Time) (parts []part) {
	add := func(rank int, colour, format string, args ...any) {
		parts = append(parts, part{text: fmt.Sprintf(format, args...), rank: rank, colour: colour})
	}
	if done, known := s.permille(); known {
		add(rankBar, green, "%s", strings.Repeat(" ", minBar)) // Line replaces it by a bar that fills the line
		add(rankDone, plain, "%3d.%d%%", done/10, done%10)
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

// etaReason returns " (rate limit)" if the rate limit decides the time left, and an empty text otherwise. If the line has words about
// a wait for the rate limit, it also returns an empty text, because these words name the reason already.
func (s Snapshot) etaReason() string {
	isNamed := s.showsWait() && s.Wait.ForRateLimit()
	if !s.LeftByQuota || isNamed {
		return ""
	}
	return " (rate limit)"
}

// stateRank returns the rank and the colour of the words about the state. A wait after a failure is red, and any other wait is yellow.
func (s Snapshot) stateRank() (rank int, colour string) {
	switch {
	case s.showsWait() && s.Wait.Try > 0:
		return rankWords, red
	case s.showsWait():
		return rankWords, yellow
	case s.Rereading() || s.State == Preparing || s.State == Claiming:
		return rankWords, plain
	}
	return rankIdle, plain
}

// fitParts shortens or removes the part with the lowest rank, and repeats this until the parts fit into room columns. If only one
// part is left and still too wide, it cuts that part.
func fitParts(parts []part, room int) []part {
	for countColumns(parts) > room {
		lowest := 0
		for i, p := range parts {
			if p.rank < parts[lowest].rank {
				lowest = i
			}
		}
		if p := &parts[lowest]; p.short != "" {
			p.text, p.short, p.rank = p.short, "", rankWords
			continue
		}
		if len(parts) == 1 {
			break
		}
		parts = slices.Delete(parts, lowest, lowest+1)
	}
	if countColumns(parts) > room {
		parts[0].text = cut(parts[0].text, max(room, 0))
	}
	return parts
}

// cut returns text if it fits into room columns. Otherwise it returns the beginning of text, which ends with an ellipsis if room
// columns have space for one.
func cut(text string, room int) string {
	tail := "..."
	if room <= len(tail) {
		tail = ""
	}
	return widths.Truncate(text, room, tail)
}

// countColumns returns the width of the parts with the gaps between them.
func countColumns(parts []part) int {
	sum := len(gap) * (len(parts) - 1)
	for _, p := range parts {
		sum += widths.StringWidth(p.text)
	}
	return sum
}

// widths measures text independently of the locale. It counts characters of ambiguous width as narrow, because most terminals show
// them so.
var widths = &runewidth.Condition{StrictEmojiNeutral: true}

// bar returns a progress bar that is width columns wide, including its brackets.
func (s Snapshot) bar(width int) string {
	permille, _ := s.permille()
	inside := width - 2
	done := int(permille) * inside / 1000
	head := ""
	if done > 0 && done < inside {
		done, head = done-1, ">"
	}
	return "[" + strings.Repeat("=", done) + head + strings.Repeat(" ", inside-done-len(head)) + "]"
}

// paint returns text in a colour if useColour is true, and text unchanged otherwise.
func paint(text, colour string, useColour bool) string {
	if !useColour || colour == plain {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[m"
}

// formatSpeed returns a speed as text. A speed below 10 has one decimal, and any other speed is a whole number.
func formatSpeed(speed float64) string {
	if speed < 10 {
		return fmt.Sprintf("%.1f", speed)
	}
	return humanize.Comma(int64(math.Round(speed)))
}

// quantity returns n, followed by the text one if n is 1 and by the text many otherwise.
func quantity(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return humanize.Comma(int64(n)) + " " + many
}

// maxCauseColumns is the maximum width of an error in the line. With it, a line about a retry fits into 80 columns. The log has the
// whole error.
const maxCauseColumns = 34

// minShownWait is the shortest wait for the rate limit that the line shows.
const minShownWait = time.Second

// stateText returns words for what the run does. For a wait that is shown, they say what it is for and how long it lasts.
func (s Snapshot) stateText(now time.Time) string {
	switch {
	case s.showsWait():
		return s.waitText(now)
	case s.State == Preparing:
		return "preparing the database"
	case s.State == Claiming:
		return "claiming the stream"
	case s.Rereading() && s.Total.Known:
		return fmt.Sprintf("re-reading: %s of %s already stored", humanize.Comma(s.MaxOffset), humanize.Comma(max(s.Total.N, s.MaxOffset)))
	case s.Rereading():
		return fmt.Sprintf("re-reading: %s already stored", humanize.Comma(s.MaxOffset))
	case s.State == Storing:
		return "storing"
	}
	return "fetching"
}

// showsWait reports whether the run waits and the line shows it. The line does not show a short wait for the rate limit.
func (s Snapshot) showsWait() bool {
	isShort := s.Wait.ForRateLimit() && s.Wait.For < minShownWait
	return s.State == Waiting && !isShort
}

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

// rootCause returns the text of the innermost error in err. This text says what happened and not in which operations. It has at most
// maxCauseColumns columns and no control characters, because it may quote the API.
func rootCause(err error) string {
	for cause := err; cause != nil; cause = errors.Unwrap(cause) {
		err = cause
	}
	printable := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return ' '
		}
		return r
	}, err.Error())
	return cut(printable, maxCauseColumns)
}

// formatTime returns the time of day of at, in the time zone of now. It includes the date if at and now are on different days.
func formatTime(at, now time.Time) string {
	at = at.In(now.Location())
	if at.YearDay() != now.YearDay() || at.Year() != now.Year() {
		return at.Format(time.DateTime)
	}
	return at.Format(time.TimeOnly)
}

// formatWait returns a duration as 99 s, or as formatClock does if it is longer. It rounds up to seconds.
func formatWait(d time.Duration) string {
	if d > 99*time.Second {
		return formatClock(d)
	}
	return strconv.FormatInt(ceilSeconds(d), 10) + " s"
}

// formatClock returns a duration as 4:12, 1:04:12 or 2 d 01:04:12. It rounds up to seconds.
func formatClock(d time.Duration) string {
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
