package domain

import (
	"encoding/hex"
	"errors"
	"time"
)

// A UUID is 16 bytes in network order (RFC 9562). Its text form is the canonical one: 36 characters, lower case.
type UUID [16]byte

// An EventID is the identity under which an event is stored once (I2).
type EventID = UUID

// An Event is one decoded record. It has all the information of the record. Properties and Extra are JSON objects. They may
// be slices of the page's body, so they must not be changed.
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
	var u UUID
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return UUID{}, errNotUUID
	}
	at := 0       // the index in s
	var seen byte // the bits of all digits; above 15 if a character is no digit
	for i := range u {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			at++ // skips a dash
		}
		high, low := hexDigits[s[at]], hexDigits[s[at+1]]
		seen |= high | low
		u[i] = high<<4 | low
		at += 2
	}
	if seen > 15 {
		return UUID{}, errNotUUID
	}
	return u, nil
}

// hexDigits holds the value of each hexadecimal digit, from 0 to 15, and 0xff for any other byte.
var hexDigits = func() (values [256]byte) { //nolint:gochecknoglobals // a table
	for i := range values {
		values[i] = 0xff
	}
	for i, c := range []byte("0123456789abcdef") {
		values[c] = byte(i)
	}
	for i, c := range []byte("ABCDEF") {
		values[c] = byte(10 + i)
	}
	return values
}()

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
