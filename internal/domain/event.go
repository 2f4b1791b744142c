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
func ParseUUID(s string) (UUID, error) {
	var u UUID
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return UUID{}, errNotUUID
	}
	digits := s[:8] + s[9:13] + s[14:18] + s[19:23] + s[24:]
	if _, err := hex.Decode(u[:], []byte(digits)); err != nil {
		return UUID{}, errNotUUID
	}
	return u, nil
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
