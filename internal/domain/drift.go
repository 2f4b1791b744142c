package domain

// A Drift is something in a record that its source's profile does not know but that loses nothing: the record is stored.
// What the profile has no field for is kept in Event.Extra; a value in another form is stored as the value it is.
type Drift struct {
	Path  string // where, e.g. "session.os"; short and fit to be printed, since it is a key in the register
	Kind  string // what, e.g. "new field" or "in seconds"
	Value []byte // as it came; it may alias the record's payload
}

// A DriftCount is one path and kind as the records of a page show it.
type DriftCount struct {
	Path, Kind string
	Count      int64  // records
	Value      []byte // the first of them; it may alias the page's body
}

// A DriftEntry is one path and kind as all pages of a stream showed it.
type DriftEntry struct {
	Path, Kind  string
	Count       int64 // records, duplicates included
	FirstPageID int64 // the ledger rows of the first and the last page that showed it
	LastPageID  int64
	Sample      string // the beginning of the first value, fit to be printed
}

// MaxDriftEntries is how many paths and kinds are told apart in one page, and a multiple of it in a stream: an API that makes a
// name of every id would fill the register with them. What comes on top of that is counted as FurtherDrift.
const MaxDriftEntries = 100

// FurtherDrift is the path and kind under which drift is counted that is not told apart any more.
const (
	FurtherDriftPath = "…"
	FurtherDriftKind = "further drift"
)

// A Rejection says why a record cannot become an event.
type Rejection struct {
	Reason string // the class of fault, e.g. "bad timestamp"
	Field  string // the field at fault, e.g. "session.id"; empty when it is the record itself
	Detail string // in words, with at most a short excerpt of the value

	ID EventID // the record's, zero if it cannot be told
}

func (r *Rejection) Error() string {
	if r.Field == "" {
		return r.Reason + ": " + r.Detail
	}
	return r.Reason + " in field " + r.Field + ": " + r.Detail
}
