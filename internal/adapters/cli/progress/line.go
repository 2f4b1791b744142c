package progress

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/mattn/go-runewidth"
)

// The ranks of what a line may hold: what ranks lowest is left out first where the line is too narrow.
const (
	rankIdle = iota // words that say nothing is amiss
	rankBar
	rankSpeed
	rankRetries
	rankCount
	rankLong // form of words that have a short one, too
	rankLeft
	rankShare
	rankWords // of a wait, a beginning or a replay
)

const (
	leastBar = 10 // columns, brackets included
	mostBar  = 32
	gap      = "  "
)

// A part is a piece of a line that is shown whole or not at all, unless it has a short form for narrow lines.
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

// Line is s in one line of ASCII, but for what an upstream's error says: the encoding of the terminal is not known. It is
// narrower than width columns, so that it never reaches the last one, where some terminals begin a new row. It is empty if
// there is nothing to show.
func Line(s Snapshot, now time.Time, width int, colour bool) string {
	if s.State == Complete {
		return ""
	}
	room := width - 1
	parts := fitting(s.parts(now), room)
	var line strings.Builder
	for i, p := range parts {
		if i > 0 {
			line.WriteString(gap)
		}
		text := p.text
		if p.rank == rankBar {
			text = s.bar(min(mostBar, leastBar+room-columns(parts)))
		}
		line.WriteString(painted(text, p.colour, colour))
	}
	return line.String()
}

func (s Snapshot) parts(now time.Time) (parts []part) {
	add := func(rank int, colour, format string, args ...any) {
		parts = append(parts, part{text: fmt.Sprintf(format, args...), rank: rank, colour: colour})
	}
	if share, known := s.permille(); known {
		add(rankBar, green, "%*s", leastBar, "")
		add(rankShare, plain, "%3d.%d%%", share/10, share%10)
	}
	switch {
	case s.Total.Known:
		add(rankCount, plain, "%s of %s", humanize.Comma(s.Offset), humanize.Comma(s.Total.N))
	case s.Offset > 0:
		add(rankCount, plain, "%s events", humanize.Comma(s.Offset))
	}
	if s.PerSecond > 0 {
		add(rankSpeed, plain, "%s/s", perSecond(s.PerSecond))
	}
	if s.Left > 0 {
		add(rankLeft, plain, "ETA %s%s", onClock(s.Left), s.binding())
	}
	if s.Retries > 0 {
		add(rankRetries, plain, "%s", counted(s.Retries, "retry", "retries"))
	}
	words := part{text: s.words(now), short: s.shortWords(now)}
	words.rank, words.colour = s.weight()
	if words.short != "" {
		words.rank = rankLong
	}
	return append(parts, words)
}

// binding says what binds the time left, unless the words about a wait say it already.
func (s Snapshot) binding() string {
	if !s.LeftByQuota || s.waiting() && s.Wait.ForRateLimit() {
		return ""
	}
	return " (rate limit)"
}

// weight is how much the words matter.
func (s Snapshot) weight() (rank int, colour string) {
	switch {
	case s.waiting() && s.Wait.Try > 0: // after a failure
		return rankWords, red
	case s.waiting():
		return rankWords, yellow
	case s.Rereading() || s.State == Preparing || s.State == Claiming:
		return rankWords, plain
	}
	return rankIdle, plain
}

// fitting shortens or leaves out what ranks lowest until the rest fits into the room, and cuts the last part that is left.
func fitting(parts []part, room int) []part {
	for columns(parts) > room {
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
	if columns(parts) > room {
		parts[0].text = cut(parts[0].text, max(room, 0))
	}
	return parts
}

func cut(text string, room int) string {
	tail := "..."
	if room <= len(tail) {
		tail = ""
	}
	return glyphs.Truncate(text, room, tail)
}

func columns(parts []part) int {
	sum := len(gap) * (len(parts) - 1)
	for _, p := range parts {
		sum += glyphs.StringWidth(p.text)
	}
	return sum
}

// glyphs measures without regard to the locale: what is ambiguous is narrow, as it is nearly everywhere.
var glyphs = &runewidth.Condition{StrictEmojiNeutral: true}

// bar is a bar of that many columns, brackets included.
func (s Snapshot) bar(width int) string {
	share, _ := s.permille()
	inside := width - 2
	done := int(share) * inside / 1000
	head := ""
	if done > 0 && done < inside {
		done, head = done-1, ">"
	}
	return "[" + strings.Repeat("=", done) + head + strings.Repeat(" ", inside-done-len(head)) + "]"
}

func painted(text, colour string, wanted bool) string {
	if !wanted || colour == plain {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[m"
}

// perSecond is a speed to as many digits as are of use.
func perSecond(speed float64) string {
	if speed < 10 {
		return fmt.Sprintf("%.1f", speed)
	}
	return humanize.Comma(int64(math.Round(speed)))
}

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return humanize.Comma(int64(n)) + " " + many
}
