package datasync

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/pawldata/pawl/internal/domain"
)

// The limits of a record that is hashed by its content. They keep the time and memory for a hash in proportion to the size
// of the record.
const (
	maxHashDepth   = 1000    // maximum number of objects and arrays that are open at the same time
	maxHashMembers = 1 << 16 // maximum number of members in all objects that are open at the same time
)

var errNotHashable = errors.New("the record is nested too deeply, or has too many members")

// Hash implements [domain.Decoder]. It hashes the content of a record:
//   - Members are sorted by name. Members with the same name stay in their order.
//   - A string is hashed by its text, without escapes. A string that is not valid text is hashed as written.
//   - A number is hashed as written.
//   - The record's timestamp, if valid, is hashed by its time, because the API writes the same time in different forms,
//     depending on the record's place in a page.
//
// A record that is not a complete object, or that is beyond maxHashDepth or maxHashMembers, is hashed by its bytes.
func (d *Decoder) Hash(record domain.Record) domain.RecordHash {
	h := recordHasher{scanner: scanner{body: record.Payload}, timestampName: d.names.Timestamp}
	const isRecord = true
	hash, err := h.hashObject(isRecord)
	if err == nil {
		err = h.checkEnd()
	}
	if err != nil {
		return domain.HashBytes(record)
	}
	return hash
}

// A recordHasher hashes a value in one pass. The hash of an object or array is a hash of the hashes of its values.
type recordHasher struct {
	scanner

	timestampName string
	nesting       int    // number of open objects and arrays
	openMembers   int    // number of members, so far, in the open objects
	scratch       []byte // memory for one value, which each value reuses
}

// A tag is the first byte in the input of each hash, so that values of different kinds have different hashes.
const (
	tagText      = 's'
	tagRawString = 'r' // a string that is not valid text
	tagLiteral   = 'n' // a number, true, false or null
	tagArray     = 'a'
	tagObject    = 'o'
	tagTime      = 't'
)

// A hashedMember is a member of an object and the hash of its value.
type hashedMember struct {
	name string // begins with a tag, see readName
	hash domain.RecordHash
}

func (h *recordHasher) hashValue() (domain.RecordHash, error) {
	h.skipSpace()
	if h.pos == len(h.body) {
		return domain.RecordHash{}, errTruncated
	}
	begin := h.pos
	switch h.body[h.pos] {
	case '{':
		const isRecord = false
		return h.hashObject(isRecord)
	case '[':
		return h.hashArray()
	case '"':
		if err := h.skipString(); err != nil {
			return domain.RecordHash{}, err
		}
		tag, text := tagString(h.body[begin:h.pos])
		return h.hashScalar(tag, text), nil
	default:
		err := h.skipScalar()
		return h.hashScalar(tagLiteral, h.body[begin:h.pos]), err
	}
}

// hashObject hashes an object. isRecord is true for the record itself, whose timestamp is hashed by its time.
func (h *recordHasher) hashObject(isRecord bool) (domain.RecordHash, error) {
	if err := h.enter(); err != nil {
		return domain.RecordHash{}, err
	}
	var members []hashedMember
	err := h.readItems('{', '}', func() error {
		name, err := h.readName()
		if err != nil {
			return err
		}
		h.skipSpace()
		begin := h.pos
		hash, err := h.hashValue()
		if err != nil {
			return err
		}
		isTimestamp := isRecord && name == string(tagText)+h.timestampName
		if isTimestamp {
			if parsed := parseTimestamp(h.body[begin:h.pos]); parsed.fault == "" {
				hash = h.hashScalar(tagTime, []byte(parsed.time.Format(time.RFC3339Nano)))
			}
		}
		if h.openMembers++; h.openMembers > maxHashMembers {
			return errNotHashable
		}
		members = append(members, hashedMember{name, hash})
		return nil
	})
	if err != nil {
		return domain.RecordHash{}, err
	}
	h.nesting--
	h.openMembers -= len(members)
	slices.SortStableFunc(members, func(a, b hashedMember) int { return strings.Compare(a.name, b.name) })
	sum := sha256.New()
	sum.Write([]byte{tagObject})
	for _, m := range members {
		h.scratch = binary.AppendUvarint(h.scratch[:0], uint64(len(m.name)))
		sum.Write(h.scratch)
		sum.Write(append(h.scratch[:0], m.name...)) // the name as bytes, in memory that is reused
		sum.Write(m.hash[:])
	}
	return domain.RecordHash(sum.Sum(nil)), nil
}

// readName reads a member's name and returns a tag and then the name. Because of the tag, a name that is valid text never
// equals a name that is not.
func (h *recordHasher) readName() (string, error) {
	begin := h.pos
	if h.pos == len(h.body) || h.body[h.pos] != '"' {
		return "", h.missingError("a member's name")
	}
	if err := h.skipString(); err != nil {
		return "", err
	}
	tag, text := tagString(h.body[begin:h.pos])
	if !h.take(':') {
		return "", h.missingError("':'")
	}
	return string(tag) + string(text), nil
}

func (h *recordHasher) hashArray() (domain.RecordHash, error) {
	if err := h.enter(); err != nil {
		return domain.RecordHash{}, err
	}
	sum := sha256.New()
	sum.Write([]byte{tagArray})
	err := h.readItems('[', ']', func() error {
		hash, err := h.hashValue()
		sum.Write(hash[:])
		return err
	})
	h.nesting--
	return domain.RecordHash(sum.Sum(nil)), err
}

// enter counts one more open object or array. It returns errNotHashable if there are too many.
func (h *recordHasher) enter() error {
	if h.nesting++; h.nesting > maxHashDepth {
		return errNotHashable
	}
	return nil
}

func (h *recordHasher) hashScalar(tag byte, value []byte) domain.RecordHash {
	h.scratch = append(append(h.scratch[:0], tag), value...)
	return sha256.Sum256(h.scratch)
}

// tagString returns tagText and the text of a JSON string. If the string is not valid text, it returns tagRawString and the
// string as written.
func tagString(quoted []byte) (tag byte, text []byte) {
	if jsontext.Value(quoted).IsValid() {
		if text, err := unquote(quoted); err == nil {
			return tagText, text
		}
	}
	return tagRawString, quoted
}
