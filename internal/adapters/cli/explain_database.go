package cli

import "github.com/pawldata/pawl/internal/domain"

// triesAgain says what a run does while the database is away.
const triesAgain = "A run tries again by itself, and ends when that has lasted for --max-outage."

// databaseExplanations returns the explanations of the codes about PostgreSQL.
func databaseExplanations() []explanation {
	return []explanation{
		{
			code: domain.CodeDatabaseURLInvalid, exitCodes: []int{ExitSettings},
			cause: "DATABASE_URL is not the URL of a PostgreSQL database, or the server does not know one of its parameters or values.",
			remedy: "Write it as postgres://user:password@host:5432/database. In the password write @ as %40, # as %23 and / as %2F. Remove " +
				"parameters that neither PostgreSQL nor the message explains.",
		},
		{
			code: domain.CodeDatabaseUnreachable, exitCodes: []int{ExitAgain},
			cause: "PostgreSQL does not answer: it is down, starting or shutting down, the host or port is wrong, or the network is broken. " +
				triesAgain,
			remedy: "Check that PostgreSQL is running and that DATABASE_URL has its host and port. Then run the command again: a run continues " +
				"after the last page stored. If such outages are longer here, raise --max-outage.",
		},
		{
			code: domain.CodeDatabaseLoginRefused, exitCodes: []int{ExitSettings},
			cause: "PostgreSQL refused the user, the password or the way to log in.",
			remedy: "Correct the user and the password in DATABASE_URL, or in the file that DATABASE_URL_FILE names. If they are right, the " +
				"server's file pg_hba.conf must allow this user to connect from this machine.",
		},
		{
			code: domain.CodeDatabaseNotFound, exitCodes: []int{ExitSettings},
			cause: "The server has no database of the name in DATABASE_URL, or the folder of the private database has no database yet.",
			remedy: "Correct the name in DATABASE_URL, or create the database with CREATE DATABASE. `pawl run` makes a private database by " +
				"itself. If you have one already, run the command in the folder in which you made it, or set DATABASE_URL=embedded:DIR.",
		},
		{
			code: domain.CodeDatabaseNotSecure, exitCodes: []int{ExitSettings},
			cause: "The connection to PostgreSQL cannot be encrypted as DATABASE_URL demands: the server has no TLS, or this machine does not " +
				"trust its certificate.",
			remedy: "Switch TLS on in the server, name the authority of its certificate with sslrootcert=FILE in DATABASE_URL, or demand less " +
				"with another sslmode.",
		},
		{
			code: domain.CodeDatabasePermissionDenied, exitCodes: []int{ExitSettings},
			cause: "The database user does not have the right that this command needs. The message names the table or schema.",
			remedy: "Grant the user that right, or use another user in DATABASE_URL. Only `pawl migrate` must create tables: run it as the " +
				"owner of the schema, and `pawl run --migrate check` as a user who may only read and write.",
		},
		{
			code: domain.CodeDatabaseDiskFull, exitCodes: []int{ExitAgain},
			cause: "The disk of the database server is full. With embedded:DIR that is the disk of this folder. The page in hand was not " +
				"stored, and nothing is lost. " + triesAgain,
			remedy: "Make room on that disk, or enlarge it: `df -h` on the server shows the disks. Delete no rows of pawl's tables and no " +
				"file in pg_wal. Then run the command again: a run continues after the last page stored.",
		},
		{
			code: domain.CodeDatabaseReadOnly, exitCodes: []int{ExitAgain},
			cause: "PostgreSQL accepts no changes, because this server is a standby, or has become one, or because default_transaction_read_only " +
				"is on. Some providers switch it on when the disk is almost full. " + triesAgain,
			remedy: "Let DATABASE_URL lead to the primary server; with several hosts in it, add target_session_attrs=read-write. Then run the " +
				"command again. If a failover takes longer, raise --max-outage.",
		},
		{
			code: domain.CodeDatabaseBusy, exitCodes: []int{ExitAgain},
			cause: "PostgreSQL answered that it cannot do this now. For example, another transaction holds a lock, too many clients are " +
				"connected, or a statement took too long. " + triesAgain,
			remedy: "Run the command again when the database has less to do: a run continues after the last page stored. If this happens " +
				"often, look for long transactions in pg_stat_activity.",
		},
		{
			code: domain.CodeDatabaseInternalError, exitCodes: []int{ExitSettings, ExitAgain},
			cause: "PostgreSQL reported an internal error, for example a damaged index, a file that it cannot read, or a wrong configuration " +
				"file.",
			remedy: "Look into PostgreSQL's log at the time of the message and repair the server. Then run the command again, and check the " +
				"data with `pawl verify`.",
		},
		{
			code: domain.CodeDatabaseRefusedStatement, exitCodes: []int{ExitSettings},
			cause: "PostgreSQL refused a statement for a reason outside pawl: this server lacks a feature, or a trigger or function that is " +
				"not pawl's has raised an error.",
			remedy: "Correct or remove what the message names. pawl is tested with PostgreSQL 15.",
		},
		{
			code: domain.CodeDatabaseSetBack, exitCodes: []int{ExitAgain},
			cause: "The database went back to an earlier state while pawl worked, because a backup was restored or a failover lost commits; or " +
				"its tables are gone because a backup is being restored.",
			remedy: "Wait until the restore has ended and run the command again: a run continues from what the database has now, and reads what " +
				"is missing again.",
		},
		{
			code: domain.CodeDatabaseNotUTF8, exitCodes: []int{ExitSettings},
			cause:  "The database has another encoding than UTF-8, so it cannot store every text that the API sends.",
			remedy: "Create another database with CREATE DATABASE name ENCODING 'UTF8' TEMPLATE template0, and name it in DATABASE_URL.",
		},
		{
			code: domain.CodeCommitUnanswered, exitCodes: []int{ExitAgain},
			cause:  "The connection to PostgreSQL broke after pawl had sent COMMIT, so pawl does not know whether the last change is stored.",
			remedy: "Run the command again: it first reads from the database whether the change is stored. No event is lost or stored twice.",
		},
	}
}

