package cli

import "github.com/pawldata/pawl/internal/domain"

// hintOf returns what the user can do about err, in one sentence, empty if nothing is known.
func hintOf(err error) string {
	hint, words := domain.HintOf(err), remedyText(domain.RemedyOf(err))
	if hint != "" && words != "" {
		return hint + "; " + words
	}
	return hint + words
}

// remedyText words a remedy with the commands and flags for it.
func remedyText(r domain.Remedy) string {
	switch r {
	case domain.StartStream:
		return "start it with `pawl run`"
	case domain.FinishStream:
		return "finish it with `pawl run` first"
	case domain.OtherStream:
		return "wait for it to end, or give this run a stream of its own with --stream"
	case domain.MoveStream:
		return "if that API has moved here, run `pawl move --from` with its former address; else correct API_BASE_URL, " +
			"use another database, or give this API a stream of its own in this one with --stream"
	case domain.CorrectAddress:
		return "correct API_BASE_URL, or name another stream with --stream"
	case domain.CorrectFormerAddress:
		return "--from should be the address that `pawl status` prints"
	case domain.WaitLonger:
		return "run again later, or raise --max-wait"
	case domain.OtherPageSize:
		return "if the API returns events twice, run it with another --page-size"
	case domain.LargerPages:
		return "if pages are that large, raise --max-page-bytes or lower --page-size"
	case domain.AcceptShortEnd:
		return "if the API's total is wrong for good, accept this end: `pawl run --accept-short-end`"
	case domain.ParkRejects:
		return "to park such records as dead letters and go on: `pawl run --max-reject-ratio 1`"
	case domain.SelectDeadLetters:
		return "name ids as `pawl dlq list` shows them, or a reason with --reason, or use --all"
	case domain.SelectByReason:
		return "name a reason with --reason, or use --all"
	case domain.ListDeadLetters:
		return "see `pawl dlq list`"
	case domain.ListAllDeadLetters:
		return "see `pawl dlq list --state all`"
	case domain.ShowDeadLetter:
		return "`pawl dlq show` has the rest"
	case domain.MigrateDatabase:
		return "run `pawl migrate` first"
	case domain.MigrateAsOwner:
		return "run `pawl migrate` as a user who may create tables"
	}
	return ""
}
