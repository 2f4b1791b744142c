//go:build e2e

package e2e

import "testing"

// A gate stands inside COMMIT. While it is shut, a transaction that wrote to the ledger waits in the server after it was
// told to commit and before it has.
type gate struct {
	db  *database // whoever looks at the gate
	key *database // its session holds the gate shut
}

// newGate adds the gate to a database: a constraint that is checked at COMMIT and waits for a lock.
func newGate(t *testing.T, databaseURL string) *gate {
	t.Helper()
	g := &gate{db: connect(t, databaseURL), key: connect(t, databaseURL)}
	g.db.exec(`CREATE FUNCTION pass_gate() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NULL; END $$`)
	g.db.exec(`CREATE CONSTRAINT TRIGGER gate AFTER INSERT ON pages DEFERRABLE INITIALLY DEFERRED
		FOR EACH ROW EXECUTE FUNCTION pass_gate()`)
	return g
}

func (g *gate) shut() { g.key.exec("SELECT pg_advisory_lock(1)") }

func (g *gate) open() { g.key.exec("SELECT pg_advisory_unlock(1)") }

// waiting reports whether a COMMIT of pawl's stands before the gate.
func (g *gate) waiting() bool {
	return g.db.count(`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
		AND application_name LIKE 'pawl/%' AND wait_event = 'advisory' AND query ILIKE 'commit%'`) == 1
}

// doubted reports whether pawl asks what became of a COMMIT that the server has not finished.
func (g *gate) doubted() bool {
	return g.db.count(`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
		AND application_name LIKE 'pawl/%' AND wait_event_type = 'Lock' AND query ILIKE '%FOR UPDATE%'`) == 1
}
