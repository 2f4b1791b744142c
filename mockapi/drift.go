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
	kind        DriftKind
	description string // for the help
	// hidesID says that the event's own id is not on the wire.
	hidesID bool
	// twin makes the record say the id of its newer neighbour, which was served just before.
	copiesNeighbour bool

	// bend changes what goes over the wire. v is a number of the event's own, by which one kind takes several shapes.
	editRecord func(r *record, e *event, v uint64)

	outcome Outcome
	// reason is why a record is parked.
	reason string
	// expect changes the row from what the event says to what the record says; nil leaves it.
	editRow func(row *Row, e *event, v uint64)
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
var driftTable = concat(extraFieldDrifts, badFieldDrifts, timeDrifts, textDrifts, numberDrifts, spellingDrifts, neighbourDrifts)

var drifts = indexBy(driftTable, func(d drift) DriftKind { return d.kind })

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
	text := d.description + ": " + string(d.outcome)
	if d.reason != "" {
		text += ", " + d.reason
	}
	return text
}

func (DriftKind) info() kindInfo { return kindInfo{"drift", "event", 0, toStrings(DriftKinds())} }

// A drifting decides which record drifts and how, from the seed and the event alone: it drifts in the same way on every
// pass, byte for byte, wherever in a page it stands.
type driftPlan struct {
	schedule  schedule[DriftKind]
	startSize int // the size of the collection whose indices the schedule uses
	variants  randomSequence
}

func newDriftPlan(seed uint64, startSize int, s schedule[DriftKind]) *driftPlan {
	return &driftPlan{schedule: s, startSize: startSize, variants: newRandomSequence(seed, "drift shapes")}
}

// strike is the kind that the rules give an event, "" for none.
func (d *driftPlan) kindFor(ordinal uint64) DriftKind {
	return d.schedule.kindFor(d.startSize-1-int(ordinal), ordinal) //nolint:gosec // bounded by maxEvents
}

// A view is the collection of one moment, with what is wrong in it.
type snapshot struct {
	dataset
	plan *driftPlan // nil if nothing is
}

// A drifted is a record that is not as it should be.
type changedRecord struct {
	drift
	index   int
	event   event // whose id and values the record says, but for what the drift changed
	variant uint64
	payload []byte
}

func (d *changedRecord) digest() Digest { return sha256.Sum256(d.payload) }

// drifted is the record at index i if it drifts, else nil. A twin needs a newer neighbour that is sound; without one the
// record is.
func (v *snapshot) changedRecord(i int) *changedRecord {
	if v.plan == nil {
		return nil
	}
	ordinal := v.ordinal(i)
	kind := v.plan.kindFor(ordinal)
	if kind == "" {
		return nil
	}
	d := &changedRecord{drift: drifts[kind], index: i, variant: v.plan.variants.at(ordinal)}
	source := i
	if d.copiesNeighbour {
		source = i - 1
		if source < 0 || v.plan.kindFor(ordinal+1) != "" {
			return nil
		}
	}
	v.read(source, &d.event)
	r := newRecord(&d.event, ordinal%3 != 0)
	if d.editRecord != nil {
		d.editRecord(&r, &d.event, d.variant)
	}
	d.payload = r.encode()
	return d
}

// A record is an event on the wire in parts, each a JSON text, so that a drift can change one. An empty text leaves its
// member out. It is slow; only events that drift are written by way of it.
type record struct {
	id, sessionID, userID, eventType, name, properties, timestamp string
	session                                                       sessionRecord
	extraMembers                                                  string // members behind the others, such as `"a":1,"b":2`
	override                                                      string // of the whole record
}

type sessionRecord struct{ id, device, browser, extraMembers string }

func newRecord(e *event, isoTime bool) record {
	id := strconv.Quote(e.sessionID.String())
	return record{
		id: strconv.Quote(e.id.String()), sessionID: id, userID: strconv.Quote(e.userID.String()), eventType: strconv.Quote(e.eventType),
		name: strconv.Quote(string(e.name[:])), properties: string(e.properties), timestamp: string(appendTime(nil, e.at, isoTime)),
		session: sessionRecord{id: id, device: strconv.Quote(e.device), browser: strconv.Quote(e.browser)},
	}
}

// bytes is the record in the order of the wire.
func (r *record) encode() []byte {
	if r.override != "" {
		return []byte(r.override)
	}
	session := formatObject(r.session.extraMembers, member{"id", r.session.id}, member{"deviceType", r.session.device}, member{"browser", r.session.browser})
	return []byte(formatObject(r.extraMembers,
		member{"id", r.id}, member{"sessionId", r.sessionID}, member{"userId", r.userID}, member{"type", r.eventType}, member{"name", r.name},
		member{"properties", r.properties}, member{"timestamp", r.timestamp}, member{"session", session}))
}

type member struct{ name, value string }

func formatObject(extraMembers string, members ...member) string {
	var all []string
	for _, m := range members {
		if m.value != "" {
			all = append(all, strconv.Quote(m.name)+":"+m.value)
		}
	}
	if extraMembers != "" {
		all = append(all, extraMembers)
	}
	return "{" + strings.Join(all, ",") + "}"
}

// setProperty puts a member in front of the properties: it holds what the record had, and this.
func (r *record) addProperty(name, value string) {
	r.properties = prependProperty(r.properties, name, value)
}

func prependProperty(properties, name, value string) string {
	return `{"` + name + `":` + value + "," + properties[1:]
}
