package domain

// A Drift is something in a record that its source's profile does not know but that loses nothing: the record is stored.
// What the profile has no field for is kept in Event.Extra; a value in another form is stored as the value it is.
type Drift struct {
	Path string // where, e.g. "session.os"
	Kind string // what, e.g. "new field" or "in seconds"
}

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
