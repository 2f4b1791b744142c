package cli

import "github.com/pawldata/pawl/internal/domain"

// programExplanations returns the explanations of the codes about pawl itself, its settings and its environment.
func programExplanations() []explanation {
	return []explanation{
		{
			code: domain.CodeSettingMissing, exitCodes: []int{ExitSettings},
			cause: "The command needs a setting that has no value.",
			remedy: "Set what the message names, in the environment, in the file .env or, if the setting has one, with its flag. `pawl config` " +
				"prints every setting and where it comes from. `pawl demo` needs no settings.",
		},
		{
			code: domain.CodeSettingInvalid, exitCodes: []int{ExitSettings},
			cause:  "A setting, a flag or an argument has a value that pawl cannot use, or a variable that begins with PAWL_ is no setting.",
			remedy: "Correct what the message names; it says what pawl expects. `pawl config` prints every setting and where it comes from.",
		},
		{
			code: domain.CodeEnvFileInvalid, exitCodes: []int{ExitSettings},
			cause: "The file .env, or the file that --env-file names, cannot be read, or one of its lines is not NAME=value. Or `pawl init` " +
				"cannot write .env, or found one that it must not replace.",
			remedy: "Correct the line that the message names. A value with $ must stand in single quotes: NAME='value'. If the file belongs to " +
				"another program, run pawl in another folder or name another file with --env-file.",
		},
		{
			code: domain.CodeUsage, exitCodes: []int{ExitSettings},
			cause:  "pawl does not understand the command line: a command, flag or argument is unknown, missing or not possible here.",
			remedy: "`pawl --help` lists the commands, and --help after a command shows its flags.",
		},
		{
			code: domain.CodePsqlFailed, exitCodes: []int{ExitSettings},
			cause:  "`pawl psql` needs the program psql, and it is not on this machine or cannot be started.",
			remedy: "Install PostgreSQL's client programs (the package postgresql-client), then run the command again.",
		},
		{
			code: domain.CodeDemoFailed, exitCodes: []int{ExitSettings},
			cause:  "`pawl demo` cannot start its mock API, mostly because another process uses the port.",
			remedy: "If another demo runs, end it. Otherwise choose another port with `pawl demo --port`.",
		},
		{
			code: domain.CodeOutputFailed, exitCodes: []int{ExitSettings},
			cause: "pawl could not write its result to standard output, for example because a disk is full. If only the program that read it " +
				"has ended, as in `pawl status | head -1`, pawl ends with exit code 3 and no message.",
			remedy: "Check where standard output goes. What the command has done in the database stays; `pawl status` shows it.",
		},
		{
			code: domain.CodeStopped, exitCodes: []int{ExitAgain},
			cause: "A signal asked pawl to stop: Ctrl-C, or SIGTERM from a service manager. Or the program that read pawl's output has ended, " +
				"as in `pawl run 2>&1 | head -1`. pawl has finished its current step first.",
			remedy: "Run the command again: a run continues after the last page stored.",
		},
		{
			code: domain.CodePageLimitReached, exitCodes: []int{ExitAgain},
			cause: "The run has stored as many pages as --max-pages allows, and the stream is not complete. Or a dry run has read as many.",
			remedy: "Run `pawl run` again: it continues after the last page stored. Without --max-pages it runs until the stream is complete. " +
				"A dry run always begins at the head.",
		},
		{
			code: domain.CodeTimeLimitReached, exitCodes: []int{ExitAgain},
			cause:  "The run has taken as long as --for allows, and the stream is not complete.",
			remedy: "Run `pawl run` again: it continues after the last page stored. Without --for it runs until the stream is complete.",
		},
		{
			code: domain.CodeBug, exitCodes: []int{ExitBug},
			cause: "pawl met an error that it does not know, or found its own counts wrong. The page in hand is stored whole or not at all.",
			remedy: "Report it as a bug, with the message, the output of `pawl version` and, if you can, the log with --log-level debug. " +
				"`pawl verify` checks what is stored.",
		},
	}
}
