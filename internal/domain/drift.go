package domain

// A Drift is a difference between a record and the format that pawl expects. The record is stored without loss all the
// same. An unknown field is stored in Event.Extra. A value in another form, such as a time in seconds, is converted.
type Drift struct {
	Path  string // the field, such as "session.os"; short and printable, because it is a key in the drift register
	Kind  string // the difference, such as "new field" or "in seconds"
	Value []byte // the value as received; it may be a slice of the record's payload
}

// A DriftCount is the number of records in one page that have drift of the same path and kind.
type DriftCount struct {
	Path, Kind string
	Count      int64
	Value      []byte // the value in the first of these records; it may be a slice of the page's body
}

// A DriftEntry is one row of a stream's drift register. It counts the drift of one path and kind in all pages.
type DriftEntry struct {
	Path, Kind  string
	Count       int64  // records with this drift, duplicates included
	FirstPageID int64  // the ledger row of the first page with this drift
	LastPageID  int64  // the ledger row of the last page with this drift
	Sample      string // the beginning of the first value, printable
}

// MaxDriftEntries is the number of entries that one page may have, each with another path and kind. All further drift of the
// page is counted in one more entry, with FurtherDriftPath and FurtherDriftKind. Without this limit, an API that uses ids as
// field names would fill the drift register. The store limits the entries of a whole stream to a multiple of MaxDriftEntries.
const MaxDriftEntries = 100

// These are the path and kind of the entry that counts all drift beyond MaxDriftEntries.
const (
	FurtherDriftPath = "…"
	FurtherDriftKind = "further drift"
)