// schemaExplanations returns the explanations of the codes about the schema of the database.
func schemaExplanations() []explanation {
	return []explanation{
		{
			code: domain.CodeSchemaNotFound, exitCodes: []int{ExitSettings},
			cause: "The database has no schema of the search path, so pawl does not know where its tables should be.",
			remedy: "Add search_path=pawl to DATABASE_URL, or correct the name there. `pawl migrate` creates that schema if the database user " +
				"may do so.",
		},
		{
			code: domain.CodeSchemaOutdated, exitCodes: []int{ExitSettings},
			cause: "pawl's tables are missing, or they are older than this version of pawl needs.",
			remedy: "Run `pawl migrate` as a user who may create tables. `pawl run` does it by itself, unless --migrate or PAWL_MIGRATE says " +
				"otherwise. If the tables are in another schema, name it with search_path in DATABASE_URL.",
		},
		{
			code: domain.CodeSchemaNewer, exitCodes: []int{ExitSettings},
			cause: "A newer version of pawl has migrated this database. This version could write wrong rows or misread them, so each command " +
				"that uses the tables refuses, except `pawl status` and `pawl psql`. The data is unchanged.",
			remedy: "Install the version that migrated the database, or a newer one. `pawl version` prints the version that you run, and the " +
				"line process of `pawl status` the one that ran last. Restore no backup. Do not rely on what those two commands of the " +
				"older version print.",
		},
		{
			code: domain.CodeSchemaTaken, exitCodes: []int{ExitSettings},
			cause:  "The schema has tables or other objects of another program with the names that pawl needs. pawl changed nothing.",
			remedy: "Give pawl a schema of its own: add search_path=pawl to DATABASE_URL.",
		},
		{
			code: domain.CodeEventsWithoutKey, exitCodes: []int{ExitSettings},
			cause: "The table events has no unique key on id, so PostgreSQL could store an event twice. A restore that did not end leaves such " +
				"a table.",
			remedy: "If a restore did not end, restore the database again. Otherwise run: ALTER TABLE events ADD PRIMARY KEY (id).",
		},
		{
			code: domain.CodeMigrationNeedsDirect, exitCodes: []int{ExitSettings},
			cause: "The schema must be updated, and the database's URL leads to a connection pooler. A pooler may give the parts of a migration " +
				"to different sessions of the server.",
			remedy: "Set PAWL_MIGRATE_URL to the URL of the same database without the pooler. pawl uses it only to update the schema, so its " +
				"user may be the owner of the tables. Then run the command again.",
		},
		{
			code: domain.CodeMigrationBlocked, exitCodes: []int{ExitAgain},
			cause: "The schema cannot be changed now, because another process migrates it, or uses a table that must change. pawl gives up so " +
				"as not to block others.",
			remedy: "Run the command again when the process in the message has ended, or end it with SELECT pg_terminate_backend(PID).",
		},
	}
}

// privateDatabaseExplanations returns the explanations of the codes about a private PostgreSQL (embedded:DIR).
func privateDatabaseExplanations() []explanation {
	return []explanation{
		{
			code: domain.CodePrivateDatabaseFolder, exitCodes: []int{ExitSettings},
			cause: "pawl cannot use the folder of the private PostgreSQL: the name is not possible, or the user who runs pawl or the server " +
				"may not enter it, read it or write to it.",
			remedy: "Name another folder, like DATABASE_URL=embedded:./pawl-data, or give that user the right to use this one. Run pawl as the " +
				"user who made the folder. As root, that user must be able to enter all folders above it (chmod o+x).",
		},
		{
			code: domain.CodePrivateDatabasePrograms, exitCodes: []int{ExitSettings, ExitAgain},
			cause: "This machine does not have the PostgreSQL programs that the private database needs, or has another major version, and pawl " +
				"may not or could not download them.",
			remedy: "Install PostgreSQL (the package postgresql, or brew install postgresql) in the version that the message names. Or connect " +
				"this machine to the network and run the command again with PAWL_DOWNLOAD=yes. Or use a server: DATABASE_URL=postgres://user:password@host:5432/database.",
		},
		{
			code: domain.CodePrivateDatabaseBusy, exitCodes: []int{ExitAgain},
			cause: "Another process uses the private PostgreSQL and does not give way in time: another pawl starts or stops it, the server is " +
				"still starting or stopping, or a pawl in another container uses the folder.",
			remedy: "Run the command again in a while. If the error stays, stop the other pawl, or the process postgres that uses the folder.",
		},
		{
			code: domain.CodePrivateDatabaseDamaged, exitCodes: []int{ExitSettings},
			cause: "The folder of the private PostgreSQL has only a part of a database, or its server belongs to another folder. The folder may " +
				"have been copied or changed by hand.",
			remedy: "Restore the folder from a copy that was made while no pawl ran. Or move it away, to start with an empty database.",
		},
		{
			code: domain.CodePrivateDatabaseStart, exitCodes: []int{ExitSettings, ExitAgain},
			cause:  "The private PostgreSQL could not be made or did not start.",
			remedy: "Read the server's log, which the message names, and remove the cause, such as a full disk. Then run the command again.",
		},
	}
}
