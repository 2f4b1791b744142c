// Package embeddedpg runs a private PostgreSQL for database URLs of the form embedded:DIR.
//
// Any number of processes may open the same DIR at once: the first starts the server, the others attach to it, and the
// last to leave stops it. Each may be killed at any moment. A server that lost its last user that way goes on until the
// next one attaches, and stops with that one. What was committed is kept, as by any PostgreSQL.
//
// All that is made is in one folder of DIR; nothing else in DIR is touched:
//
//	DIR/pawl-postgres/
//	    cluster/data/      PostgreSQL's data folder
//	    cluster/password   of the database's user, readable by the folder's owner alone
//	    log, log.old       what the server of this start and of the one before it said
//	    programs/VERSION/  PostgreSQL's programs, where the machine had none and they were downloaded
//	    users.lock         held, shared, by each process that uses the server
//	    start.lock         held by the process that starts or stops it
//	    server.lock        held by the server itself, with all its processes
//	    making-*/          something unfinished, removed by the next start
//
// The server listens on 127.0.0.1, on a port that was free, and asks for the password always.
//
// PostgreSQL refuses to run as root. Root's server runs as the owner of DIR (or of the folder that DIR is made in), and
// where that is root itself, as postgres or nobody. If that account can't get to DIR, the folder above is made as
// /var/lib/pawl/HASH instead, where HASH belongs to DIR's path.
package embeddedpg
