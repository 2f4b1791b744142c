package domain

import "strconv"

// A Check is one property of a stream that `pawl verify` checks.
type Check int

// These are the checks, in the order in which they are made. The last two compare the database with the API. The others read
// only the database. The texts in checkTexts say what each of them checks.
const (
	CheckBalance Check = iota
	CheckCheckpoint
	CheckChain
	CheckPageEvents
	CheckEventPages
	CheckDeadLetters
	CheckPayloads
	CheckResolutions
	CheckAnnounced
	CheckReturned
	CheckUnreturned
)

var checkTexts = [...]struct{ name, statement string }{
	CheckBalance:     {"balance", "received = inserted + duplicate + parked, for every page and replay, every pass and in total"},
	CheckCheckpoint:  {"checkpoint", "the checkpoint has the sum of its ledger's counts and the position after the last page or reset"},
	CheckChain:       {"chain", "every page follows the page before it in its pass: seq, cursor, position"},
	CheckPageEvents:  {"events", "every page and replay inserted as many events as its ledger row says"},
	CheckEventPages:  {"strays", "every event was inserted by a page or replay of the ledger"},
	CheckDeadLetters: {"letters", "every page parked, and every replay resolved, as many dead letters as its ledger row says"},
	CheckPayloads:    {"payloads", "every dead letter has the bytes that were parked"},
	CheckResolutions: {"resolved", "every resolved dead letter names the ledger row that resolved it, and its event is stored"},
	CheckAnnounced:   {"announced", "a pass that is done received as many records as the API announced, and all are stored or parked"},
	CheckReturned:    {"returned", "every record that the API returns is stored with the same values, or parked"},
	CheckUnreturned:  {"unreturned", "the API returns every event that is stored"},
}

// String returns the check's name, one word.
func (c Check) String() string {
	if c < 0 || int(c) >= len(checkTexts) {
		return "check " + strconv.Itoa(int(c))
	}
	return checkTexts[c].name
}

// Statement returns a sentence that is true if the check finds no difference. For an unknown check it returns an empty text.
func (c Check) Statement() string {
	if c < 0 || int(c) >= len(checkTexts) {
		return ""
	}
	return checkTexts[c].statement
}

// InventoryChecks returns the checks that read only the database, in the order in which they are made.
func InventoryChecks() []Check {
	return []Check{
		CheckBalance, CheckCheckpoint, CheckChain, CheckPageEvents, CheckEventPages,
		CheckDeadLetters, CheckPayloads, CheckResolutions, CheckAnnounced,
	}
}

// MaxShownDifferences is the number of differences that a Finding describes.
const MaxShownDifferences = 20

// A Finding is the result of one check. The check has succeeded if Differences is 0.
type Finding struct {
	Check       Check
	Differences int64        // the number of differences
	Shown       []Difference // the first differences, at most MaxShownDifferences
}

// Add counts all the differences, and adds them to Shown until Shown has MaxShownDifferences.
func (f *Finding) Add(differences ...Difference) {
	f.Differences += int64(len(differences))
	room := min(MaxShownDifferences-len(f.Shown), len(differences))
	f.Shown = append(f.Shown, differences[:room]...)
}

// A Difference is one case in which a check fails.
type Difference struct {
	// PageID, Seq and Pass name the ledger row of a page or replay. They are 0 unless the difference is about exactly one row.
	PageID, Seq, Pass int64
	RequestID         string  // the id of the API's answer; empty if the difference is not about one answer
	Event             EventID // zero if the difference is not about one event

	// If two values differ, What is the name of the first value, and OtherName is the name of the value that it should equal.
	// An example: What "events", Value "5", OtherName "sum of the ledger", OtherValue "6". Any other difference has only What,
	// which then describes it.
	What, Value, OtherName, OtherValue string
}

// An Inspection is the state of a stream at one moment, with the findings about it.
type Inspection struct {
	Stream   StreamReport
	Stored   int64 // the number of events that the ledger counts as inserted, by pages and by replays
	Parked   int64 // the number of open or discarded dead letters; the events of other dead letters are stored
	Findings []Finding

	EndAccepted bool // the last page ended its pass below the announced total, and the user accepted this
	Shared      bool // another stream stores into the same table, so it may have stored some of this stream's records
}

// Accounted returns how many of the records in the API's total are stored or parked. It estimates this number, because the
// number is not known exactly.
func (i Inspection) Accounted() int64 {
	checkpoint := i.Stream.Checkpoint
	accounted := checkpoint.Inserted + checkpoint.Parked
	if i.Shared { // another stream may have stored any record that the last pass received
		accounted = max(accounted, checkpoint.Offset)
	}
	// If the sum exceeds the total, some of the parked records are other versions of the same events.
	accounted = min(accounted, checkpoint.AnnouncedLast.N)
	// CheckAnnounced checks that at least the first announced total is stored or parked.
	return max(accounted, checkpoint.AnnouncedFirst.N)
}

// A PageComparison is the result of comparing one page of the API with the database.
type PageComparison struct {
	Parked      int64        // the number of records that are parked
	NotKept     int64        // the number of records that are only counted in another dead letter, see MaxOpenDeadLetters
	Missing     []Difference // records that are neither stored nor parked; they may be newer than the last pass
	Differences []Difference // all other differences
}
