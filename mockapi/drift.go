package mockapi

// A DriftKind is one way in which a record is not as it should be. [DriftKinds] lists them all.
type DriftKind string

// An Outcome is what must become of a record.
type Outcome string

const (
	// Stored is a row with the record's values, and nothing worth a word.
	Stored Outcome = "stored"
	// Drifted is a row too: nothing was lost or guessed, but the record was not as expected.
	Drifted Outcome = "drifted"
	// Parked is a record kept with its exact bytes and a reason, because no row can hold it truly.
	Parked Outcome = "parked"
	// Duplicate is a record that says again what another said: counted, and nothing else.
	Duplicate Outcome = "duplicate"
)

// A drift is a kind: what it does to a record, and, told apart from that, what must become of it.
type drift struct {
	kind DriftKind
	what string // for the help
	// hidesID says that the event's own id is not on the wire.
	hidesID bool
	// twin makes the record say the id of its newer neighbour, which was served just before.
	twin bool

	// bend changes what goes over the wire. v is a number of the event's own, by which one kind takes several shapes.
	bend func(r *record, e *event, v uint64)

	outcome Outcome
	// reason is why a record is parked.
	reason string
	// expect changes the row from what the event says to what the record says; nil leaves it.
	expect func(row *Row, e *event, v uint64)
}

// The reasons for which records are parked.
const (
	reasonNotObject    = "not an object"
	reasonMissing      = "missing field"
	reasonNull         = "null field"
	reasonType         = "wrong type"
	reasonTwice        = "duplicate field"
	reasonBadUUID      = "bad UUID"
	reasonBadTimestamp = "bad timestamp"
	reasonBadText      = "bad text"
	reasonNUL          = "NUL character"
	reasonUnstorable   = "unstorable"
	reasonConflict     = "conflict"
)

// driftTable is all drifts, in the order of the help.
var driftTable = concat(newFieldDrifts, fieldDrifts, timeDrifts, textDrifts, numberDrifts, spellingDrifts, twinDrifts)

var drifts = index(driftTable, func(d drift) DriftKind { return d.kind })

// DriftKinds lists every kind.
func DriftKinds() []DriftKind {
	kinds := make([]DriftKind, len(driftTable))
	for i, d := range driftTable {
		kinds[i] = d.kind
	}
	return kinds
}

// Describe says in a few words what a drift does, and what must become of the record.
func (k DriftKind) Describe() string {
	d := drifts[k]
	text := d.what + ": " + string(d.outcome)
	if d.reason != "" {
		text += ", " + d.reason
	}
	return text
}

func (DriftKind) terms() terms { return terms{"drift", "event", 0, texts(DriftKinds())} }
