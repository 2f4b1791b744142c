// Package e2e runs the built programs against each other, as users do, and attacks them. It observes pawl only from outside:
// exit codes and output, the mock API's journal, the tables, and PostgreSQL's list of sessions. Its tests need the build
// tag e2e:
//
//	make test-e2e                        all tests; TestChaos runs until each state was hit often enough
//	make chaos DURATION=10m SEED=42      TestChaos alone, for longer
//
// # Files
//
// process_test.go starts programs, mock_test.go the mock API, and records_api_test.go an API of a few records whose answers
// a test can script. database_test.go and truth_test.go compare the tables with what the mock says must be in them.
// chaos_test.go and the files chaos_…_test.go hold TestChaos. Each other file tests one subject.
//
// # Chaos
//
// TestChaos plays rounds (chaos_round_test.go). A round reads one collection into one database while it makes one attack
// after another on the working run. Then a last run completes the stream, and the judge checks the result. Between pawl and
// the API, and between pawl and PostgreSQL, runs toxiproxy, in the test's own process:
//
//	mockapi ── proxy ── pawl ── proxy ── PostgreSQL
//
// An attack waits until it observes the state that it is meant for, attacks, and checks the state again. It counts only if
// the state still existed; otherwise it is tried again later. Nothing sleeps. The states are observed in this way:
//
//   - fetching: the journal has a request in flight. Afterwards, the last page that the API sent is the last one stored.
//   - before COMMIT: the rows are written, and the transaction waits for the ledger, which the test has locked.
//   - COMMIT unanswered: COMMIT waits at the commit barrier, a deferred constraint trigger (chaos_connections_test.go). The
//     proxy then drops the answer, the barrier is released, another session sees that the page is committed, and pawl has
//     not logged it.
//   - after COMMIT: pawl has logged the commit, and the API has not sent another page.
//   - waiting: pawl has logged how long it waits, for the rate limit or before a retry, and this time is not over.
//
// Backups are restored while a run fetches, while a run waits for the answer to its COMMIT, and while a run is stopped and
// another one claims the stream and reaches the same epoch and seq (chaos_restores_test.go). A backup is a copy of the
// database on the same server. The run must notice: it exits with 3, or with 5 if another run has claimed the stream. The
// pages that were committed after the backup are gone as expected. So the test records which requests had fetched them,
// counts epochs from the backup's, and starts a new follower.
//
// The other attacks end database sessions, crash the whole server, cut connections, start second runs, refuse cursors, send
// pages of rejects, and replay dead letters. All the time the mock plays every fault that a run handles by itself, and
// every kind of drift. The last lines of the report list what is not played, and what could not be played on this machine.
// Meanwhile a follower reads new events by page_id, as a downstream program would (chaos_judge_test.go).
//
// The judge gets the truth from the mock, row by row, and counts everything itself (chaos_judge_test.go). It checks that:
//
//   - no row and no dead letter is lost, doubled, altered or invented; each page has the right counts and inserted the
//     right rows;
//   - `pawl verify` exits with 0, and the follower has read each event once;
//   - each request has one cause: a stored page, a fault, a refused request, a refused cursor, or an attack that ended its
//     run or connection before the page was stored. A request without a cause fails the round;
//   - a run exits with 0 exactly if the stream is done, and then every record is stored or parked;
//   - there is one epoch for each claim, each exit code is right, and no session is left and no secret shown.
//
// A seed decides every random choice. Each round has a seed of its own: the first round's seed plus the number of earlier
// rounds. It is printed with the command that repeats the round: the same attacks in the same order, though the timing of
// processes differs.
package e2e
