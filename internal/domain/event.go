package domain

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"time"
)

// A UUID is 16 bytes in network order (RFC 9562). Its text form is the canonical one: 36 characters, lower case.
type UUID [16]byte

// An EventID is the identity under which an event is stored once (I2).
type EventID = UUID

// An Event is one decoded record. It has all the information of the record. Properties and Extra are JSON objects. Its slices and
// strings may share the memory of the page's body, so nothing may change that memory while the event is used.
type Event struct {
	ID         EventID
	SessionID  UUID
	UserID     UUID
	Type       string
	Name       string
	Properties []byte
	OccurredAt time.Time // a whole number of microseconds, because PostgreSQL stores no smaller parts
	DeviceType string
	Browser    string
	Extra      []byte // the record's other fields; nil if it has none
}

var errNotUUID = errors.New("not a UUID of the form xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx")

// ParseUUID parses the text form with 36 characters, in upper or lower case. It accepts every UUID version, because the API
// chooses the ids.
func ParseUUID[T string | []byte](s T) (UUID, error) {
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return UUID{}, errNotUUID
	}
	// The 32 digits in four parts, without the dashes between them.
	a, badA := parseHex(loadBytes(s, 0) | loadBytes(s, 4)<<32)
	b, badB := parseHex(loadBytes(s, 9) | loadBytes(s, 14)<<32)
	c, badC := parseHex(loadBytes(s, 19) | loadBytes(s, 24)<<32)
	d, badD := parseHex(loadBytes(s, 28) | loadBytes(s, 32)<<32)
	if badA|badB|badC|badD != 0 {
		return UUID{}, errNotUUID
	}
	var u UUID
	binary.LittleEndian.PutUint64(u[:8], a|b<<32)
	binary.LittleEndian.PutUint64(u[8:], c|d<<32)
	return u, nil
}

// loadBytes returns the four bytes of s that begin at s[at], as a number. The first of them is the lowest byte.
func loadBytes[T string | []byte](s T, at int) uint64 {
	return uint64(s[at]) | uint64(s[at+1])<<8 | uint64(s[at+2])<<16 | uint64(s[at+3])<<24
}

// parseHex parses eight hexadecimal digits at once. The first digit is the lowest byte of digits, and the first two digits become
// the lowest byte of value. bad is 0 if all bytes of digits are hexadecimal digits. Each event has four UUIDs, and looking up
// each digit in a table is slower.
func parseHex(digits uint64) (value, bad uint64) {
	const (
		everyByte = 0x0101010101010101 // everyByte*c has the value c in each byte
		highBits  = 0x80 * everyByte   // the highest bit of each byte
	)
	// Adding 0x7f-max to each byte sets the highest bit of those bytes that are above max.
	decimal := digits ^ everyByte*'0'                       // 0 to 9 for a decimal digit
	letter := (digits | everyByte*0x20) ^ everyByte*('a'-1) // 1 to 6 for a letter from a to f; 0x20 makes it lower case
	notDecimal := decimal + everyByte*(0x7f-9)
	aboveF := letter + everyByte*(0x7f-6)
	belowA := ^(letter + everyByte*0x7f)                   // letter is 0
	bad = (digits | notDecimal&(aboveF|belowA)) & highBits // a byte of digits with its highest bit is not ASCII

	isLetter := digits >> 6 & everyByte // 1 for a letter, 0 for a decimal digit
	value = digits&(everyByte*0xf) + isLetter*9
	// value has one digit in each byte. Now join two digits to a byte, and then move the four bytes together.
	value = (value<<4 | value>>8) & 0x00ff00ff00ff00ff
	value = (value | value>>8) & 0x0000ffff0000ffff
	return (value | value>>16) & 0xffffffff, bad
}

// String returns the UUID in its canonical text form.
func (u UUID) String() string {
	var b [36]byte
	hex.Encode(b[:8], u[:4])
	hex.Encode(b[9:13], u[4:6])
	hex.Encode(b[14:18], u[6:8])
	hex.Encode(b[19:23], u[8:10])
	hex.Encode(b[24:], u[10:])
	b[8], b[13], b[18], b[23] = '-', '-', '-', '-'
	return string(b[:])
}
