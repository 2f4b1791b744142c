// Package domain defines the concepts of pawl and the rules that they obey. A stream of events arrives page by page, and a
// checkpoint records how far the stream has been stored. The package contains plain values and the interfaces
// [EventSource], [Decoder] and [EventStore], which other packages implement. It does no I/O.
//
// # Invariants
//
// All code in pawl serves these invariants. Code and tests cite them by number.
//
//   - I1: A checkpoint never passes a record that is neither stored nor parked.
//   - I2: An event is stored once by its id, and a reject is parked once by its dead-letter key. If the same records are
//     committed again, only counts change, and the ledger gets a row for the page.
//   - I3: Only the runner whose claim is in the checkpoint can move the checkpoint, and only from the position that this
//     runner read. A runner without the claim writes nothing.
//   - I4: If a runner cannot know whether a transaction was committed, it continues from the durable checkpoint and not
//     from its memory.
//   - I5: received = inserted + duplicate + parked, for every page, every pass and in total. Each of the four numbers is
//     counted in the page or in PostgreSQL's answers. No number is computed from the other three.
//   - I6: Within a stream, pages commit in order. Waiting, retrying and prefetching never reorder them.
//
// # Glossary
//
//   - Stream: one chain of pages with its own checkpoint ([StreamID]).
//   - Runner: a process that reads a stream and stores it. Only one runner holds a stream at a time.
//   - Cursor: the text with which the API marks where a page begins ([Cursor]). pawl does not interpret it.
//   - Pass: one walk over the stream from its head to its end. The first pass is 1.
//   - Position: where a pass is ([Position]). Its Offset counts the records since the head.
//   - Checkpoint: the durable position of a stream, with its counts and its claim ([Checkpoint]).
//   - Claim: a runner's right to write a stream. An epoch and a random token identify it.
//   - Fence: the comparison of claim and position that stops a runner without the claim (I3).
//   - Batch: the pages that one transaction commits ([Batch]).
//   - Ledger: the table pages, with one row for each committed page or replay.
//   - Record: one item of a page, exactly as received ([Record]). An event is a decoded record ([Event]).
//   - Reject: a record that cannot become a row ([Reject]). Its Rejection gives the reason ([Rejection]).
//   - Park: to store a reject with its exact bytes and the reason. The result is a dead letter ([DeadLetter]).
//   - Conflict: a record whose event id is stored with other values. It is parked.
//   - Replay: to decode dead letters again and store those that have become events ([ReplayBatch]).
//   - Drift: a difference between a record and the expected format that does not prevent storing the record ([Drift]).
//   - Hold: a time before which the rate limit allows no request.
//   - Quota: the state of the rate limit, as the API reports it ([Quota]).
//
// Read ports.go next, then internal/app/ingest/run.go.
package domain
