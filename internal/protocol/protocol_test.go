package protocol

import (
	"maps"
	"slices"
	"testing"
)

// pageSizes are the page sizes of runner A and runner B in most scopes. They differ, so that the runners split the stream into
// different pages.
var pageSizes = [2]uint8{1, 2}

// scopes returns the scopes in which the tests explore the correct protocol.
func scopes() map[string]scope {
	return map[string]scope{
		"a backup restored twice": {
			records: 3, badRecord: 1, pageSizes: pageSizes, limits: budget{claims: 3, backups: 1, restores: 2},
		},
		"two backups": {
			records: 3, badRecord: 1, pageSizes: pageSizes, limits: budget{claims: 2, lostConnections: 1, backups: 2, restores: 2},
		},
		"four claims": {
			records: 3, badRecord: 1, pageSizes: pageSizes, limits: budget{claims: 4, backups: 1, restores: 1},
		},
		"equal page sizes": equalPagesScope(),
		"a new pass and a replay": {
			records: 2, badRecord: 1, pageSizes: pageSizes,
			limits: budget{claims: 2, lostConnections: 1, backups: 1, restores: 1, replays: 1, expiries: 1},
		},
		"a reader and replays":                 readerScope(),
		"a reader, replays and page ids ahead": aheadScope(),
		"page ids ahead and a restored backup": {
			records: 3, badRecord: 1, pageSizes: pageSizes,
			limits: budget{claims: 2, lostConnections: 1, backups: 1, restores: 1, idsAhead: 2},
		},
		"a reset": resetScope(),
		"a reset, a restored backup and a replay": {
			records: 2, badRecord: 1, pageSizes: pageSizes,
			limits: budget{claims: 2, lostConnections: 1, backups: 1, restores: 1, replays: 1, resets: 2},
		},
		"a reader and false ends": {
			records: 3, announced: true, pageSizes: pageSizes, reader: true, limits: budget{claims: 2, expiries: 1, falseEnds: 1},
		},
	}
}

// restoreScope returns a scope with three claims, one lost connection and one restored backup. It is large enough to find most
// faults.
func restoreScope() scope {
	return scope{
		records: 3, badRecord: 1, pageSizes: pageSizes,
		limits: budget{claims: 3, lostConnections: 1, backups: 1, restores: 1},
	}
}

// equalPagesScope returns restoreScope with equal page sizes. The two runners can then have the same position and the same seq.
func equalPagesScope() scope {
	s := restoreScope()
	s.pageSizes = [2]uint8{1, 1}
	return s
}

// readerScope returns a scope with a reader. It has no restore, because page ids repeat after a restore.
func readerScope() scope {
	return scope{
		records: 3, badRecord: 1, pageSizes: pageSizes, reader: true,
		limits: budget{claims: 2, lostConnections: 2, replays: 2},
	}
}

// aheadScope returns readerScope with page ids that a runner reserves without the lock.
func aheadScope() scope {
	s := readerScope()
	s.limits = budget{claims: 2, lostConnections: 1, replays: 2, idsAhead: 2}
	return s
}

// resetScope returns a scope with resets of the checkpoint and a reader.
func resetScope() scope {
	return scope{
		records: 3, badRecord: 1, pageSizes: pageSizes, reader: true,
		limits: budget{claims: 2, lostConnections: 1, resets: 1, idsAhead: 1},
	}
}

// TestProtocol checks that the correct protocol breaks no property in any scope. It also checks that each step is taken in at least
// one scope, because the test proves nothing about a step that is never taken.
func TestProtocol(t *testing.T) {
	taken := map[step]int{}
	for name, sc := range scopes() {
		t.Run(name, func(t *testing.T) {
			m := model{scope: sc}
			res := m.explore(m.brokenProperties, noProperty)
			t.Logf("%d states, at most %d steps from the initial state", res.states, res.depth)
			for p, moves := range res.broken {
				t.Errorf("got a broken property, want none: %s\n%s", p, m.render(moves))
			}
			for s, times := range res.taken {
				taken[s] += times
			}
		})
	}
	for _, s := range steps() {
		if taken[s] == 0 {
			t.Errorf("got no step %q in any scope, want at least one", s)
		}
		delete(taken, s)
	}
	for s := range taken {
		t.Errorf("got a step that steps() does not list: %q; only a planted fault may take it", s)
	}
}

