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

// A DeadLetterKey is the identity under which a record is parked once (I2).
type DeadLetterKey string

// A RecordHash tells what a record says from what others say, see Decoder.Hash.
type RecordHash [sha256.Size]byte

// HashBytes returns the hash of a record of which nothing is known but its bytes.
func HashBytes(r Record) RecordHash { return sha256.Sum256(r.Payload) }

// MaxOpenDeadLetters is the number of dead letters of one event that may be open at a time. An API that writes the time of the
// request into each record would otherwise park each record anew with every pass.
const MaxOpenDeadLetters = 16

// HashOf returns the hash of one of the page's records.
func (p DecodedPage) HashOf(r Record) RecordHash {
	if p.Hash == nil {
		return HashBytes(r)
	}
	return p.Hash(r)
}

// KeyOf returns the key under which the page's reject is parked: the id of its event, if that can be told, and the hash of
// the record, or of a conflict the hash of its values. So records of one event that say different things are different
// dead letters.
func (p DecodedPage) KeyOf(r Reject) DeadLetterKey {
	if r.Values != "" {
		return DeadLetterKey(r.Why.ID.String() + " with values " + r.Values)
	}
	hash := p.HashOf(r.Record)
	key := "sha256 " + hex.EncodeToString(hash[:])
	if r.Why.ID != (EventID{}) {
		key = r.Why.ID.String() + " " + key
	}
	return DeadLetterKey(key)
}

// LegacyKey returns the key that earlier versions gave the reject: the id alone, or else the hash of the bytes. A dead
// letter keeps its key, so a letter of that key is the reject's if its bytes are the reject's, too.
func (r Reject) LegacyKey() DeadLetterKey {
	if r.Why.ID != (EventID{}) {
		return DeadLetterKey(r.Why.ID.String())
	}
	sum := sha256.Sum256(r.Record.Payload)
	return DeadLetterKey("sha256 " + hex.EncodeToString(sum[:]))
}

// A DeadLetter is a record that was parked: a record that no row could hold, with its exact bytes.
type DeadLetter struct {
	ID      int64 // in its database
	Key     DeadLetterKey
	PageID  int64 // the ledger row of the page that parked it
	Index   int   // in that page, from 0
	Why     Rejection
	Payload []byte

	Seen     int64 // how often it was received, Others included
	Others   int64 // records of the same event with other bytes that were received and not kept, see MaxOpenDeadLetters
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
	ResolvedByReplay     = "replayed"   // a replay stored its event
	ResolvedAsDuplicate  = "duplicate"  // a replay found its event stored already, with the same values
	ResolvedAsSuperseded = "superseded" // the upstream sent the event as it should be, and that is stored
	ResolvedByDiscard    = "discarded"  // by hand
)
