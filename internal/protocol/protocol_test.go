package protocol

import (
	"maps"
	"slices"
	"testing"
)

// scopes returns the scopes in which the correct protocol is explored. The package documentation says how many states they
// have.
func scopes() map[string]scope {
	sizes := [2]uint8{1, 2}
	return map[string]scope{
		"a backup restored twice": {records: 3, bad: 1, pageSizes: sizes, limits: budget{claims: 3, backups: 1, restores: 2}},
		"two backups":             {records: 3, bad: 1, pageSizes: sizes, limits: budget{claims: 2, lost: 1, backups: 2, restores: 2}},
		"four claims":             {records: 3, bad: 1, pageSizes: sizes, limits: budget{claims: 4, backups: 1, restores: 1}},
		"equal page sizes":        equalPagesScope(),
		"a new pass and a replay": {records: 2, bad: 1, pageSizes: sizes, limits: budget{claims: 2, lost: 1, backups: 1, restores: 1, replays: 1, expiries: 1}},
		"a reader and replays":    readerScope(),
		"a reader and false ends": {records: 3, announced: true, pageSizes: sizes, reader: true, limits: budget{claims: 2, expiries: 1, falseEnds: 1}},
	}
}

// restoreScope returns a scope that is large enough for most faults: two runners with different page sizes, and one
// restored backup.
func restoreScope() scope {
	return scope{records: 3, bad: 1, pageSizes: [2]uint8{1, 2}, limits: budget{claims: 3, lost: 1, backups: 1, restores: 1}}
}

// equalPagesScope returns restoreScope with equal page sizes, so that both runners can be at the same position and seq.
func equalPagesScope() scope {
	s := restoreScope()
	s.pageSizes = [2]uint8{1, 1}
	return s
}

// readerScope returns a scope with a reader. It has no restore, since page ids repeat after one.
func readerScope() scope {
	return scope{records: 3, bad: 1, pageSizes: [2]uint8{1, 2}, reader: true, limits: budget{claims: 2, lost: 2, replays: 2}}
}

// TestProtocol checks that no property is broken in any state of any scope, and that each step is taken in some scope: a
// step that is never taken would prove nothing.
func TestProtocol(t *testing.T) {
	taken := map[step]int{}
	for name, sc := range scopes() {
		t.Run(name, func(t *testing.T) {
			m := model{scope: sc}
			res := m.explore(m.brokenProperties, anyProperty)
			t.Logf("%d states, at most %d steps away", res.states, res.depth)
			for p, moves := range res.broken {
				t.Errorf("broken: %s\n%s", p, m.render(moves))
			}
			for what, times := range res.taken {
				taken[what] += times
			}
		})
	}
	for _, what := range steps() {
		if taken[what] == 0 {
			t.Errorf("the step is never taken: %s", what)
		}
		delete(taken, what)
	}
	for what := range taken {
		t.Errorf("the step is not in steps(), or belongs to a planted fault: %s", what)
	}
}

// TestPlantedFaults checks that the search finds a broken property in each wrong protocol. With -v it prints a shortest
// trace that breaks the property.
func TestPlantedFaults(t *testing.T) {
	falseEnds := scope{records: 2, announced: true, pageSizes: [2]uint8{1, 2}, limits: budget{claims: 1, falseEnds: 1}}
	for name, tt := range map[string]struct {
		faults
		scope
		breaks property
	}{
		"a counted epoch": {faults{CountedEpoch: true, PositionNotCompared: true}, restoreScope(), noneMissing},
		"a counted epoch, but the position is compared":      {faults{CountedEpoch: true}, equalPagesScope(), onlyTheHolder},
		"a token not compared when a COMMIT is looked up":    {faults{LookUpIgnoresToken: true}, equalPagesScope(), onlyTheHolder},
		"neither token nor position compared then":           {faults{LookUpIgnoresToken: true, PositionNotCompared: true}, restoreScope(), noneMissing},
		"page ids reserved before the lock":                  {faults{IDsBeforeLock: true}, readerScope(), readersMissNone},
		"the look-up does not wait for the transaction":      {faults{LookUpDoesNotWait: true}, restoreScope(), setBackIsTrue},
		"an unanswered COMMIT is assumed to have happened":   {faults{AssumesCommitted: true}, restoreScope(), noneMissing},
		"a database that was set back is reported as fenced": {faults{AlwaysFenced: true}, restoreScope(), fencedIsTrue},
		"the checkpoint moves before the rows":               {faults{CheckpointFirst: true}, restoreScope(), noneMissing},
		"an end is believed below the announced total":       {faults{EndNotChecked: true}, falseEnds, noneMissing},
	} {
		t.Run(name, func(t *testing.T) {
			m := model{tt.scope, tt.faults}
			res := m.explore(m.brokenProperties, tt.breaks)
			moves, found := res.broken[tt.breaks]
			if !found {
				t.Fatalf("in %d states not broken: %s\nbroken instead: %v", res.states, tt.breaks, slices.Collect(maps.Keys(res.broken)))
			}
			t.Logf("broken: %s (%d states)\n%s", tt.breaks, res.states, m.render(moves))
		})
	}
}

// TestPositionNotCompared checks that comparing the token and seq is enough, so that comparing the position is only a second
// defence: one token belongs to one chain of commits, and seq says how far along this chain the checkpoint is.
func TestPositionNotCompared(t *testing.T) {
	m := model{restoreScope(), faults{PositionNotCompared: true}}
	for p, moves := range m.explore(m.brokenProperties, anyProperty).broken {
		t.Errorf("broken: %s\n%s", p, m.render(moves))
	}
}

// TestEveryStateCompletes checks that the protocol is never stuck: from every state, if every process is killed, one more
// undisturbed run ends complete.
func TestEveryStateCompletes(t *testing.T) {
	const completes property = "one more undisturbed run ends complete"
	m := model{scope: scopes()["a new pass and a replay"]}
	res := m.explore(func(from state, _ transition) []property {
		if m.canComplete(from) {
			return nil
		}
		return []property{completes}
	}, completes)
	t.Logf("%d states", res.states)
	for p, moves := range res.broken {
		t.Errorf("broken: %s\nfrom the state before the last step of\n%s", p, m.render(moves))
	}
}

// steps returns the steps of the correct protocol.
func steps() []step {
	return []step{
		stepClaim, stepClaimDone, stepCrash, stepRead, stepReadFalseEnd, stepExpired, stepAdvance, stepRefuseEnd, stepCommit, stepCommitDone,
		stepLoseConnection, stepLoseAnswer, stepHappened, stepHappenedDone, stepNotHappened,
		stepNewerClaim, stepNoRow, stepOlderEpoch, stepOtherPosition,
		stepInLookUp(stepNewerClaim), stepInLookUp(stepNoRow), stepInLookUp(stepOlderEpoch), stepInLookUp(stepOtherPosition),
		stepReplayLock, stepReplayCommit, stepFinish, stepRollBack, stepBackup, stepRestore, stepRestoreBeneath, stepFollow,
	}
}
