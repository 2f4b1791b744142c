// Package postgres stores streams in PostgreSQL.
//
//   - [Store] is the [domain.EventStore] of a runner. One Commit is one transaction: it moves the checkpoint first, then
//     stores the events and parks the rejects, then writes the ledger (I1, I3, I5). Read store.go, claim.go and commit.go,
//     then write.go, which writes one page, with park.go and bisect.go below it.
//   - [ReplayStore] reads dead letters and replays them.
//   - [Reader] answers status, drift and the lists of dead letters. It needs SELECT only.
//   - [Admin] makes the changes that a user asks for by hand.
//   - [Inventory] and [Comparison] verify what is stored.
//
// The SQL is in db/queries; sqlc generates internal/dbsqlc from it. Package migrate applies the schema.
package postgres
