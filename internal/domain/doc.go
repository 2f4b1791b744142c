// Package domain holds the words and the rules of pawl: streams of events that arrive page by page, checkpoints that
// record how far a stream has been stored, and the promise between the two. It holds plain values and the ports
// [EventSource], [Decoder] and [EventStore]; it does no I/O.
//
// # Invariants
//
// All code in pawl serves these invariants. Code and tests cite them by number.
//
//   - I1: A checkpoint never passes a record that is neither stored nor parked.
//   - I2: Storing is idempotent by event id, parking by dead-letter key. A page that is committed again changes counts
//     and its own ledger row, nothing else.
//   - I3: Only the runner whose claim is in the checkpoint, by token and epoch, can move it, and only from the position
//     that the runner read. A stale runner writes nothing.
//   - I4: After any doubt, work continues from the durable checkpoint, never from memory.
//   - I5: received = inserted + duplicate + parked, for every page, every pass and in total. Each term is counted from
//     PostgreSQL's answers or from the page; none is derived from the others.
//   - I6: Within a stream, pages commit in order. Waiting, retrying and prefetching never reorder them.
//
// # Glossary
//
//   - Stream: one chain of pages with its own checkpoint ([StreamID]).
//   - Runner: a process that reads a stream and stores it. Only one runner holds a stream at a time.
//   - Cursor: the API's own mark for where the next page begins ([Cursor]). Its content is opaque.
//   - Pass: one walk over the stream from its head to its end. The first pass is 1.
//   - Position: where a pass is ([Position]). Its Offset counts the records since the head.
//   - Checkpoint: the durable position of a stream, with its counts and its claim ([Checkpoint]).
//   - Claim: a runner's right to write a stream, named by an epoch and a random token.
//   - Fence: the comparison of claim and position that stops a stale runner (I3).
//   - Batch: the pages that one transaction commits ([Batch]).
//   - Ledger: the table pages, with one row for each committed page or replay.
//   - Record: one item of a page, exactly as received ([Record]). An event is a decoded record ([Event]).
//   - Reject: a record that cannot become a row ([Reject]). Its Rejection says why ([Rejection]).
//   - Dead letter: a reject that is parked, that is, stored with its exact bytes and the reason ([DeadLetter]).
//   - Conflict: a record whose event is stored with other values. It is parked.
//   - Replay: dead letters that are decoded and stored again ([Replay]).
//   - Drift: something in a record that pawl does not know and that loses nothing ([Drift]).
//   - Hold: a time before which the rate limit allows no request.
//   - Quota: what the API reports about its rate limit ([Quota]).
//
// Read ports.go next, then internal/app/ingest/run.go.
package domain
