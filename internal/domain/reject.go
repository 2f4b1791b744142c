package domain

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A Rejection says why a record cannot become an event.
type Rejection struct {
	Reason string // the class of the fault, such as "bad timestamp"
	Field  string // the field at fault, such as "session.id"; empty if it is the record itself
	Detail string // in words, with at most a short excerpt of the value

	ID EventID // of the record, zero if unknown
}

func (r *Rejection) Error() string {
	if r.Field == "" {
		return r.Reason + ": " + r.Detail
	}
	return r.Reason + " in field " + r.Field + ": " + r.Detail
}

// The reasons for which a store parks a decoded record. They are stored, so they never change.
const (
	ReasonUnstorable = "unstorable" // the database refuses one of its values
	ReasonConflict   = "conflict"   // its id is stored with other values; the stored row stays
)

// A Reject is a record that cannot become a row, with the reason. It is parked.
type Reject struct {
	Record Record
	Why    Rejection
	Values string // of a conflict: a hash of the event's values; else empty
}

// A RecordHash is a hash of a record's content, see [Decoder.Hash].
type RecordHash [sha256.Size]byte

// HashBytes returns a hash of the record's bytes. It is the hash of a record whose content is unknown.
func HashBytes(r Record) RecordHash { return sha256.Sum256(r.Payload) }

// A DeadLetterKey identifies a dead letter within its stream: a record is parked once by its key (I2).
type DeadLetterKey string

// KeyOf returns the key of one of the page's rejects: its event id, if known, and a hash of the record's content. For a
// conflict it is a hash of the event's values. So records with one event id and different content have different keys.
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

// HashOf returns the hash of one of the page's records.
func (p DecodedPage) HashOf(r Record) RecordHash {
	if p.Hash == nil {
		return HashBytes(r)
	}
	return p.Hash(r)
}

// LegacyKey returns the key that earlier versions of pawl gave the reject: its event id alone, or the hash of its bytes if
// the id is unknown. A dead letter keeps its key. A dead letter with the legacy key is the reject's only if it has the
// reject's bytes.
func (r Reject) LegacyKey() DeadLetterKey {
	if r.Why.ID != (EventID{}) {
		return DeadLetterKey(r.Why.ID.String())
	}
	sum := sha256.Sum256(r.Record.Payload)
	return DeadLetterKey("sha256 " + hex.EncodeToString(sum[:]))
}

// CheckRejectRatio returns nil if the page may park the rejects, and TooManyRejects if there are more than p.MaxParked. The
// error shows some of them and what most of them have in common: so many at once are rarely the records' fault.
func (p DecodedPage) CheckRejectRatio(rejects []Reject) error {
	if len(rejects) <= p.MaxParked {
		return nil
	}
	common, n := mostCommonFault(rejects)
	cause := "the API has changed, or what it sends is broken"
	if n == len(rejects) {
		cause += "; all of them have the same fault"
	}
	return &Error{
		Kind: TooManyRejects, Op: "decode page",
		Err: fmt.Errorf("%d of %d records (pass %d, after record %d, request id %q) cannot be stored as events, most often (%d) for %s; %s",
			len(rejects), p.Received, p.To.Pass, p.From.Offset, p.Receipt.RequestID, n, common, describeRejects(rejects)),
		Hint:   "nothing of this page was stored: " + cause,
		Remedy: ParkRejects,
	}
}

// mostCommonFault returns the fault that most rejects have, and how many have it. Of several it returns the first.
func mostCommonFault(rejects []Reject) (fault string, n int) {
	counts := map[string]int{}
	for _, r := range rejects {
		counts[r.fault()]++
	}
	for _, r := range rejects {
		if c := counts[r.fault()]; c > n {
			fault, n = r.fault(), c
		}
	}
	return fault, n
}

// maxShownRejects is the number of rejects that an error describes.
const maxShownRejects = 3

// describeRejects describes up to maxShownRejects of the rejects. It prefers rejects with different faults.
func describeRejects(rejects []Reject) string {
	var firsts, others []Reject // the first reject of each fault, and some of the rest
	for _, r := range rejects {
		switch {
		case !slices.ContainsFunc(firsts, func(s Reject) bool { return s.fault() == r.fault() }):
			firsts = append(firsts, r)
		case len(others) < maxShownRejects:
			others = append(others, r)
		}
		if len(firsts) == maxShownRejects {
			break
		}
	}
	shown := slices.Concat(firsts, others)
	var texts []string
	for _, r := range shown[:min(maxShownRejects, len(shown))] {
		texts = append(texts, "record "+strconv.Itoa(r.Record.Index)+": "+r.Why.Error())
	}
	return strings.Join(texts, "; ")
}

// fault returns the reject's reason and field.
func (r Reject) fault() string {
	if r.Why.Field == "" {
		return strconv.Quote(r.Why.Reason)
	}
	return strconv.Quote(r.Why.Reason) + " in field " + r.Why.Field
}
