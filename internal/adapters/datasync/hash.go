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

// What a record may hold for its hash to be that of its value. It keeps the time and the memory that a hash takes in
// proportion to the record's size.
const (
	maxHashDepth   = 1000    // objects and arrays within one another
	maxHashMembers = 1 << 16 // members of the objects that are open at one time
)

var errNotHashable = errors.New("the record is nested too deeply, or has too many members")

// Hash implements domain.Decoder. The hash is that of the record's value: members count by name and not by place, strings
// by their text and not by their escapes, and a timestamp that can be read counts as the instant, since the API changes its
// form with the record's place in a page. Numbers count as they are written. Members of one name count in their order.
//
// What is not an object of this form (cut off, or past the bounds above) is hashed by its bytes. Text within it need not be
// valid: such text counts as it is written.
func (d *Decoder) Hash(record domain.Record) domain.RecordHash {
	h := recordHasher{scanner: scanner{body: record.Payload}, timestamp: d.names.Timestamp}
	hash, err := h.object(true)
	if err == nil {
		err = h.end()
	}
	if err != nil {
		return domain.HashBytes(record)
	}
	return hash
}

// A recordHasher hashes a value in one walk. The hash of an object is made of those of its members, in order of name.
type recordHasher struct {
	scanner

	timestamp string // the name of the record's own member that is a time
	depth     int
	members   int    // of the objects that are open
	scratch   []byte // used again for each value
}

// The first byte of what is hashed, so that no two kinds of value have the same hash.
const (
	hashedText    = 's'
	hashedSpelt   = 'r' // a string that is not valid text, as it is written
	hashedLiteral = 'n' // a number, true, false or null
	hashedArray   = 'a'
	hashedObject  = 'o'
	hashedTime    = 't'
)

type hashedMember struct {
	name string
	hash domain.RecordHash
}

func (h *recordHasher) value() (domain.RecordHash, error) {
	h.space()
	if h.at == len(h.body) {
		return domain.RecordHash{}, errTruncated
	}
	begin := h.at
	switch h.body[h.at] {
	case '{':
		return h.object(false)
	case '[':
		return h.array()
	case '"':
		if err := h.quoted(); err != nil {
			return domain.RecordHash{}, err
		}
		kind, text := textOf(h.body[begin:h.at])
		return h.leaf(kind, text), nil
	default:
		err := h.scalar()
		return h.leaf(hashedLiteral, h.body[begin:h.at]), err
	}
}

func (h *recordHasher) object(isRecord bool) (domain.RecordHash, error) {
	if err := h.enter(); err != nil {
		return domain.RecordHash{}, err
	}
	var members []hashedMember
	err := h.list('{', '}', func() error {
		name, err := h.name()
		if err != nil {
			return err
		}
		h.space()
		begin := h.at
		hash, err := h.value()
		if err != nil {
			return err
		}
		if isRecord && name == string(hashedText)+h.timestamp {
			if read := readTimestamp(h.body[begin:h.at]); read.fault == "" {
				hash = h.leaf(hashedTime, []byte(read.at.Format(time.RFC3339Nano)))
			}
		}
		if h.members++; h.members > maxHashMembers {
			return errNotHashable
		}
		members = append(members, hashedMember{name, hash})
		return nil
	})
	if err != nil {
		return domain.RecordHash{}, err
	}
	h.depth--
	h.members -= len(members)
	slices.SortStableFunc(members, func(a, b hashedMember) int { return strings.Compare(a.name, b.name) })
	sum := sha256.New()
	sum.Write([]byte{hashedObject})
	for _, m := range members {
		h.scratch = binary.AppendUvarint(h.scratch[:0], uint64(len(m.name)))
		sum.Write(h.scratch)
		sum.Write(append(h.scratch[:0], m.name...))
		sum.Write(m.hash[:])
	}
	return domain.RecordHash(sum.Sum(nil)), nil
}

// name reads a member's name, with its kind before it: a name that is valid text is none of another kind.
func (h *recordHasher) name() (string, error) {
	begin := h.at
	if h.at == len(h.body) || h.body[h.at] != '"' {
		return "", h.unexpected("a member's name")
	}
	if err := h.quoted(); err != nil {
		return "", err
	}
	kind, text := textOf(h.body[begin:h.at])
	if !h.take(':') {
		return "", h.unexpected("':'")
	}
	return string(kind) + string(text), nil
}

func (h *recordHasher) array() (domain.RecordHash, error) {
	if err := h.enter(); err != nil {
		return domain.RecordHash{}, err
	}
	sum := sha256.New()
	sum.Write([]byte{hashedArray})
	err := h.list('[', ']', func() error {
		hash, err := h.value()
		sum.Write(hash[:])
		return err
	})
	h.depth--
	return domain.RecordHash(sum.Sum(nil)), err
}

func (h *recordHasher) enter() error {
	if h.depth++; h.depth > maxHashDepth {
		return errNotHashable
	}
	return nil
}

func (h *recordHasher) leaf(kind byte, value []byte) domain.RecordHash {
	h.scratch = append(append(h.scratch[:0], kind), value...)
	return sha256.Sum256(h.scratch)
}

// textOf returns a string's text, or the string as it is written if it is not valid text.
func textOf(quoted []byte) (kind byte, text []byte) {
	if jsontext.Value(quoted).IsValid() {
		if text, err := unquote(quoted); err == nil {
			return hashedText, text
		}
	}
	return hashedSpelt, quoted
}
