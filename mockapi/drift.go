package mockapi

import (
	"crypto/sha256"
	"strconv"
	"strings"
)

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

// A drifting decides which record drifts and how, from the seed and the event alone: it drifts in the same way on every
// pass, byte for byte, wherever in a page it stands.
type drifting struct {
	schedule schedule[DriftKind]
	origin   int // the size of the collection whose indices the schedule uses
	shapes   draw
}

func newDrifting(seed uint64, origin int, s schedule[DriftKind]) *drifting {
	return &drifting{schedule: s, origin: origin, shapes: newDraw(seed, "drift shapes")}
}

// strike is the kind that the rules give an event, "" for none.
func (d *drifting) strike(ordinal uint64) DriftKind {
	return d.schedule.strike(d.origin-1-int(ordinal), ordinal) //nolint:gosec // bounded by maxEvents
}

// A view is the collection of one moment, with what is wrong in it.
type view struct {
	dataset
	drifts *drifting // nil if nothing is
}

// A drifted is a record that is not as it should be.
type drifted struct {
	drift
	index   int
	event   event // whose id and values the record says, but for what the drift changed
	shape   uint64
	payload []byte
}

func (d *drifted) sum() Digest { return sha256.Sum256(d.payload) }

// drifted is the record at index i if it drifts, else nil. A twin needs a newer neighbour that is sound; without one the
// record is.
func (v *view) drifted(i int) *drifted {
	if v.drifts == nil {
		return nil
	}
	ordinal := v.ordinal(i)
	kind := v.drifts.strike(ordinal)
	if kind == "" {
		return nil
	}
	d := &drifted{drift: drifts[kind], index: i, shape: v.drifts.shapes.at(ordinal)}
	source := i
	if d.twin {
		source = i - 1
		if source < 0 || v.drifts.strike(ordinal+1) != "" {
			return nil
		}
	}
	v.read(source, &d.event)
	r := newRecord(&d.event, ordinal%3 != 0)
	if d.bend != nil {
		d.bend(&r, &d.event, d.shape)
	}
	d.payload = r.bytes()
	return d
}

// A record is an event on the wire in parts, each a JSON text, so that a drift can change one. An empty text leaves its
// member out. It is slow; only events that drift are written by way of it.
type record struct {
	id, sessionID, userID, kind, name, properties, timestamp string
	session                                                  sessionRecord
	more                                                     string // members behind the others, such as `"a":1,"b":2`
	instead                                                  string // of the whole record
}

type sessionRecord struct{ id, device, browser, more string }

func newRecord(e *event, isoTime bool) record {
	id := strconv.Quote(e.session.String())
	return record{
		id: strconv.Quote(e.id.String()), sessionID: id, userID: strconv.Quote(e.user.String()), kind: strconv.Quote(e.kind),
		name: strconv.Quote(string(e.name[:])), properties: string(e.properties), timestamp: string(appendTime(nil, e.at, isoTime)),
		session: sessionRecord{id: id, device: strconv.Quote(e.device), browser: strconv.Quote(e.browser)},
	}
}

// bytes is the record in the order of the wire.
func (r *record) bytes() []byte {
	if r.instead != "" {
		return []byte(r.instead)
	}
	session := object(r.session.more, member{"id", r.session.id}, member{"deviceType", r.session.device}, member{"browser", r.session.browser})
	return []byte(object(r.more,
		member{"id", r.id}, member{"sessionId", r.sessionID}, member{"userId", r.userID}, member{"type", r.kind}, member{"name", r.name},
		member{"properties", r.properties}, member{"timestamp", r.timestamp}, member{"session", session}))
}

type member struct{ name, value string }

func object(more string, members ...member) string {
	var all []string
	for _, m := range members {
		if m.value != "" {
			all = append(all, strconv.Quote(m.name)+":"+m.value)
		}
	}
	if more != "" {
		all = append(all, more)
	}
	return "{" + strings.Join(all, ",") + "}"
}

// setProperty puts a member in front of the properties: it holds what the record had, and this.
func (r *record) setProperty(name, value string) {
	r.properties = withProperty(r.properties, name, value)
}

func withProperty(properties, name, value string) string {
	return `{"` + name + `":` + value + "," + properties[1:]
}
