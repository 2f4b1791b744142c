// Package e2e runs the built programs against each other, as users do, and attacks them. It observes pawl only from outside: its
// exit codes and output, the mock API's journal, the tables, and PostgreSQL's list of sessions. The tests need the build tag
// e2e:
//
//	make test-e2e                        runs all tests; TestChaos runs until each attack has hit often enough
//	make chaos DURATION=10m SEED=42      runs only TestChaos, for this time and with this seed
//
// # Files
//
// process_test.go starts programs. mock_test.go controls the mock API. records_api_test.go has an API of a few records, whose
// answers a test can replace. database_test.go and truth_test.go compare the tables with the truth. The truth is what must
// become of each record; the mock computes it. chaos_test.go and the files chaos_…_test.go contain TestChaos. Each other file
// tests one subject.
//
// # Chaos
//
// TestChaos plays rounds (chaos_round_test.go). In a round, runs of pawl read one collection into one database. The round makes
// one attack after another on the run that works. Then a last run completes the stream, and the judge checks the result.
// Between pawl and the API, and between pawl and PostgreSQL, the test's own process runs toxiproxy:
//
//	mockapi ── proxy ── pawl ── proxy ── PostgreSQL
//
// In a round with an even seed, runs fetch no page ahead (--max-buffer-bytes 0). Then the test knows for each request whether
// its page must be stored. In a round with an odd seed, runs fetch as many pages ahead as pawl allows, and an attack may cost
// all of them (chaos_ahead_test.go).
//
// An attack waits until the run is in a certain state, attacks, and checks the state again. If the run has left the state
// meanwhile, the attack does not count and is tried again later. The tests never wait for a fixed time; they observe the
// states in this way:
//
//   - fetching: the journal has a request in flight. After a kill, the last page that the API sent must be the last stored page,
//     unless runs fetch pages ahead.
//   - before COMMIT: the transaction has written its rows and waits for the ledger, which the test has locked.
//   - COMMIT unanswered: COMMIT waits at the commit barrier, a deferred constraint trigger (chaos_connections_test.go). Then the
//     proxy starts to drop answers, and the test releases the barrier. Another session sees that the page is committed, and
//     pawl has not logged it.
//   - after COMMIT: pawl has logged the stored page, and the API has not sent another page, unless runs fetch pages ahead.
//   - waiting: pawl has logged how long it waits for the rate limit or before a retry, and this time is not over.
//
// Some attacks restore a backup, which is a copy of the database on the same server (chaos_restores_test.go). They do so while
// a run fetches, while it waits for the answer to its COMMIT, or while it is stopped with SIGSTOP and another run claims the
// stream and reaches the same epoch and seq. The run must notice: it exits with 3, or with 5 if another run has claimed the
// stream. A restore removes the pages that were committed after the backup. So the test records which requests had fetched
// these pages, expects the epochs to continue from the backup's, and starts a new follower.
//
// The other attacks end database sessions, crash the whole server, cut connections, start second runs, refuse cursors, send
// pages of rejects, and replay dead letters. Between the attacks the mock plays every kind of drift, and every fault that a run
// can handle without a restart. The last lines of the report list what was not played. Meanwhile a follower reads new events
// by page_id, as a downstream program would (chaos_judge_test.go).
//
// The judge gets the truth from the mock and compares it with the tables, row by row and without any code of pawl
// (chaos_judge_test.go). It checks that:
//
//   - no row and no dead letter is lost, doubled, altered or invented, and the counts and rows of each page are right;
//   - `pawl verify` finds no difference that was not expected, and the follower has read each event once;
//   - each request has one cause: a stored page, a fault, a refused request, a refused cursor, or an attack that ended its
//     run or connection before the page was stored. A run that fetched pages ahead may have dropped them, but only if an attack
//     ended the run, only the last pages of the run, and no more than pawl may have in hand. A request without a cause fails the
//     round;
//   - a run exits with 0 if and only if the stream is done, and then every record is stored or parked;
//   - the epoch is the number of claims, and each exit code is right;
//   - no session of pawl is left on the server, and no output contains a secret.
//
// A seed decides every random choice. The seed of a round is the seed of the first round plus the number of earlier rounds.
// TestChaos prints it with the command that repeats the round. The repeated round makes the same attacks in the same order,
// but the timing of the processes can differ.
package e2e
