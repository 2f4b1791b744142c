// Package embeddedpg runs a private PostgreSQL for database URLs of the form embedded:DIR.
//
// Any number of processes may open the same DIR at the same time. The first process starts the server, and the others attach to
// it. The last process that closes the server stops it. Each process may be killed at any moment. If a kill leaves a server
// without users, the server continues to run. The next process attaches to this server, and stops it when it closes it. A kill
// loses no committed data.
//
// The package stores all files in one folder, and does not touch anything else in DIR:
//
//	DIR/pawl-postgres/
//	    cluster/data/      PostgreSQL's data folder
//	    cluster/password   the password of the database's user; only the folder's owner can read it
//	    log                the output of the server since its latest start
//	    log.old            the output of the server before its latest start
//	    programs/VERSION/  PostgreSQL's programs, if they had to be downloaded
//	    users.lock         the file of a shared lock that each process that uses the server holds
//	    start.lock         the file of an exclusive lock that a process holds while it starts or stops the server
//	    server.lock        the file of an exclusive lock that the server and all its child processes hold
//	    making-*/          an unfinished cluster or download, which the next start removes
//
// The server listens only on 127.0.0.1, on a free port, and always requires the password.
//
// PostgreSQL refuses to run as root. If pawl runs as root, the server runs as the owner of DIR. If DIR does not exist, the server
// runs as the owner of the nearest parent folder that exists. If this owner is root, the server runs as the user postgres or
// nobody. If the server's account cannot enter DIR, all files are in /var/lib/pawl/HASH instead of DIR/pawl-postgres. HASH is a
// hash of DIR's path.
package embeddedpg
