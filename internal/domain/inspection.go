package domain

import "strconv"

// A Check is one thing that holds in a sound database.
type Check int

// The checks: first those of a database by itself, in the order in which they are made, then those against the upstream.
const (
	CheckBalance     Check = iota // I5
	CheckCheckpoint               // the checkpoint is the sum of its ledger
	CheckChain                    // each page follows the one before
	CheckPageEvents               // each page brought the events it says
	CheckEventPages               // each event was brought by a page
	CheckDeadLetters              // each page parked, and each replay resolved, the dead letters it says
	CheckPayloads                 // each dead letter has the bytes that were parked
	CheckResolutions              // each resolved dead letter was resolved by a row of the ledger, and its event is stored
	CheckAnnounced                // a pass that is done has received, stored or parked what was announced
	CheckReturned                 // what the upstream returns is stored, with these values, or parked
	CheckUnreturned               // what is stored, the upstream returns
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

// String is the check's name, one word.
func (c Check) String() string {
	if c < 0 || int(c) >= len(checkTexts) {
		return "check " + strconv.Itoa(int(c))
	}
	return checkTexts[c].name
}

// Claim is what the check proves, in words; empty for a check there is not.
func (c Check) Claim() string {
	if c < 0 || int(c) >= len(checkTexts) {
		return ""
	}
	return checkTexts[c].claim
}

// InventoryChecks are the checks of a database by itself, in the order in which they are made.
func InventoryChecks() []Check {
	return []Check{CheckBalance, CheckCheckpoint, CheckChain, CheckPageEvents, CheckEventPages, CheckDeadLetters, CheckPayloads, CheckResolutions, CheckAnnounced}
}

// MaxShownDifferences is how many differences of one check are told one by one.
const MaxShownDifferences = 20

// A Finding is what a check came to. It holds if Differences is 0.
type Finding struct {
	Check       Check
	Differences int64
	Shown       []Difference // the first of them, at most MostShown
}

// Add counts differences, and keeps the first of them.
func (f *Finding) Add(differences ...Difference) {
	f.Differences += int64(len(differences))
	room := min(MaxShownDifferences-len(f.Shown), len(differences))
	f.Shown = append(f.Shown, differences[:room]...)
}

// A Difference is one place where a check fails.
type Difference struct {
	PageID, Seq, Pass int64   // the page in the ledger, or the replay; 0 where there is none, or not one alone
	RequestID         string  // of the upstream's answer, empty if it is not about one
	Event             EventID // zero if it is not about one

	What           string // what is wrong, or what is recorded
	Value          string // as recorded; empty, like those below, where What says all
	Against, Found string // what it should equal, and what that is
}

// An Inspection is a stream as it was found at one moment.
type Inspection struct {
	Stream   StreamReport
	Stored   int64 // events that its ledger counts, replays included
	Parked   int64 // dead letters whose record is no event: open, or discarded
	Findings []Finding

	EndAccepted bool // the last page ended its pass below the announced total, and the user accepted that
	Shared      bool // another stream stores into the same table, and may have stored records of this one before
}

// Accounted returns how many records of the API's total the last pass accounts for: the stored and parked ones, between
// the totals that were announced when it began and when it ended. (Reconciliation checks the first. Beyond the last are
// later versions of the same records, which were parked.) With a shared table each received record counts as stored.
func (i Inspection) Accounted() int64 {
	at := i.Stream.Checkpoint
	held := at.Inserted + at.Parked
	if i.Shared {
		held = max(held, at.Offset)
	}
	return max(at.AnnouncedFirst.N, min(at.AnnouncedLast.N, held))
}

// A PageComparison is what came of holding one page of the upstream's against the database.
type PageComparison struct {
	Parked      int64        // records that are no rows but dead letters
	NotKept     int64        // records that were counted in another dead letter of their event, see MaxOpenDeadLetters
	Missing     []Difference // records that are neither stored nor parked; they may be newer than what was read
	Differences []Difference // all others
}
