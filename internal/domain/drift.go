package domain

// A Drift is something in a record that pawl does not know but that loses nothing: the record is stored. A field that pawl
// does not know is stored in Event.Extra. A value in an unknown form is stored as the value that it means.
type Drift struct {
	Path  string // where, such as "session.os"; short and printable, since it is a key in the register
	Kind  string // what, such as "new field" or "in seconds"
	Value []byte // as received; it may alias the record's payload
}

// A DriftCount counts the records of one page that show one path and kind.
type DriftCount struct {
	Path, Kind string
	Count      int64  // records
	Value      []byte // of the first of them; it may alias the page's body
}

// A DriftEntry is one row of a stream's drift register: one path and kind, over all pages.
type DriftEntry struct {
	Path, Kind  string
	Count       int64  // records, duplicates included
	FirstPageID int64  // the ledger row of the first page that showed it
	LastPageID  int64  // the ledger row of the last one
	Sample      string // the beginning of the first value, printable
}

// MaxDriftEntries is the number of different paths and kinds that are counted for one page; a stream has a multiple of it.
// Without a limit, an API that uses ids as field names would fill the register. Further ones are counted together, under
// FurtherDriftPath and FurtherDriftKind.
const MaxDriftEntries = 100

// The path and kind under which drift beyond MaxDriftEntries is counted.
const (
	FurtherDriftPath = "…"
	FurtherDriftKind = "further drift"
)
