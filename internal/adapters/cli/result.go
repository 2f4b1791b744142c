package cli

import (
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/pawldata/pawl/internal/adapters/cli/terminal"
	"github.com/pawldata/pawl/internal/domain"
)

// A result is what a run prints for a person: a title that says what happened, and lines with details.
type result struct {
	isComplete bool // the run has read the stream to its end
	title      string
	details    []string
}

// add adds a line. name says what the line is about, and has at most eight characters.
func (r *result) add(name, format string, args ...any) {
	r.details = append(r.details, fmt.Sprintf("  %-8s ", name)+fmt.Sprintf(format, args...))
}

// write writes the result to w. The screen says what w can show: a terminal gets a mark before the title, in a colour if it takes
// colours. A file or a pipe gets the words alone.
func (r *result) write(w io.Writer, screen *terminal.Screen) error {
	mark, colour := "! ", terminal.Yellow
	if r.isComplete {
		mark, colour = "✔ ", terminal.Green
	}
	if screen.Kind() != terminal.Interactive {
		mark = ""
	}
	lines := append([]string{terminal.Paint(mark, colour, screen.Colour()) + r.title}, r.details...)
	_, err := io.WriteString(w, strings.Join(lines, "\n")+"\n")
	return err
}

// stdoutScreen returns a screen that says what standard output can show.
func (s *session) stdoutScreen() *terminal.Screen {
	return terminal.NewScreen(s.Stdout, s.env.Get("TERM"), s.env.Get("NO_COLOR"))
}

// notComplete says in words why a run that ended with err is not complete, and how much of the stream it has read.
func notComplete(pages int64, read string, err error) string {
	switch stoppedBy(err) {
	case stoppedByMaxPages:
		return fmt.Sprintf("not complete: stopped after %s, as --max-pages says, %s", quantity(pages, "page", "pages"), read)
	case stoppedByMaxTime:
		return "not complete: stopped when its time was over, as --for says, " + read
	case stoppedBySignal:
		return "not complete: stopped by a signal, " + read
	}
	return "not complete, " + read
}

// readText returns how much of the stream is before a position, for example 41 % read.
func readText(p domain.Position) string {
	if percent, known := p.PercentRead(); known {
		return fmt.Sprintf("%d %% read", percent)
	}
	return quantity(p.Offset, "record", "records") + " read"
}

// addSpeed adds how fast the run read its pages. It adds nothing for a run without pages or of no time.
func (r *result) addSpeed(records, pages int64, elapsed time.Duration) {
	if pages == 0 || elapsed <= 0 {
		return
	}
	perSecond := int64(math.Round(float64(records) / elapsed.Seconds()))
	r.add("speed", "%s events/s, %s in %s", humanize.Comma(perSecond), quantity(pages, "page", "pages"), formatElapsed(elapsed))
}

// formatElapsed returns a duration as 13.8 s, or as 2h5m1s if it is long.
func formatElapsed(d time.Duration) string {
	const longest = 100 * time.Second // that is shown in seconds
	if d < longest {
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return d.Round(time.Second).String()
}

// A work is a kind of work of a run, with the time that it took.
type work struct {
	name string
	took time.Duration
}

// addTimes adds where the time went. It leaves out what took no time.
func (r *result) addTimes(all ...work) {
	var parts []string
	for _, w := range all {
		if text := formatElapsed(w.took); text != formatElapsed(0) {
			parts = append(parts, w.name+" "+text)
		}
	}
	switch len(parts) {
	case 0:
	case 1:
		r.add("time", "%s", parts[0])
	default:
		r.add("time", "%s; these overlap", strings.Join(parts, ", "))
	}
}

// addRequests adds how many requests were sent, and how many of them repeated a failed one or were refused.
func (r *result) addRequests(t domain.Traffic) {
	if t.Requests == 0 {
		return
	}
	text := humanize.Comma(int64(t.Requests))
	if t.Retries > 0 {
		text += ", " + humanize.Comma(int64(t.Retries)) + " retried"
	}
	if t.RateLimited > 0 {
		text += ", " + humanize.Comma(int64(t.RateLimited)) + " refused by the rate limit"
	}
	r.add("requests", "%s", text)
}
