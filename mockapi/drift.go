package mockapi

import (
	"crypto/sha256"
	"slices"
	"strconv"
	"strings"
)

// A DriftKind names one way in which a record differs from what the API's documentation promises. [DriftKinds] returns
// all kinds.
type DriftKind string

// An Outcome is the expected result for a record.
type Outcome string

const (
	// Stored records become a row with their values.
	Stored Outcome = "stored"
	// Drifted records become a row too. Nothing is lost or guessed, but the record was not as expected.
	Drifted Outcome = "drifted"
	// Parked records become a dead letter with their exact bytes and a reason, because no row can hold them unchanged.
	Parked Outcome = "parked"
	// Duplicate records repeat another record: they are counted, and nothing is stored.
	Duplicate Outcome = "duplicate"
)

// A drift is a kind with the function that changes a record and, independent of that, the expected result.
type drift struct {
	kind        DriftKind
	description string // for the help
	// hidesID means that the event's own id is not on the wire.
	hidesID bool
	// copiesNeighbour makes the record a copy of its newer neighbour, which was served just before.
	copiesNeighbour bool

	// editRecord changes what goes over the wire; nil changes nothing. v is a number that depends on the event. It selects
	// one of the variants of a kind.
	editRecord func(r *record, e *event, v uint64)

	outcome Outcome
	// reason is why a record is parked.
	reason string
	// editRow changes the expected row from the event's values to those of the changed record; nil changes nothing.
	editRow func(row *Row, e *event, v uint64)
}

// The reasons of parked records.
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

// driftTable contains all drifts, in the order of the help.
var driftTable = slices.Concat(extraFieldDrifts, badFieldDrifts, timeDrifts, textDrifts, numberDrifts, spellingDrifts, neighbourDrifts)

var drifts = indexBy(driftTable, func(d drift) DriftKind { return d.kind })

// DriftKinds returns all kinds, in the order of the help.
func DriftKinds() []DriftKind {
	kinds := make([]DriftKind, len(driftTable))
	for i, d := range driftTable {
		kinds[i] = d.kind
	}
	return kinds
}

// Describe returns a short description of the drift and the expected result for the record.
func (k DriftKind) Describe() string {
	d := drifts[k]
	text := d.description + ": " + string(d.outcome)
	if d.reason != "" {
		text += ", " + d.reason
	}
	return text
}

func (DriftKind) info() kindInfo {
	return kindInfo{ruleName: "drift", numbered: "event", firstNumber: 0, kinds: toStrings(DriftKinds())}
}

// A driftPlan selects the events whose records drift, and their kinds. It depends on the seed and the event only: a
// record drifts in the same way on every pass, byte for byte, at any index in a page.
type driftPlan struct {
	schedule  schedule[DriftKind]
	startSize int // of the collection; the schedule uses the indices of that size
	variants  randomSequence
}

func newDriftPlan(seed uint64, startSize int, s schedule[DriftKind]) *driftPlan {
	return &driftPlan{schedule: s, startSize: startSize, variants: newRandomSequence(seed, "drift shapes")}
}

// kindFor returns the kind that the rules select for an event, "" for none.
func (p *driftPlan) kindFor(ordinal uint64) DriftKind {
	return p.schedule.kindFor(p.startSize-1-int(ordinal), ordinal) //nolint:gosec // bounded by maxEvents
}

// A snapshot is the collection at one moment, with its drifts.
type snapshot struct {
	dataset
	driftPlan *driftPlan // nil without drifts
}

// A changedRecord is a record that a drift changed.
type changedRecord struct {
	drift
	index   int
	event   event // the event that was encoded: the record's own or its neighbour
	variant uint64
	payload []byte
}

func (d *changedRecord) digest() Digest { return sha256.Sum256(d.payload) }

// changedRecord returns the record at index i if it drifts, else nil. A copy of the newer neighbour needs a neighbour
// that does not drift; without one, the record does not drift.
func (s *snapshot) changedRecord(i int) *changedRecord {
	if s.driftPlan == nil {
		return nil
	}
	ordinal := s.ordinal(i)
	kind := s.driftPlan.kindFor(ordinal)
	if kind == "" {
		return nil
	}
	d := &changedRecord{drift: drifts[kind], index: i, variant: s.driftPlan.variants.at(ordinal)}
	source := i
	if d.copiesNeighbour {
		source = i - 1
		if source < 0 || s.driftPlan.kindFor(ordinal+1) != "" {
			return nil
		}
	}
	s.read(source, &d.event)
	r := newRecord(&d.event, ordinal%3 != 0)
	if d.editRecord != nil {
		d.editRecord(&r, &d.event, d.variant)
	}
	d.payload = r.encode()
	return d
}

// A record is an event as its JSON members, so that a drift can change one of them. An empty member is left out. Only
// events that drift are encoded this way, because it is slow.
type record struct {
	id, sessionID, userID, eventType, name, properties, timestamp string
	session                                                       sessionRecord
	extraMembers                                                  string // appended after the others, for example `"a":1,"b":2`
	override                                                      string // if not empty, the text of the whole record
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

// encode returns the JSON of the record, with the members in the order of the API.
func (r *record) encode() []byte {
	if r.override != "" {
		return []byte(r.override)
	}
	session := formatObject(r.session.extraMembers,
		member{"id", r.session.id}, member{"deviceType", r.session.device}, member{"browser", r.session.browser})
	return []byte(formatObject(r.extraMembers,
		member{"id", r.id}, member{"sessionId", r.sessionID}, member{"userId", r.userID}, member{"type", r.eventType}, member{"name", r.name},
		member{"properties", r.properties}, member{"timestamp", r.timestamp}, member{"session", session}))
}

// A member is a member of a JSON object. Its value is JSON; an empty value leaves the member out.
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

// addProperty inserts a member before the record's other properties.
func (r *record) addProperty(name, value string) {
	r.properties = prependProperty(r.properties, name, value)
}

func prependProperty(properties, name, value string) string {
	return `{"` + name + `":` + value + "," + properties[1:]
}
