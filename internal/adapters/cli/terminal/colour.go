package terminal

// A Colour is a colour of text. Its value is the number of the colour in the control sequence that Paint writes.
type Colour string

// The colours. Default leaves the colour of the terminal.
const (
	Default Colour = ""
	Red     Colour = "31"
	Green   Colour = "32"
	Yellow  Colour = "33"
)

// Paint returns text in a colour if useColour is true, and text unchanged otherwise.
func Paint(text string, colour Colour, useColour bool) string {
	if !useColour || colour == Default {
		return text
	}
	return "\x1b[" + string(colour) + "m" + text + "\x1b[m"
}
