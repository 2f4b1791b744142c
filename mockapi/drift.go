package mockapi

import (
	"crypto/sha256"
	"slices"
	"strconv"
	"strings"
)

// A DriftKind names one way in which a record differs from the API's documentation. A record is the JSON of an event on the
// wire. [DriftKinds] returns all kinds.
type DriftKind string

// An Outcome is the expected result for a record.
type Outcome string

const (
	// Stored means that the record becomes a row with its values.
	Stored Outcome = "stored"
	// Drifted means that the record becomes a row although its form is unexpected. No value is lost or guessed.
	Drifted Outcome = "drifted"
	// Parked means that the record becomes a dead letter with its exact bytes and a reason, because no row can hold it
	// unchanged.
	Parked Outcome = "parked"
	// Duplicate means that the record repeats another record. A client counts it but does not store it again.
	Duplicate Outcome = "duplicate"
)

// A drift describes one kind. It changes a record by one function, and the expected row by another one. The functions are
// independent, so that a test compares two computations.
type drift struct {
	kind        DriftKind
	description string // for the help
	// hidesID means that the event's own id is not on the wire.
	hidesID bool
	// copiesNeighbour means that the record is made from its newer neighbour's event. The newer neighbour is the record that
	// a pass reads just before this record.
	copiesNeighbour bool

	// editRecord changes the record of event e on the wire. If editRecord is nil, the record stays unchanged. variant is a
	// random number that depends on the event. It selects one of the variants of the kind.
	editRecord func(r *record, e *event, variant uint64)

	outcome Outcome
	// reason is the reason why a record is parked. It is empty for other outcomes.
	reason string
	// editRow changes the expected row. Before the call the row has the values of event e, and after it those of the changed
	// record. If editRow is nil, the drift changes no value of the row.
	editRow func(row *Row, e *event, variant uint64)
}

// A parked record has one of these reasons. They are the texts of Row.Reason.
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

// driftTable contains all drifts in the order of the help.
var driftTable = slices.Concat(extraFieldDrifts, badFieldDrifts, timeDrifts, textDrifts, numberDrifts, spellingDrifts, neighbourDrifts)

// drifts contains all drifts by their kinds.
var drifts = indexBy(driftTable, func(d drift) DriftKind { return d.kind })

// DriftKinds returns all kinds in the order of the help of cmd/mockapi.
func DriftKinds() []DriftKind {
	kinds := make([]DriftKind, len(driftTable))
	for i, d := range driftTable {
		kinds[i] = d.kind
	}
	return kinds
}

// Describe returns "description: outcome", or "description: outcome, reason" if the record is parked.
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

// A driftPlan selects a kind of drift for some of the events. The choice depends on the rules, the seed and the event only.
// Therefore a drifted record has the same bytes on every pass and at any index in a page.
type driftPlan struct {
	schedule  schedule[DriftKind]
	startSize int            // the size of the collection when the server started
	variants  randomSequence // by ordinal, see drift.editRecord
}

// newDriftPlan returns the plan for a schedule, whose numbers are the indices that events had when the server started.
func newDriftPlan(seed uint64, startSize int, s schedule[DriftKind]) *driftPlan {
	return &driftPlan{schedule: s, startSize: startSize, variants: newRandomSequence(seed, "drift shapes")}
}

// kindFor returns the kind that the rules select for the event with this ordinal, which is its distance from the oldest
// event. It returns "" if the event does not drift.
func (p *driftPlan) kindFor(ordinal uint64) DriftKind {
	indexAtStart := p.startSize - 1 - int(ordinal) //nolint:gosec // bounded by maxEvents
	return p.schedule.kindFor(indexAtStart, ordinal)
}

// A snapshot is the collection at one moment, with its drifts.
type snapshot struct {
	dataset
	driftPlan *driftPlan // nil if no record drifts
}

// A changedRecord is a record that a drift changed.
type changedRecord struct {
	drift          // the drift that changed the record
	index   int    // of the record
	event   event  // the event that the record encodes: the event at index, or its newer neighbour
	variant uint64 // the number that was passed to editRecord
	payload []byte // the bytes on the wire
}

func (r *changedRecord) digest() Digest { return sha256.Sum256(r.payload) }

// changedRecord returns the record at index i if a drift changes it, else nil. A drift that copies the newer neighbour
// changes nothing if there is no such neighbour, or if the neighbour drifts too.
func (s *snapshot) changedRecord(i int) *changedRecord {
	if s.driftPlan == nil {
		return nil
	}
	ordinal := s.ordinal(i)
	kind := s.driftPlan.kindFor(ordinal)
	if kind == "" {
		return nil
	}
	changed := &changedRecord{drift: drifts[kind], index: i, variant: s.driftPlan.variants.number(ordinal)}
	source := i // the index of the event to encode
	if changed.copiesNeighbour {
		source = i - 1
		hasNeighbour := source >= 0
		if !hasNeighbour || s.driftPlan.kindFor(ordinal+1) != "" {
			return nil
		}
	}
	s.read(source, &changed.event)
	// The form of the time depends on the ordinal and not on the index in the page, so that the bytes are always the same.
	isoTime := ordinal%3 != 0
	r := newRecord(&changed.event, isoTime)
	if changed.editRecord != nil {
		changed.editRecord(&r, &changed.event, changed.variant)
	}
	changed.payload = r.encode()
	return changed
}

// A record contains the JSON values of an event's members, so that a drift can change one of them. A member with an empty
// value is left out. Only events that drift are encoded by this type, because appendEvent is faster.
type record struct {
	id, sessionID, userID       string
	eventType, name, properties string
	timestamp                   string
	session                     sessionRecord
	extraMembers                string // appended after the other members, for example `"a":1,"b":2`
	override                    string // the text of the whole record, if not empty
}

// A sessionRecord contains the JSON values of the members of "session".
type sessionRecord struct{ id, device, browser, extraMembers string }

// newRecord returns the record of an event without a drift. isoTime selects the form of the time, see appendTime.
func newRecord(e *event, isoTime bool) record {
	sessionID := strconv.Quote(e.sessionID.String())
	return record{
		id:         strconv.Quote(e.id.String()),
		sessionID:  sessionID,
		userID:     strconv.Quote(e.userID.String()),
		eventType:  strconv.Quote(e.eventType),
		name:       strconv.Quote(string(e.name[:])),
		properties: string(e.properties),
		timestamp:  string(appendTime(nil, e.timeMS, isoTime)),
		session:    sessionRecord{id: sessionID, device: strconv.Quote(e.device), browser: strconv.Quote(e.browser)},
	}
}

// encode returns the JSON of the record with the members in the order of the API.
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

// A member is a member of a JSON object. Its value is JSON text.
type member struct{ name, value string }

// formatObject returns a JSON object with the members whose value is not empty, and then the text extraMembers.
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

// addProperty inserts a property before the record's other properties.
func (r *record) addProperty(name, value string) {
	r.properties = prependProperty(r.properties, name, value)
}

// prependProperty returns the JSON object properties with one more member at its beginning.
func prependProperty(properties, name, value string) string {
	return `{"` + name + `":` + value + "," + properties[1:]
}
