package mockapi

// An event is one event of the collection as plain values. What goes over the wire and what the truth holds are both
// made from it, by separate code.
type event struct {
	id, session, user uuid
	kind              string
	name              [12]byte // "event_" and 6 digits in base 36 [R]
	properties        []byte   // a JSON object
	at                int64    // Unix time in ms
	device, browser   string
}

// A uuid is its two halves, big end first, so that it sorts as its text does.
type uuid struct{ hi, lo uint64 }

// newUUID makes a version 4 uuid from 60 bits that survive whole in its first half and 62 in its second.
func newUUID(hi60, lo uint64) uuid {
	return uuid{
		hi: hi60>>12<<16 | 0x4000 | hi60&0xfff,
		lo: 0x8000_0000_0000_0000 | lo>>2,
	}
}

// hi60 takes back the bits that newUUID put in the first half.
func (u uuid) hi60() uint64 { return u.hi>>16<<12 | u.hi&0xfff }
