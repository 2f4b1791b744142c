package domain

import (
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// The reasons for which a store parks a record that decoding let pass. They are stored and counted, so they stay as
// they are.
const (
	ReasonUnstorable = "unstorable" // the database refuses one of its values
	ReasonConflict   = "conflict"   // its id is stored with other values, and the first one stays
)

// A Reject is a record that cannot become a row, with the reason; it is parked.
type Reject struct {
	Record Record
	Why    Rejection
	Values string // of a conflict: a hash of the event's values, which are otherwise told apart by nothing; else empty
}

// A LetterKey is the identity under which a record is parked once (I2).
type LetterKey string

// Key is the event's id, since the same event may come in other bytes; where it has none that can be told, the hash of the
// record's bytes. Conflicts over one id are as many letters as there are sets of values.
func (r Reject) Key() LetterKey {
	switch {
	case r.Values != "":
		return LetterKey(r.Why.ID.String() + " with values " + r.Values)
	case r.Why.ID != EventID{}:
		return LetterKey(r.Why.ID.String())
	}
	sum := sha256.Sum256(r.Record.Payload)
	return LetterKey("sha256 " + hex.EncodeToString(sum[:]))
}

// A DeadLetter is a record that was parked: a record that no row could hold, with its exact bytes.
type DeadLetter struct {
	ID      int64 // in its database
	Key     LetterKey
	PageID  int64 // the ledger row of the page that parked it
	Index   int   // in that page, from 0
	Why     Rejection
	Payload []byte

	Seen     int64 // how often it was received
	Replays  int64 // how often it was replayed
	ParkedAt time.Time

	Resolved *Resolution // nil: it is open
}

// A Resolution says what became of a dead letter. Its record stays with it.
type Resolution struct {
	How    string // one of the How… constants
	Why    string // in words; of a discarded one, the user's
	At     time.Time
	PageID int64 // the ledger row that resolved it, 0 if none did
}

// How a letter is resolved. They are stored, so they stay as they are.
const (
	HowReplayed   = "replayed"   // a replay stored its event
	HowDuplicate  = "duplicate"  // a replay found its event stored already, with the same values
	HowSuperseded = "superseded" // the upstream sent the event as it should be, and that is stored
	HowDiscarded  = "discarded"  // by hand
)
