// Package embeddedpg runs a private PostgreSQL for database URLs of the form embedded:DIR.
//
// Any number of processes may open the same DIR at the same time. The first process starts the server, and the others attach to
// it. These processes are the users of the server. A user calls [Server.Close] when it does not need the server any more. The
// Close of the last user stops the server.
//
// Each process may be killed at any moment. If a kill leaves a server without users, the server continues to run until another
// process has attached to it and called Close. A kill loses no committed data.
//
// The package stores all files in one folder, and does not touch anything else in DIR:
//
//	DIR/pawl-postgres/
//	    cluster/data/      PostgreSQL's data folder
//	    cluster/password   the password of the database's user; only the folder's owner can read it
//	    log                the output of the server since its latest start
//	    log.old            the output of the server before its latest start
//	    programs/VERSION/  PostgreSQL's programs, if they had to be downloaded
//	    users.lock         the file of a shared lock, which each user of the server holds
//	    start.lock         the file of an exclusive lock, which a process holds while it starts or stops the server
//	    server.lock        the file of an exclusive lock, which the server and all its child processes hold
//	    making-*/          a staging folder: an unfinished cluster folder or download, which the next start removes
//
// The server listens only on 127.0.0.1, on a free port, and always requires the password.
//
// PostgreSQL refuses to run as root. If pawl runs as root, the server runs as the account that owns DIR. If DIR does not exist, the
// server runs as the owner of the nearest parent folder that exists. If this owner is root, the server runs as the account postgres
// or nobody. If the server's account cannot enter DIR, all files are in /var/lib/pawl/HASH instead of DIR/pawl-postgres. HASH is a
// hash of DIR's path.
package embeddedpg
