// Package domain says what pawl is about: streams of events that arrive page by page, checkpoints that say how far a
// stream has been stored, and the promise between the two. It holds plain values and the three ports; it does no I/O.
//
// Everything else in pawl exists to keep these invariants. Code and tests cite them by number.
//
//   - I1: A checkpoint never passes a record that is neither stored nor parked.
//   - I2: Storing is idempotent by event id, parking by letter key: a page committed again changes counts and its
//     ledger row, nothing else.
//   - I3: Only the runner whose claim the checkpoint names, by token and epoch, can move it, and only from the place it
//     read: a stale runner writes nothing.
//   - I4: After any doubt, work goes on from the durable checkpoint, never from memory.
//   - I5: received = inserted + duplicate + parked, for every page, every pass and in total, each term counted from
//     what PostgreSQL answered or the page held, none derived from the others.
//   - I6: Within a stream, pages commit in order; waiting, retrying and prefetching never reorder.
//
// Read ports.go next, then internal/app/ingest/run.go.
package domain
