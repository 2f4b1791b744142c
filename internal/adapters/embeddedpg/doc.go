// Package embeddedpg runs a private PostgreSQL for database URLs of the form embedded:DIR.
//
// Any number of processes may open the same DIR at once: the first starts the server, the others attach to it, and the
// last one to close stops it. Each may be killed at any moment. If that leaves a server without users, it keeps running.
// The next process attaches to it and stops it on closing. Committed data survives, as with any PostgreSQL.
//
// All files are in one folder of DIR; nothing else in DIR is touched:
//
//	DIR/pawl-postgres/
//	    cluster/data/      PostgreSQL's data folder
//	    cluster/password   of the database's user, readable by the folder's owner alone
//	    log, log.old       output of the latest start of the server and of the one before
//	    programs/VERSION/  PostgreSQL's programs, if they had to be downloaded
//	    users.lock         held, shared, by each process that uses the server
//	    start.lock         held by the process that starts or stops the server
//	    server.lock        held by the server itself, with all its processes
//	    making-*/          something unfinished, removed by the next start
//
// The server listens on 127.0.0.1, on a free port, and always asks for the password.
//
// PostgreSQL refuses to run as root. If pawl runs as root, the server runs as the owner of DIR (or of the nearest existing
// folder above it), and if that is root, as postgres or nobody. If that account cannot enter DIR, the folder above is made
// as /var/lib/pawl/HASH instead, where HASH is computed from DIR's path.
package embeddedpg
