// Package embeddedpg runs a private PostgreSQL for database URLs of the form embedded:DIR.
//
// Any number of processes may open the same DIR at the same time. The first process starts the server, the others attach to it,
// and the last process that closes it stops it. Each process may be killed at any moment. If a server is then left without
// users, it keeps running. The next process attaches to it, and stops it on closing. Committed data survives a kill.
//
// The package stores all files in one folder, and does not touch anything else in DIR:
//
//	DIR/pawl-postgres/
//	    cluster/data/      PostgreSQL's data folder
//	    cluster/password   the password of the database's user; only the folder's owner can read it
//	    log                the output of the server since its latest start
//	    log.old            the output of the server before its latest start
//	    programs/VERSION/  PostgreSQL's programs, if they had to be downloaded
//	    users.lock         a shared lock; each process that uses the server holds it
//	    start.lock         an exclusive lock; the process that starts or stops the server holds it
//	    server.lock        an exclusive lock; the server and all its child processes hold it
//	    making-*/          an unfinished cluster or download; the next start removes it
//
// The server listens only on 127.0.0.1, on a free port, and always requires the password.
//
// PostgreSQL refuses to run as root. If pawl runs as root, the server runs as the owner of DIR. If DIR does not exist, the owner
// of its nearest existing parent folder is used. If this owner is root, the server runs as the user postgres or nobody. If the
// server's account cannot enter DIR, all files are in /var/lib/pawl/HASH instead of DIR/pawl-postgres. HASH is computed from
// DIR's path.
package embeddedpg
