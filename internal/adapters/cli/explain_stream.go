package cli

import "github.com/pawldata/pawl/internal/domain"

// streamExplanations returns the explanations of the codes about records, dead letters and streams.
func streamExplanations() []explanation {
	return []explanation{
		{
			code: domain.CodeTooManyRejects, exitCodes: []int{ExitData},
			cause: "More records of a page cannot be stored as events than --max-reject-ratio allows. Probably the API has changed. Nothing of " +
				"this page was stored, so nothing is lost.",
			remedy: "Read what the message says about the records: it names the faults, and shows how one of the records begins. Ask who " +
				"operates the API. If the API will be repaired, run it again then. If the records stay so, `pawl run --max-reject-ratio 1` stores them as dead letters with " +
				"their bytes. If the API is repaired after that, `pawl run --new-pass` stores the events and closes their dead letters. " +
				"`pawl dlq replay --all` helps if a later version of pawl can read the stored bytes.",
		},
		{
			code: domain.CodeValueRefused, exitCodes: []int{ExitData},
			cause:  "PostgreSQL cannot store a value of an event, and pawl could not store the record as a dead letter, which it normally does.",
			remedy: "Report it as a bug in pawl, with the message and the output of `pawl version`.",
		},
		{
			code: domain.CodeDeadLetterUnknown, exitCodes: []int{ExitSettings},
			cause:  "The stream has no dead letter with this id. The command changed nothing.",
			remedy: "`pawl dlq list --state all` shows the ids. If the dead letter belongs to another stream, name it with --stream.",
		},
		{
			code: domain.CodeDeadLetterResolved, exitCodes: []int{ExitSettings},
			cause:  "The dead letter is resolved already: its event was stored, or somebody has discarded it. The command changed nothing.",
			remedy: "There is nothing to do. `pawl dlq show ID` shows how and when it was resolved.",
		},
		{
			code: domain.CodeStreamHeld, exitCodes: []int{ExitFenced},
			cause: "Another run of pawl reads this stream now, and only one may write it at a time. The command changed nothing.",
			remedy: "Let the other run work: `pawl status` shows its process and what it does. If its machine is gone, run the command again " +
				"in a while: the stream is free as soon as PostgreSQL has noticed that the connection is dead. If the process is frozen, run " +
				"the command again after half a minute: its message then has the SQL that ends the session. Run it with `pawl psql -c`. " +
				"This loses nothing.",
		},
		{
			code: domain.CodeStreamTakenOver, exitCodes: []int{ExitFenced},
			cause: "Another run of pawl has taken over the stream, or `pawl move` has given it another address, so this one has stopped and " +
				"writes nothing more. Nothing is lost or stored twice.",
			remedy: "If the message says that the stream was moved, set API_BASE_URL to the new address and run the command again. Nothing, if `pawl status` shows that another run is active. If none is, the database was set back: run the command again.",
		},
		{
			code: domain.CodeStreamOtherAddress, exitCodes: []int{ExitSettings},
			cause: "The stream in the database was read from another address than the one that you gave. pawl does not mix the events of two " +
				"APIs in one stream.",
			remedy: "`pawl status` prints the stream's address. If the API has moved to API_BASE_URL, run `pawl move --from` with that former " +
				"address. For another API use another --stream or another database. Otherwise correct API_BASE_URL. A demo continues only on " +
				"the port it began on: use `pawl demo --port` with the port of the former address, or another --folder.",
		},
		{
			code: domain.CodeStreamUnknown, exitCodes: []int{ExitSettings},
			cause: "The database has no stream of this name: no run has started it, its first run failed before it stored a page, or you have " +
				"answered that a new stream should not be started.",
			remedy: "`pawl status` lists the streams of the database. Correct the name in --stream or PAWL_STREAM, or start the stream with " +
				"`pawl run`.",
		},
		{
			code: domain.CodeStreamIncomplete, exitCodes: []int{ExitSettings},
			cause:  "`pawl verify --against-api` can compare only a complete stream, and this one has not been read to its end.",
			remedy: "Run `pawl run` until it ends with exit code 0, then verify again. `pawl verify` alone needs no complete stream.",
		},
		{
			code: domain.CodeVerifyDifferences, exitCodes: []int{ExitData},
			cause: "`pawl verify` has found stored data that contradicts itself, the API, or what the API announced.",
			remedy: "Read the report: it names each check that failed, with examples. If records are missing, `pawl run --new-pass` reads the " +
				"stream again and stores them. If rows were changed by hand or by another program, restore them from a backup.",
		},
	}
}
