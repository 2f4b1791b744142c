// Package protocol holds a small explicit model of how pawl keeps its promise while several processes and one database
// fail around it. There is nothing to import; its tests explore the model exhaustively.
//
// # What is modelled
//
// An upstream has a few records. Two runners read them in pages of one or two records, so that both can cut the stream
// differently. Each claims the stream, reads a page, commits it, settles a COMMIT that was not answered, and may crash at
// any point and start again. A runner that is stalled for a long time is one that takes no step while others do. `pawl dlq
// replay` stores the event of the record that could not be decoded. A reader follows page_id. PostgreSQL ends a
// transaction whose client is gone late, and carries its COMMIT out or not. An operator takes a backup and restores it:
// rows and sequence go back together, and every connection is cut. A failover to a replica that lost transactions is the
// same thing.
//
// The rules are those of the postgres adapter and of package ingest:
//   - A claim sets epoch + 1 and a random token. In the model that is a number which is never given out twice.
//   - A commit first takes the lock of the checkpoint's row, compares token, epoch, seq and place with what was read, and
//     moves the row; the page id is reserved in the same statement. Rows and ledger follow in the same transaction.
//   - After a COMMIT without an answer the runner waits for that lock. Its own token at the target place means that the
//     COMMIT happened; at the place where it began, that it did not. In both cases the place that the database has must be
//     the one the runner walked to.
//   - No row, a smaller epoch, or the runner's own token at another place: the database was set back. Another token with an
//     epoch at least the runner's: it is fenced.
//   - A replay takes the same lock before it reserves a page id.
//   - Where a total is announced, the committer checks an end against it.
//
// The properties are the sentences in properties_test.go. Every step out of every state is checked. Besides, from every
// state one more run that nothing disturbs must end complete.
//
// # How deep
//
// Each scope in protocol_test.go bounds how many claims, lost connections, backups, restores, replays, expired cursors and
// false ends there may be: two to four claims, and up to two of each of the others. Within a scope the search has no depth
// limit: it visits every state that any order of steps leads to. The farthest is 29 steps away. Together the scopes have
// about 280,000 states; the largest takes some 40 MiB. One order is fixed: a runner that can read a page reads it at
// once. Reading touches nothing that the others see, so it makes no difference when it happens.
//
// # What a planted fault must show
//
// A type named faults changes one rule each: an epoch that is counted and no token, page ids reserved before the lock, and
// others. A test plants each and demands that the search finds a property broken; with -v it prints a shortest way there.
// To change the protocol, change the model first.
//
// # What is left out
//
//   - The cursor: in the model it is the position.
//   - Growing upstreams, and records that change. Storing is idempotent by id: a record is stored, parked, or neither.
//   - A restore between the answer to the last COMMIT and the end of the process. Nobody could tell it from a restore after
//     the end, so both are one step.
//   - A restore that goes to a state which is not in the past of the present one, such as an older backup and then a newer
//     one. A run may then be told that it is fenced although no other runner lives.
//   - Readers after a restore: page ids repeat themselves then.
//   - The advisory lock, which only spares a second runner the claim. The fence must hold without it.
package protocol
