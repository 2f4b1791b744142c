package cli

import (
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/pawldata/pawl/internal/domain"
)

// The exit codes. Each names what to do next.
const (
	ExitDone     = 0 // nothing
	ExitBug      = 1 // report it
	ExitSettings = 2 // fix the settings
	ExitAgain    = 3 // run again later
	ExitData     = 4 // look at the data
	ExitFenced   = 5 // nothing: another runner has the stream
)

// exitCode is the code for the error a command ended with.
func exitCode(err error) int {
	if err == nil {
		return ExitDone
	}
	switch domain.KindOf(err) {
	case domain.Invalid, domain.Unauthorized:
		return ExitSettings
	case domain.RateLimited, domain.Transient, domain.CursorExpired, domain.CursorInvalid, domain.Uncertain, domain.Stopped,
		domain.SetBack:
		return ExitAgain
	case domain.BadPage, domain.Unconfirmed, domain.TooManyRejects, domain.Unstorable, domain.Inconsistent:
		return ExitData
	case domain.Fenced:
		return ExitFenced
	case domain.Unknown:
		return ExitBug
	}
	return ExitBug
}

// sayError tells the user in one line what went wrong and what to do; again is what happens if what was stopped is run
// once more.
func sayError(stderr io.Writer, s Settings, err error, again string) {
	if domain.KindOf(err) == domain.Stopped {
		err = &domain.Error{Kind: domain.Stopped, Op: "stopped", Err: errors.New("it was told to"), Hint: again}
	}
	code, hint := exitCode(err), hintOf(err)
	if code == ExitBug && hint == "" {
		hint = "this should not happen: please report it as a bug in pawl"
	}
	if s.logFormat == "json" {
		jsonLogger(stderr, s).Error(err.Error(), slog.String("hint", hint), slog.Int("exit_code", code),
			slog.String("kind", domain.KindOf(err).String()))
		return
	}
	line := "pawl: " + err.Error()
	if hint != "" {
		line += "; " + hint
	}
	fmt.Fprintln(stderr, line)
}
