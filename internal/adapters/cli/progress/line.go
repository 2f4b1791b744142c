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

// The ranks of the parts of a line. If the line is too narrow, the part with the lowest rank is left out first.
const (
	rankIdle = iota // words for the normal course
	rankBar
	rankSpeed
	rankRetries
	rankCount
	rankLong // the long form of words that also have a short one
	rankLeft
	rankDone
	rankWords // about a wait, a start or re-reading
)

const (
	minBar = 10 // columns, with the brackets
	maxBar = 32
	gap    = "  "
)

// A part is a piece of a line. It is shown whole, in its short form if it has one, or not at all.
type part struct {
	text   string
	rank   int
	colour string
	short  string
}

// The colours, as parameters of the control sequence SGR.
const (
	plain  = ""
	green  = "32"
	yellow = "33"
	red    = "31"
)

// Line returns s as one line. It is ASCII, because the encoding of the terminal is not known; only the text of an API's error may
// hold more. It is narrower than width columns, because some terminals begin a new row after the last column. It is empty if there
// is nothing to show.
func Line(s Snapshot, now time.Time, width int, colour bool) string {
	if s.State == Complete {
		return ""
	}
	room := width - 1
	parts := fit(s.parts(now), room)
	var line strings.Builder
	for i, p := range parts {
		if i > 0 {
			line.WriteString(gap)
		}
		text := p.text
		if p.rank == rankBar {
			text = s.bar(min(maxBar, minBar+room-countColumns(parts)))
		}
		line.WriteString(paint(text, p.colour, colour))
	}
	return line.String()
}

func (s Snapshot) parts(now time.Time) (parts []part) {
	add := func(rank int, colour, format string, args ...any) {
		parts = append(parts, part{text: fmt.Sprintf(format, args...), rank: rank, colour: colour})
	}
	if done, known := s.permille(); known {
		add(rankBar, green, "%*s", minBar, "")
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

// etaReason returns why the time left is so long, if that is the rate limit and the words about a wait do not say so already.
func (s Snapshot) etaReason() string {
	if !s.LeftByQuota || s.showsWait() && s.Wait.ForRateLimit() {
		return ""
	}
	return " (rate limit)"
}

// stateRank returns the rank and the colour of the words about the state.
func (s Snapshot) stateRank() (rank int, colour string) {
	switch {
	case s.showsWait() && s.Wait.Try > 0: // after a failure
		return rankWords, red
	case s.showsWait():
		return rankWords, yellow
	case s.Rereading() || s.State == Preparing || s.State == Claiming:
		return rankWords, plain
	}
	return rankIdle, plain
}

// fit shortens or removes the part with the lowest rank until the rest fits into room columns. It cuts the last part if that is
// still too wide.
func fit(parts []part, room int) []part {
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

// cut returns text in at most room columns, with an ellipsis if it was longer.
func cut(text string, room int) string {
	tail := "..."
	if room <= len(tail) {
		tail = ""
	}
	return widths.Truncate(text, room, tail)
}

func countColumns(parts []part) int {
	sum := len(gap) * (len(parts) - 1)
	for _, p := range parts {
		sum += widths.StringWidth(p.text)
	}
	return sum
}

// widths measures text without the locale. Characters of ambiguous width count as narrow, as most terminals show them.
var widths = &runewidth.Condition{StrictEmojiNeutral: true}

// bar returns a progress bar of width columns, with its brackets.
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

func paint(text, colour string, wanted bool) string {
	if !wanted || colour == plain {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[m"
}

// formatSpeed returns a speed with one decimal below 10, and without any above.
func formatSpeed(speed float64) string {
	if speed < 10 {
		return fmt.Sprintf("%.1f", speed)
	}
	return humanize.Comma(int64(math.Round(speed)))
}

func quantity(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return humanize.Comma(int64(n)) + " " + many
}

// maxReason is the maximum length of an error in the line, so that it fits into 80 columns. The log has the whole error.
const maxReason = 34

// minShownWait is the shortest wait for the API that the line shows.
const minShownWait = time.Second

// stateText returns what the run does, or what it waits for and until when.
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

// showsWait reports whether the run waits, and long enough to show it.
func (s Snapshot) showsWait() bool {
	return s.State == Waiting && (!s.Wait.ForRateLimit() || s.Wait.For >= minShownWait)
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

// shortWaitText returns the form of waitText for a narrow line, empty if there is none.
func (s Snapshot) shortWaitText(now time.Time) string {
	if !s.showsWait() || !s.Wait.ForRateLimit() {
		return ""
	}
	return fmt.Sprintf("API rate limit until %s (%s)", formatTime(s.Wait.Until, now), formatWait(max(s.Wait.Until.Sub(now), 0)))
}

// rootCause returns the text of the innermost error: what happened, without the operations around it. The text is cut to maxReason
// and holds no control characters, because it may quote the API.
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
	return cut(printable, maxReason)
}

// formatTime returns the time of day, with the date if that is not today.
func formatTime(t, now time.Time) string {
	t = t.In(now.Location())
	if t.YearDay() != now.YearDay() || t.Year() != now.Year() {
		return t.Format("2006-01-02 15:04:05")
	}
	return t.Format(time.TimeOnly)
}

// formatWait returns a duration for a sentence, rounded up to seconds.
func formatWait(d time.Duration) string {
	if d > 99*time.Second {
		return formatClock(d)
	}
	return strconv.FormatInt(ceilSeconds(d), 10) + " s"
}

// formatClock returns a duration as 4:12, 1:04:12 or 2 d 01:04:12, rounded up to seconds.
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
