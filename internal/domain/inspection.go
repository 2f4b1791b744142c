package domain

import "strconv"

// A Check names one property that `verify` proves.
type Check int

// The checks, in the order in which they are made: first those of the database alone, then those against the API.
const (
	CheckBalance     Check = iota // I5
	CheckCheckpoint               // the checkpoint is the sum of its ledger
	CheckChain                    // each page follows the one before it
	CheckPageEvents               // each page stored as many events as its ledger row says
	CheckEventPages               // each event has the ledger row of a page
	CheckDeadLetters              // each page parked, and each replay resolved, as many dead letters as its ledger row says
	CheckPayloads                 // each dead letter still has the bytes that were parked
	CheckResolutions              // each resolved dead letter names what resolved it, and its event is stored
	CheckAnnounced                // a pass that is done has received what was announced, and the stream stored or parked it
	CheckReturned                 // each record that the API returns is stored, value for value, or parked
	CheckUnreturned               // the API returns each stored event
)

var checkTexts = [...]struct{ name, claim string }{
	{"balance", "received = inserted + duplicate + parked, for every page and replay, every pass and in total"},
	{"checkpoint", "the checkpoint is the sum of its ledger and stands behind its last page"},
	{"chain", "every page follows the one before in its pass: seq, cursor, position"},
	{"events", "every page and replay brought as many events as it says"},
	{"strays", "every event was brought by a page"},
	{"letters", "every page parked, and every replay resolved, as many dead letters as it says"},
	{"payloads", "every dead letter has the bytes that were parked"},
	{"resolved", "every resolved dead letter names what resolved it, and its event is stored"},
	{"announced", "the pass that is done has received, and the stream stored or parked, what the API announced"},
	{"returned", "every record that the API returns is stored, value for value, or parked"},
	{"unreturned", "every event that is stored, the API returns"},
}

// String returns the check's name, one word.
func (c Check) String() string {
	if c < 0 || int(c) >= len(checkTexts) {
		return "check " + strconv.Itoa(int(c))
	}
	return checkTexts[c].name
}

// Claim returns what the check proves, in words. It returns an empty text for an unknown check.
func (c Check) Claim() string {
	if c < 0 || int(c) >= len(checkTexts) {
		return ""
	}
	return checkTexts[c].claim
}

// InventoryChecks returns the checks of the database alone, in the order in which they are made.
func InventoryChecks() []Check {
	return []Check{CheckBalance, CheckCheckpoint, CheckChain, CheckPageEvents, CheckEventPages, CheckDeadLetters, CheckPayloads, CheckResolutions, CheckAnnounced}
}

// MaxShownDifferences is the number of differences that a Finding describes.
const MaxShownDifferences = 20

// A Finding is the result of one check. The check holds if Differences is 0.
type Finding struct {
	Check       Check
	Differences int64
	Shown       []Difference // the first of them, at most MaxShownDifferences
}

// Add counts the differences and describes as many as there is room for.
func (f *Finding) Add(differences ...Difference) {
	f.Differences += int64(len(differences))
	room := min(MaxShownDifferences-len(f.Shown), len(differences))
	f.Shown = append(f.Shown, differences[:room]...)
}

// A Difference is one case in which a check fails.
type Difference struct {
	PageID, Seq, Pass int64   // of the page or replay in the ledger; 0 if it is about none or several
	RequestID         string  // of the API's answer; empty if it is not about one
	Event             EventID // zero if it is not about one event

	What           string // what is wrong, or the name of the value
	Value          string // as recorded; empty, like the two below, if What says all
	Against, Found string // what Value should equal, and the value of that
}

// An Inspection is the state of a stream at one moment, with the findings about it.
type Inspection struct {
	Stream   StreamReport
	Stored   int64 // events that the ledger counts, replays included
	Parked   int64 // dead letters whose record is not stored as an event: the open and the discarded ones
	Findings []Finding

	EndAccepted bool // the last page ended its pass below the announced total, which the user accepted
	Shared      bool // another stream stores into the same table; it may have stored some of this stream's records
}

// Accounted returns how many records of the API's total are stored or parked. It is at least the total that was announced
// when the last pass began, which CheckAnnounced proves. It is at most the total that was announced when the pass ended:
// parked records beyond that are other versions of the same records. In a shared table each received record counts as
// stored.
func (i Inspection) Accounted() int64 {
	at := i.Stream.Checkpoint
	accounted := at.Inserted + at.Parked
	if i.Shared {
		accounted = max(accounted, at.Offset)
	}
	return max(at.AnnouncedFirst.N, min(at.AnnouncedLast.N, accounted))
}

// A PageComparison is the result of comparing one page of the API with the database.
type PageComparison struct {
	Parked      int64        // records that are parked
	NotKept     int64        // records that are counted in another dead letter of their event, see MaxOpenDeadLetters
	Missing     []Difference // records that are neither stored nor parked; they may be newer than the last pass
	Differences []Difference // all others
}
