package cli

import (
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/pawldata/pawl/internal/adapters/cli/settings"
	"github.com/pawldata/pawl/internal/app/ingest"
	"github.com/pawldata/pawl/internal/domain"
)

// The exit codes. The comment of each says what the user should do next.
const (
	ExitDone     = 0 // nothing to do
	ExitBug      = 1 // report the bug
	ExitSettings = 2 // fix the settings
	ExitAgain    = 3 // run again later
	ExitData     = 4 // check the data
	ExitFenced   = 5 // nothing to do: another runner has the stream
)

// An exitStatus ends pawl with this exit code and without a message, because psql has written its own errors, or `pawl status --check` its
// line.
type exitStatus int //nolint:errname // it is a status and not always a failure

func (e exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// exitCode returns the exit code of a command that ended with err.
func exitCode(err error) int {
	if err == nil {
		return ExitDone
	}
	switch domain.KindOf(err) {
	case domain.Invalid, domain.Unauthorized:
		return ExitSettings
	case domain.RateLimited, domain.Transient, domain.CursorExpired, domain.CursorInvalid, domain.Stopped,
		domain.Uncertain, // the next run reads from the database whether the COMMIT was executed
		domain.SetBack:   // the next run continues from the state to which the database was set back
		return ExitAgain
	case domain.BadPage, domain.TooManyRejects, domain.Unstorable, domain.Inconsistent,
		domain.Unconfirmed: // no second answer of the API has confirmed the end of its list
		return ExitData
	case domain.Fenced:
		return ExitFenced
	case domain.Unknown:
		return ExitBug
	}
	return ExitBug // err has a kind that is not in this list
}

// writeError writes to stderr, in one line, what failed, what the user can do, and the code that `pawl help` explains. If a signal
// stopped the command, the line says so in place of err. If the command was asked to stop, by a signal, --max-pages or --for, stopHint is
// what the user can do.
func writeError(stderr io.Writer, s Settings, err error, stopHint string) {
	switch {
	case errors.Is(err, ingest.ErrMaxPages), errors.Is(err, errTimeIsOver):
		asked := *domain.AsError(err)
		asked.Hint = stopHint
		err = &asked
	case domain.KindOf(err) == domain.Stopped:
		reason := errors.New("a signal asked for it")
		if errors.Is(err, errOutputClosed) {
			reason = errOutputClosed
		}
		err = &domain.Error{Kind: domain.Stopped, Code: domain.CodeStopped, Op: "stopped", Err: reason, Hint: stopHint}
	}
	status, code, advice := exitCode(err), domain.CodeOf(err), adviceOf(err)
	if status == ExitBug && advice == "" {
		advice = "this should not happen: please report it as a bug in pawl"
	}
	if s.LogFormat == settings.LogJSON {
		newJSONLogger(stderr, s).Error(err.Error(), slog.String("hint", advice), slog.String("code", string(code)),
			slog.Int("exit_code", status), slog.String("kind", domain.KindOf(err).String()))
		return
	}
	line := "pawl: " + err.Error()
	if advice != "" {
		line += "; " + advice
	}
	// The message may have text of the API, of the database or of a file, which must not control the terminal.
	fmt.Fprintf(stderr, "%s [%s]\n", escapeUnprintable(line), code)
}

// adviceOf returns what the user can do about err: its hint, which is a text already, and the text of its remedy. It returns an empty
// text if err has neither.
func adviceOf(err error) string {
	hint, remedy := domain.HintOf(err), remedyText(domain.RemedyOf(err))
	if hint != "" && remedy != "" {
		return hint + "; " + remedy
	}
	return hint + remedy
}

// remedyText returns the text of a remedy, with the names of commands and flags. It returns an empty text for the zero remedy.
func remedyText(r domain.Remedy) string {
	switch r {
	case domain.StartStream:
		return "start it with `pawl run`"
	case domain.FinishStream:
		return "finish it with `pawl run` first"
	case domain.WaitForRunner:
		return "let it work; `pawl status` shows what it does"
	case domain.MoveStream:
		return "correct API_BASE_URL if it is wrong; for another API, use another --stream; only if the same API has a new URL: " +
			"`pawl move --from` and its former URL"
	case domain.CorrectAddress:
		return "correct API_BASE_URL, or name another stream with --stream"
	case domain.CorrectFormerAddress:
		return "--from should be the URL that `pawl status` prints"
	case domain.WaitLonger:
		return "run it again after that time, or raise --max-wait"
	case domain.AllowLongerOutage:
		return "run it again when the database works, or raise --max-outage"
	case domain.RetryLonger:
		return "run it again later, or raise --max-page-time"
	case domain.OtherPageSize:
		return "if the API returns events twice, use another --page-size; if each run ends so, start the stream over with " +
			"`pawl checkpoint reset`"
	case domain.LargerPages:
		return "if pages are that large, raise --max-page-bytes or lower --page-size"
	case domain.FetchFaster:
		return "the same settings would fail again: raise --page-size (at most 5000), so that fewer requests are needed, or use a faster " +
			"database"
	case domain.AcceptShortEnd:
		return "if the API's total is permanently wrong, accept an end below it: `pawl run --accept-short-end`"
	case domain.ParkRejects:
		return "if the API will be repaired, run it again then; only if it stays so, store such records as dead letters, not as " +
			"events: `pawl run --max-reject-ratio 1`"
	case domain.SelectDeadLetters:
		return "name ids as `pawl dlq list` shows them, or a reason with --reason, or use --all"
	case domain.SelectByReason:
		return "name a reason with --reason, or use --all"
	case domain.ListDeadLetters:
		return "see `pawl dlq list`"
	case domain.ListAllDeadLetters:
		return "see `pawl dlq list --state all`"
	case domain.ShowDeadLetter:
		return "to see how it was resolved, run `pawl dlq show`"
	case domain.MigrateDatabase:
		return "run `pawl migrate` first"
	case domain.OtherFolder:
		return "name a folder you may write to in DATABASE_URL, like embedded:./pawl-data"
	case domain.MigrateAsOwner:
		return "run `pawl migrate` as a user who may create tables"
	}
	return ""
}
