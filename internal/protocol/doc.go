// Package protocol holds a small model of pawl's commit protocol. In the model several processes use one database, and each of
// them can fail. The package exports nothing. Its tests visit every state of the model.
//
// # What is modelled
//
// An API has a few records. Two runners read them in pages of one or two records, so the same stream can be split into
// different pages. These are the actors of the model:
//   - A runner claims the stream, reads a page and commits it. If a COMMIT is not answered, the runner looks the COMMIT up: it reads
//     the checkpoint to find out whether the COMMIT happened. A runner can crash at any point and start again. It can also stall:
//     then it takes no step while the other actors do.
//   - `pawl dlq replay` stores the event of the record that could not be decoded.
//   - A reader reads the rows of the ledger in order of page_id.
//   - PostgreSQL notices late that the client of a transaction is gone, and then executes or discards the client's COMMIT.
//   - An operator takes a backup and restores it. A restore sets back the rows and the sequence of page ids together, and closes
//     every connection. A failover to a replica that lost transactions has the same effect. The operator also resets the checkpoint.
//
// The rules are those of the postgres adapter and of package ingest:
//   - A claim adds 1 to the epoch and sets a random token. In the model the token is a number that never repeats.
//   - A commit first locks the checkpoint's row. It compares the row's token, epoch, seq and position with the checkpoint that
//     the runner read, and moves the row. It reserves the page id in the same statement. After that it writes the events, the
//     dead letters and the ledger in the same transaction.
//   - After a COMMIT without an answer the runner waits for that lock and looks the COMMIT up. The COMMIT happened if the row has
//     the runner's token and the position after the page. The COMMIT did not happen if the row has the runner's token and the
//     position before the page.
//   - The database was set back if it has no row for the checkpoint, or if the row has a smaller epoch than the runner, or if the
//     row has the runner's token and an unexpected position.
//   - The runner is fenced if the row has another token and its epoch is not smaller than the runner's epoch.
//   - A runner may reserve the page ids of its page and of the page after it without the lock, because it copies events before it takes
//     the lock. When it has the lock, it uses such an id only if the ledger has no greater one. Otherwise it reserves another id.
//   - A replay takes the same lock before it reserves a page id.
//   - A reset takes the same lock. It moves the checkpoint to the head of the next pass, adds 1 to the epoch, sets a random token and adds a
//     row without records to the ledger.
//   - If the API announced a total, a commit compares the end of the stream with this total.
//
// properties_test.go lists the properties that the protocol must have. The numbers I1, I3 and I5 there are invariants of package
// domain. TestProtocol checks the properties for every step from every state. TestEveryStateCompletes checks two scopes: from each of
// their states, one more run must end complete if nothing else happens.
//
// # How deep
//
// Each scope in protocol_test.go limits the numbers of claims, lost connections, backups, restores, replays, resets, expired cursors
// and false ends. A false end is a page that says wrongly that it is the last one. A scope allows two to four claims, and up to two
// of each of the others. Within a scope the search has no depth limit: it visits every state that any order of steps reaches. The
// farthest state is 29 steps from the initial state. Together the scopes have about 690,000 states. The largest scope needs some
// 100 MiB of memory.
//
// In one case the search tries only one order of steps: a runner that can read a page reads it before any other step. The other
// actors do not see what a read changes, so the time of a read makes no difference.
//
// # Planted faults
//
// Each field of the type faults makes one rule of the protocol wrong. With CountedEpoch, for example, a runner compares the epoch
// and no token. TestPlantedFaults plants each fault and requires that the search finds the broken property. With -v it prints a
// shortest trace that breaks the property. Before you change the protocol, change the model.
//
// # What is left out
//
//   - The model has no cursor of its own. The offset is the cursor.
//   - The API does not grow, and its records do not change. A record is stored, parked, or neither.
//   - No restore happens between the answer to the last COMMIT and the end of the process. Such a restore has the same effect as
//     a restore after the end of the process, which the model has.
//   - No restore leads to a state that is not in the past of the current state. This would happen, for example, if an operator
//     restores an older backup and then a newer one. A run may then end fenced although no other runner is alive.
//   - No reader reads after a restore, because page ids repeat after a restore.
//   - There is no advisory lock. This lock only tells a second runner early that it cannot claim the stream. The fence must
//     work without it.
package protocol
