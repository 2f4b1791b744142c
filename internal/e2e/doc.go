// Package e2e runs the built programs against each other, as users do, and attacks them. It looks at pawl from outside
// only: at exit codes and output, at the mock API's journal, at the tables, and at what PostgreSQL says of its sessions.
// Its tests need the build tag e2e:
//
//	make test-e2e                        all of it; the harness below until each state was hit often enough
//	make chaos DURATION=10m SEED=42      the harness alone, for longer
//
// # The harness
//
// TestChaos runs laps. A lap reads one collection into one database, while attack after attack is made on the run that
// works; then it lets a last run finish, and judges what is there. Between pawl and both its neighbours stands toxiproxy,
// in this process:
//
//	mockapi ── proxy ── pawl ── proxy ── PostgreSQL
//
// An attack waits until it sees the state that it is meant for, strikes, and looks again: it counts only if the state was
// still there, and otherwise comes again later. Nothing sleeps. The states are seen so:
//
//   - fetching: the journal has a request in flight; afterwards, the last page handed out is the last one stored.
//   - before COMMIT: the rows are written, and the transaction waits for the ledger, which the harness holds locked.
//   - COMMIT unanswered: COMMIT stands at the gate, a deferred constraint of the harness's (gate_test.go). The proxy then
//     swallows the answer, the gate opens, another session sees the page committed, and pawl has not said that it is.
//   - after COMMIT: pawl has said so, and was not handed another page.
//   - waiting: pawl has said until when it waits, for the rate limit or before it tries again, and that is not over.
//
// Backups are restored under a run that fetches, under one that waits for the answer to its COMMIT, and under one that is
// frozen while another runner claims the stream and comes to the same epoch and seq (restores_test.go). A backup is a copy
// of the database on the same server. The run must notice and end 3, or 5 if another has claimed the stream. What was
// committed after the backup is gone by right: the harness notes which requests had brought it, counts epochs from the
// backup on, and has whoever reads by page_id begin anew.
//
// Besides kills there are ends of database sessions, crashes of the whole server, cut connections, second runs, cursors
// that are given up, pages of nothing but nonsense, replays of dead letters, every fault of the mock's that a run gets over by
// itself, and every kind of drift, all the time. What is left out, and what could not be run on this machine, the table
// names in its last lines. Beside it all somebody reads what is new by page_id, as downstream would (follower_test.go).
//
// The judge knows the truth from the mock, row by row, and adds up on its own (verdict_test.go, requests_test.go):
//
//   - lost, doubled, altered or invented rows and dead letters; every page's counts, and the rows it must have inserted;
//   - `pawl verify` ends 0, and who follows page_id has met each event once;
//   - each request has one cause: a page stored, a fault, a refusal, a cursor given up, or a run or connection that was
//     ended with that page in hand. Any other is unexplained, and fails the lap;
//   - a run ends 0 exactly if the stream is done, and then every record is stored or parked;
//   - one epoch for each run that was given the stream; each exit code; no session and no secret left behind.
//
// All that is chosen, a seed decides, and a lap's seed is its number behind that of the first. It is printed with the
// command that repeats the lap: the same attacks in the same order, as far as processes are ever the same twice.
package e2e
