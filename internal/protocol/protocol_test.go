package protocol

import (
	"maps"
	"slices"
	"testing"
)

// scopes are what the right protocol is explored in. The package documentation says how many states each has.
func scopes() map[string]scope {
	sizes := [2]uint8{1, 2}
	return map[string]scope{
		"a backup restored twice": {records: 3, bad: 1, pageSizes: sizes, most: budget{claims: 3, backups: 1, restores: 2}},
		"two backups":             {records: 3, bad: 1, pageSizes: sizes, most: budget{claims: 2, lost: 1, backups: 2, restores: 2}},
		"four claims":             {records: 3, bad: 1, pageSizes: sizes, most: budget{claims: 4, backups: 1, restores: 1}},
		"equal page sizes":        equalPages(),
		"a new pass and a replay": {records: 2, bad: 1, pageSizes: sizes, most: budget{claims: 2, lost: 1, backups: 1, restores: 1, replays: 1, expiries: 1}},
		"a reader and replays":    followed(),
		"a reader and false ends": {records: 3, announced: true, pageSizes: sizes, reader: true, most: budget{claims: 2, expiries: 1, falseEnds: 1}},
	}
}

// restored is large enough for most faults: two runners with pages of different sizes, and one restored backup.
func restored() scope {
	return scope{records: 3, bad: 1, pageSizes: [2]uint8{1, 2}, most: budget{claims: 3, lost: 1, backups: 1, restores: 1}}
}

// equalPages has both runners cut the same pages, so that one may stand exactly where the other does.
func equalPages() scope {
	s := restored()
	s.pageSizes = [2]uint8{1, 1}
	return s
}

// followed has a reader, and no restore: page ids repeat themselves after one.
func followed() scope {
	return scope{records: 3, bad: 1, pageSizes: [2]uint8{1, 2}, reader: true, most: budget{claims: 2, lost: 2, replays: 2}}
}

// TestTheProtocolHolds explores each scope to its end. Each step is taken somewhere, so that nothing holds because it
// never happens.
func TestTheProtocolHolds(t *testing.T) {
	taken := map[step]int{}
	for name, sc := range scopes() {
		t.Run(name, func(t *testing.T) {
			m := model{scope: sc}
			res := m.explore(m.broken, anyProperty)
			t.Logf("%d states, the farthest %d steps away", res.states, res.depth)
			for p, moves := range res.broken {
				t.Errorf("not true: %s\n%s", p, m.render(moves))
			}
			for what, times := range res.taken {
				taken[what] += times
			}
		})
	}
	for _, what := range steps() {
		if taken[what] == 0 {
			t.Errorf("no exploration takes the step: %s", what)
		}
		delete(taken, what)
	}
	for what := range taken {
		t.Errorf("a step that is not listed, or that belongs to a fault: %s", what)
	}
}

// TestPlantedFaultsAreFound shows that the model can tell a wrong protocol from the right one. Run with -v it prints a
// shortest way to break the property.
func TestPlantedFaultsAreFound(t *testing.T) {
	falseEnds := scope{records: 2, announced: true, pageSizes: [2]uint8{1, 2}, most: budget{claims: 1, falseEnds: 1}}
	for name, tt := range map[string]struct {
		faults
		scope
		breaks property
	}{
		"a counted epoch": {faults{CountedEpoch: true, PlaceNotCompared: true}, restored(), noneMissing},
		"a counted epoch, but the place is compared":    {faults{CountedEpoch: true}, equalPages(), onlyTheOwner},
		"a token not compared when settling":            {faults{SettleIgnoresToken: true}, equalPages(), onlyTheOwner},
		"neither token nor place compared in settling":  {faults{SettleIgnoresToken: true, PlaceNotCompared: true}, restored(), noneMissing},
		"page ids reserved before the lock":             {faults{IDsBeforeLock: true}, followed(), readersMissNone},
		"settling does not wait for the transaction":    {faults{SettleDoesNotWait: true}, restored(), setBackIsTrue},
		"a lost COMMIT is taken for one that happened":  {faults{AssumesCommitted: true}, restored(), noneMissing},
		"a database that was set back is called fenced": {faults{AlwaysFenced: true}, restored(), fencedIsTrue},
		"the checkpoint moves before the rows":          {faults{CheckpointFirst: true}, restored(), noneMissing},
		"an end is believed below the announced total":  {faults{EndNotChecked: true}, falseEnds, noneMissing},
	} {
		t.Run(name, func(t *testing.T) {
			m := model{tt.scope, tt.faults}
			res := m.explore(m.broken, tt.breaks)
			moves, found := res.broken[tt.breaks]
			if !found {
				t.Fatalf("in %d states nothing breaks this: %s\nbut these break: %v", res.states, tt.breaks, slices.Collect(maps.Keys(res.broken)))
			}
			t.Logf("not true: %s (%d states)\n%s", tt.breaks, res.states, m.render(moves))
		})
	}
}

// TestThePlaceIsASecondDefence shows that a token that is compared is enough by itself: what a claim's token can stand
// for is one chain of commits, and seq tells how far along it the checkpoint is.
func TestThePlaceIsASecondDefence(t *testing.T) {
	m := model{restored(), faults{PlaceNotCompared: true}}
	for p, moves := range m.explore(m.broken, anyProperty).broken {
		t.Errorf("not true: %s\n%s", p, m.render(moves))
	}
}

// TestEveryStateLeadsToTheEnd shows that nothing is ever stuck: wherever the protocol has come, if every process is
// killed, one more run that nothing disturbs ends complete.
func TestEveryStateLeadsToTheEnd(t *testing.T) {
	const completes property = "one more run that nothing disturbs ends complete"
	m := model{scope: scopes()["a new pass and a replay"]}
	res := m.explore(func(from state, _ transition) []property {
		if m.canComplete(from) {
			return nil
		}
		return []property{completes}
	}, completes)
	t.Logf("%d states", res.states)
	for p, moves := range res.broken {
		t.Errorf("not true: %s\nfrom the state before the last step of\n%s", p, m.render(moves))
	}
}

// steps returns the steps of the right protocol.
func steps() []step {
	return []step{
		stepClaim, stepClaimDone, stepCrash, stepRead, stepReadFalseEnd, stepExpired, stepAdvance, stepRefuseEnd, stepCommit, stepCommitDone,
		stepLoseConnection, stepLoseAnswer, stepHappened, stepHappenedDone, stepNotHappened,
		stepNewerClaim, stepNoRow, stepOlderEpoch, stepOtherPlace,
		settling(stepNewerClaim), settling(stepNoRow), settling(stepOlderEpoch), settling(stepOtherPlace),
		stepReplayLock, stepReplayCommit, stepFinish, stepRollBack, stepBackup, stepRestore, stepRestoreBeneath, stepFollow,
	}
}
