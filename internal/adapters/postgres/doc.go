// Package postgres stores streams in PostgreSQL.
//
//   - [Store] is the [domain.EventStore] of a runner. One Commit is one transaction: it moves the checkpoint first, then
//     stores the events and parks the rejects, then writes the ledger (invariants I1, I3 and I5).
//   - [ReplayStore] reads dead letters and replays them.
//   - [Reader] reads the status, the drift and the lists of dead letters. It needs only the SELECT privilege.
//   - [Admin] moves a stream to another source URL and discards dead letters by hand.
//   - [Inventory] checks what is stored. [Comparison] compares it with what the API returns.
//
// Comments cite the invariants as I1 to I6. Package domain defines them.
//
// Read store.go, claim.go and commit.go first. Then read write.go, which writes the records of one page. It calls park.go,
// which makes rejects dead letters, and bisect.go, which finds the events that PostgreSQL refuses.
//
// The SQL is in db/queries. sqlc generates internal/dbsqlc from it. Package migrate applies the schema.
package postgres