// TestPlantedFaults checks that the search finds the broken property in each wrong protocol. With -v it prints a shortest trace
// that breaks the property.
func TestPlantedFaults(t *testing.T) {
	falseEnds := scope{records: 2, announced: true, pageSizes: pageSizes, limits: budget{claims: 1, falseEnds: 1}}
	for name, tt := range map[string]struct {
		faults
		scope
		breaks property
	}{
		"neither token nor position is compared": {
			faults: faults{CountedEpoch: true, PositionNotCompared: true}, scope: restoreScope(), breaks: noRecordMissing,
		},
		"the token is not compared": {
			faults: faults{CountedEpoch: true}, scope: equalPagesScope(), breaks: onlyHolderMoves,
		},
		"the look-up does not compare the token": {
			faults: faults{LookUpIgnoresToken: true}, scope: equalPagesScope(), breaks: onlyHolderMoves,
		},
		"the look-up does not compare the token, and no step compares the position": {
			faults: faults{LookUpIgnoresToken: true, PositionNotCompared: true}, scope: restoreScope(), breaks: noRecordMissing,
		},
		"page ids are reserved before the lock": {
			faults: faults{IDsBeforeLock: true}, scope: readerScope(), breaks: readersMissNoRow,
		},
		"page ids ahead are not compared with the ledger": {
			faults: faults{IDsNotCompared: true}, scope: aheadScope(), breaks: readersMissNoRow,
		},
		"the look-up does not wait for the transaction": {
			faults: faults{LookUpDoesNotWait: true}, scope: restoreScope(), breaks: setBackAfterRestore,
		},
		"an unanswered COMMIT is assumed to have happened": {
			faults: faults{AssumesCommitted: true}, scope: restoreScope(), breaks: noRecordMissing,
		},
		"a database that was set back is reported as fenced": {
			faults: faults{AlwaysFenced: true}, scope: restoreScope(), breaks: fencedAfterClaim,
		},
		"the checkpoint moves before the rows": {
			faults: faults{CheckpointFirst: true}, scope: restoreScope(), breaks: noRecordMissing,
		},
		"a reset keeps the claim": {
			faults: faults{ResetKeepsClaim: true}, scope: resetScope(), breaks: setBackAfterRestore,
		},
		"an end below the announced total is believed": {
			faults: faults{EndNotChecked: true}, scope: falseEnds, breaks: noRecordMissing,
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := model{scope: tt.scope, faults: tt.faults}
			res := m.explore(m.brokenProperties, tt.breaks)
			moves, found := res.broken[tt.breaks]
			if !found {
				t.Fatalf("got the broken properties %q in %d states, want this one broken: %s",
					slices.Collect(maps.Keys(res.broken)), res.states, tt.breaks)
			}
			t.Logf("broken: %s (%d states)\n%s", tt.breaks, res.states, m.render(moves))
		})
	}
}

// TestPositionNotCompared checks that no property is broken if a commit compares token and seq, but not the position. Only one runner
// has the token, and each of its commits increases seq. So token and seq identify the position, and comparing it is only a second
// defence.
func TestPositionNotCompared(t *testing.T) {
	m := model{scope: restoreScope(), faults: faults{PositionNotCompared: true}}
	for p, moves := range m.explore(m.brokenProperties, noProperty).broken {
		t.Errorf("got a broken property, want none: %s\n%s", p, m.render(moves))
	}
}

// TestEveryStateCompletes checks that no state of two scopes is a dead end: canComplete must be true for each state.
func TestEveryStateCompletes(t *testing.T) {
	const completes property = "after a crash of every process, one more undisturbed run ends complete"
	for _, name := range []string{"a new pass and a replay", "a reset, a restored backup and a replay"} {
		m := model{scope: scopes()[name]}
		res := m.explore(func(before state, _ transition) []property {
			if m.canComplete(before) {
				return nil
			}
			return []property{completes}
		}, completes)
		t.Logf("%s: %d states", name, res.states)
		for p, moves := range res.broken {
			t.Errorf("got a broken property, want none: %s\nIt is broken in the state before the last of these steps:\n%s", p, m.render(moves))
		}
	}
}

// steps returns the steps of the correct protocol.
func steps() []step {
	return []step{
		stepClaim, stepClaimDone, stepCrash, stepRead, stepReadFalseEnd, stepExpired, stepReserve, stepReserveNext,
		stepPassed, stepAdvance, stepRefuseEnd, stepCommit, stepCommitDone,
		stepLoseConnection, stepLoseAnswer, stepHappened, stepHappenedDone, stepNotHappened,
		stepNewerClaim, stepNoRow, stepOlderEpoch, stepOtherPosition,
		stepInLookUp(stepNewerClaim), stepInLookUp(stepNoRow), stepInLookUp(stepOlderEpoch), stepInLookUp(stepOtherPosition),
		stepReplayLock, stepReplayCommit, stepFinish, stepRollBack, stepBackup, stepRestore, stepRestoreUnderRunner, stepFollow,
		stepReset,
	}
}
