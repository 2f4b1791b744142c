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
	Field  string // the field that has the fault, such as "session.id"; empty if the fault is not in one field
	Detail string // a description of the fault, with at most a short excerpt of the value

	ID EventID // the event id in the record; zero if it is unknown
}

func (r *Rejection) Error() string {
	if r.Field == "" {
		return r.Reason + ": " + r.Detail
	}
	return r.Reason + " in field " + r.Field + ": " + r.Detail
}

// These are the reasons for which a store parks a record that could be decoded. The database contains these texts, so they
// must not change.
const (
	ReasonUnstorable = "unstorable" // the database refuses a value of the event
	ReasonConflict   = "conflict"   // the event id is stored with other values; the stored row stays as it is
)

// A Reject is a record that cannot become a row, with the reason. A store parks it.
type Reject struct {
	Record Record
	Why    Rejection
	Values string // a hash of the event's values if Why.Reason is ReasonConflict; otherwise empty
}

// A RecordHash is a hash of a record's content, see [Decoder.Hash].
type RecordHash [sha256.Size]byte

// HashBytes returns a hash of the record's bytes. It serves as the hash of the content if there is no [Decoder.Hash].
func HashBytes(r Record) RecordHash { return sha256.Sum256(r.Payload) }

// A DeadLetterKey identifies a dead letter within its stream. Two records with the same key become one dead letter (I2).
type DeadLetterKey string

// KeyOf returns the key of one of the page's rejects. The key contains the event id, if it is known, and a hash. The hash of
// a conflict is a hash of the event's values. The hash of any other reject is a hash of the record's content. So two rejects
// with the same event id and different contents have different keys.
func (p DecodedPage) KeyOf(r Reject) DeadLetterKey {
	if r.Values != "" { // a conflict
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

// LegacyKey returns the key that earlier versions of pawl gave to the reject: only the event id, or a hash of the bytes
// if the id is unknown. Dead letters of these versions still have such keys. Different rejects can have the same legacy
// key. So a dead letter found by this key belongs to the reject only if it has the same bytes.
func (r Reject) LegacyKey() DeadLetterKey {
	if r.Why.ID != (EventID{}) {
		return DeadLetterKey(r.Why.ID.String())
	}
	hash := HashBytes(r.Record)
	return DeadLetterKey("sha256 " + hex.EncodeToString(hash[:]))
}

// CheckRejectRatio returns TooManyRejects if there are more than p.MaxParked rejects, otherwise nil. So many rejects in one
// page usually have one common cause. The error therefore names the most common fault, and describes some of the rejects.
func (p DecodedPage) CheckRejectRatio(rejects []Reject) error {
	if len(rejects) <= p.MaxParked {
		return nil
	}
	commonFault, withCommonFault := mostCommonFault(rejects)
	cause := "the API has changed, or what it sends is broken"
	if withCommonFault == len(rejects) {
		cause += "; all of them have the same fault"
	}
	return &Error{
		Kind: TooManyRejects, Code: CodeTooManyRejects, Op: "decode page",
		Err: fmt.Errorf("%d of %d records (pass %d, after record %d, request id %q) cannot be stored as events, most often (%d) for %s; %s; %s",
			len(rejects), p.Received, p.To.Pass, p.From.Offset, p.Receipt.RequestID,
			withCommonFault, commonFault, describeRejects(rejects), showBytes(rejects, commonFault)),
		Hint:   "nothing of this page was stored, and nothing is lost: " + cause,
		Remedy: ParkRejects,
	}
}

// mostCommonFault returns the fault that most rejects have, and the number of these rejects. If several faults are equally
// common, it returns the one that appears first.
func mostCommonFault(rejects []Reject) (fault string, count int) {
	counts := map[string]int{}
	for _, r := range rejects {
		counts[r.fault()]++
	}
	for _, r := range rejects {
		if counts[r.fault()] > count {
			fault, count = r.fault(), counts[r.fault()]
		}
	}
	return fault, count
}

// maxShownRejects is the number of rejects that an error describes.
const maxShownRejects = 3

// describeRejects describes up to maxShownRejects of the rejects. It prefers rejects with different faults.
func describeRejects(rejects []Reject) string {
	var firsts []Reject // the first reject of each fault
	var others []Reject // some of the other rejects; they are shown if there are fewer than maxShownRejects faults
	for _, r := range rejects {
		isKnownFault := slices.ContainsFunc(firsts, func(first Reject) bool { return first.fault() == r.fault() })
		switch {
		case !isKnownFault:
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

// maxShownBytes is the number of bytes of a record that an error shows.
const maxShownBytes = 160

// showBytes returns the beginning of the first reject with this fault, so that the user sees what the API sends now. It replaces each
// character that is not printable ASCII, because such a character could control a terminal.
func showBytes(rejects []Reject, fault string) string {
	i := slices.IndexFunc(rejects, func(r Reject) bool { return r.fault() == fault })
	payload, end := rejects[i].Record.Payload, ""
	if len(payload) > maxShownBytes {
		payload, end = payload[:maxShownBytes], "…"
	}
	text := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, string(payload))
	return fmt.Sprintf("record %d is %s%s", rejects[i].Record.Index, text, end)
}

// fault returns the reason and the field of the rejection as one text.
func (r Reject) fault() string {
	if r.Why.Field == "" {
		return strconv.Quote(r.Why.Reason)
	}
	return strconv.Quote(r.Why.Reason) + " in field " + r.Why.Field
}
