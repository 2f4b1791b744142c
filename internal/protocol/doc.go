// Package protocol holds a small explicit model of pawl's commit protocol: several processes and one database that can all
// fail. The package exports nothing; its tests explore the model exhaustively.
//
// # What is modelled
//
// An API has a few records. Two runners read them in pages of one or two records, so the same stream can be split into
// different pages. Each runner claims the stream, reads a page, commits it, looks up a COMMIT that was not answered, and can
// crash at any point and start again. A stalled runner takes no step while others do. `pawl dlq replay` stores the event of
// the record that could not be decoded. A reader follows page_id. PostgreSQL notices late that a transaction's client is
// gone, and then executes or discards its COMMIT. An operator takes a backup and restores it: rows and sequence go back
// together, and every connection is cut. A failover to a replica that lost transactions is the same.
//
// The rules are those of the postgres adapter and of package ingest:
//   - A claim adds 1 to the epoch and sets a random token. In the model the token is a number that never repeats.
//   - A commit first takes the lock of the checkpoint's row, compares token, epoch, seq and position with what was read, and
//     moves the row. It reserves the page id in the same statement. The rows and the ledger follow in the same transaction.
//   - After a COMMIT without an answer the runner waits for that lock and looks the COMMIT up. If the row has the runner's
//     token and the position after the page, the COMMIT happened; with the position before the page, it did not.
//   - If there is no row, or a smaller epoch, or the runner's own token at another position, the database was set back. If
//     the token is another one and the epoch is not smaller than the runner's, the runner is fenced.
//   - A replay takes the same lock before it reserves a page id.
//   - If a total is announced, a commit compares an end with it.
//
// The properties are the sentences in properties_test.go. Every step from every state is checked. In addition, from every
// state one more undisturbed run must end complete.
//
// # How deep
//
// Each scope in protocol_test.go bounds the numbers of claims, lost connections, backups, restores, replays, expired cursors
// and false ends: two to four claims, and up to two of each of the others. Within a scope the search has no depth limit: it
// visits every state that any order of steps reaches. The farthest state is 29 steps away. Together the scopes have about
// 280,000 states; the largest scope takes some 40 MiB. One order is fixed: a runner that can read a page reads it at once. A
// read changes nothing that the others see, so its time makes no difference.
//
// # Planted faults
//
// Each field of the type faults makes one rule wrong: for example an epoch that is compared without a token, or page ids
// that are reserved before the lock. A test plants each fault and requires that the search finds a broken property; with -v
// it prints a shortest trace. To change the protocol, change the model first.
//
// # What is left out
//
//   - The cursor: in the model it is the offset.
//   - An API that grows, and records that change. Storing is idempotent by id: a record is stored, parked, or neither.
//   - A restore between the answer to the last COMMIT and the end of the process. It cannot be distinguished from a restore
//     after the end, so both are one step.
//   - A restore to a state that is not in the past of the current one: for example an older backup and then a newer one. A
//     run may then end fenced although no other runner is alive.
//   - Readers after a restore: page ids repeat then.
//   - The advisory lock, which only saves a second runner the claim. The fence must work without it.
package protocol
