package datasync

import (
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/pawldata/pawl/internal/domain"
)

// The kinds of drift. They are stored and counted, so they stay as they are.
const (
	driftNewField      = "new field"
	driftDiffering     = "differs from the session id beside it"
	driftSeconds       = "in seconds"
	driftMicros        = "in microseconds"
	driftNanos         = "in nanoseconds"
	driftNumericString = "a number in quotes"
)

// An extra gathers what a record holds beyond its profile, as it came. It is used again for the next record.
type extra struct {
	top     []byte // members, each with a comma before it
	session []byte // the same, of the session
	drift   []domain.Drift
	unknown int // fields that the profile does not name
}

func (e *extra) keep(top bool, name, value []byte) {
	to := &e.session
	if top {
		to = &e.top
	}
	*to = append(*to, ',')
	*to = append(*to, name...)
	*to = append(*to, ':')
	*to = append(*to, value...)
}

func (e *extra) keepSessionID(names EventNames, value []byte) {
	e.keep(false, quoted(names.SessionIDAgain), value)
	path := join(names.Session, names.SessionIDAgain)
	e.drift = append(e.drift, domain.Drift{Path: path, Kind: driftDiffering, Value: value})
}

// object returns all of it as one JSON object in memory of its own, nil if there is nothing.
func (e *extra) object(names EventNames) []byte {
	if len(e.session) > 0 {
		e.session[0] = '{'
		e.keep(true, quoted(names.Session), append(e.session, '}'))
	}
	if len(e.top) == 0 {
		return nil
	}
	e.top[0] = '{'
	return slices.Concat(e.top, []byte{'}'})
}

// emptied returns an extra that has nothing, with the room of e unless that is large.
func (e *extra) emptied() extra {
	const most = 64 << 10
	if cap(e.top)+cap(e.session) > most {
		return extra{}
	}
	clear(e.drift)
	return extra{top: e.top[:0], session: e.session[:0], drift: e.drift[:0]}
}

// quoted returns a profile's name as JSON.
func quoted(name string) []byte {
	text, _ := jsontext.AppendQuote(nil, name) // fails on what is not UTF-8 only, and is then still JSON
	return text
}
