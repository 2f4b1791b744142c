package datasync

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/pawldata/pawl/internal/domain"
)

// longestLife bounds what a cursor may announce as its life; what is beyond it is not believed.
const longestLife = 365 * 24 * time.Hour

const (
	maxCursorBytes     = 64 << 10 // as it stands in the body
	maxEnvelopeMembers = 1000     // of the body's object, and of each object in it that is read
)

var errTooManyMembers = fmt.Errorf("it has more than %d members", maxEnvelopeMembers)

// readNext reads how the stream goes on. The nested form counts if it is there, else the flat one. An end is only what
// says false in so many words, and then a cursor beside it means nothing.
func (n EnvelopeNames) readNext(outer members, page *domain.Page, asked domain.Cursor) error {
	place, err := outer.object(n.Pagination)
	if err != nil {
		return err
	}
	if place == nil {
		place = outer
		if outer.value(n.HasMore) == nil {
			return fmt.Errorf("%s is missing, and %s beside it", n.Pagination, n.HasMore)
		}
	}
	switch hasMore := place.value(n.HasMore); string(hasMore) {
	case "true":
	case "false":
		page.Last = true
		return nil
	case "":
		return fmt.Errorf("%s is missing", n.HasMore)
	default:
		return fmt.Errorf("%s is %s, not a boolean", n.HasMore, typeOf(hasMore))
	}
	if page.Next, err = n.cursor(place.value(n.NextCursor)); err != nil {
		return err
	}
	if page.Next == asked {
		return fmt.Errorf("%s is the cursor that was asked for: the stream does not advance", n.NextCursor)
	}
	page.ExpiresIn = life(place.value(n.ExpiresIn))
	return nil
}

func (n EnvelopeNames) cursor(value []byte) (domain.Cursor, error) {
	if value == nil || jsontext.Value(value).Kind() == jsontext.KindNull {
		return "", fmt.Errorf("%s is true, but there is no %s", n.HasMore, n.NextCursor)
	}
	if jsontext.Value(value).Kind() != jsontext.KindString {
		return "", fmt.Errorf("%s is %s, not a string", n.NextCursor, typeOf(value))
	}
	if len(value) > maxCursorBytes {
		return "", fmt.Errorf("%s is %d bytes long, more than can be sent back in a URL", n.NextCursor, len(value))
	}
	text, err := jsontext.AppendUnquote(nil, value)
	switch {
	case err != nil:
		return "", fmt.Errorf("%s is not valid text", n.NextCursor)
	case len(text) == 0:
		return "", fmt.Errorf("%s is true, but %s is empty", n.HasMore, n.NextCursor)
	case strings.Contains(string(text), "\x00"):
		return "", fmt.Errorf("%s holds a NUL character, which cannot be stored", n.NextCursor)
	}
	return domain.Cursor(text), nil
}

// life reads whole seconds. The loop only plans with it, so what cannot be believed counts as not announced.
func life(value []byte) time.Duration {
	n, err := wholeValue(value)
	if err != nil || n < 0 || n > int64(longestLife/time.Second) {
		return 0
	}
	return time.Duration(n) * time.Second
}

// checkReturned holds the records against their number as announced.
func (n EnvelopeNames) checkReturned(meta members, records int) error {
	value := meta.value(n.Returned)
	if isAbsent(value) {
		return nil
	}
	announced, err := wholeValue(value)
	if err != nil {
		return fmt.Errorf("%s.%s is not a whole number", n.Meta, n.Returned)
	}
	if announced != int64(records) {
		return fmt.Errorf("%s.%s is %d, but %s holds %d records", n.Meta, n.Returned, announced, n.Data, records)
	}
	return nil
}

func (n EnvelopeNames) total(meta members) (domain.Total, error) {
	value := meta.value(n.Total)
	if isAbsent(value) {
		return domain.Total{}, nil
	}
	total, err := wholeValue(value)
	if err != nil || total < 0 {
		return domain.Total{}, fmt.Errorf("%s.%s is not a whole number of records", n.Meta, n.Total)
	}
	return domain.Total{N: total, Known: true}, nil
}

// wholeValue reads a JSON value that is a whole number.
func wholeValue(value []byte) (int64, error) {
	const longest = 20 // an int64 with its sign
	if len(value) > longest {
		return 0, strconv.ErrRange
	}
	return strconv.ParseInt(string(value), 10, 64)
}

func isAbsent(value []byte) bool { return value == nil || string(value) == "null" }

// Members are an object's values by name.
type members map[string][]byte

// value returns the member's value, nil if there is none or the profile has no name for it.
func (m members) value(name string) []byte {
	if name == "" {
		return nil
	}
	return m[name]
}

// object reads a member that is an object; nil if there is none. Its own names and all text within it are checked
// strictly. Names in deeper objects may repeat: nothing reads them.
func (m members) object(name string) (members, error) {
	value := m.value(name)
	if value == nil {
		return nil, nil
	}
	if jsontext.Value(value).Kind() != jsontext.KindBeginObject {
		return nil, fmt.Errorf("%s is %s, not an object", name, typeOf(value))
	}
	if !jsontext.Value(value).IsValid(jsontext.AllowDuplicateNames(true)) {
		return nil, fmt.Errorf("%s has text that is not UTF-8", name)
	}
	inner := members{}
	s := scanner{body: value}
	err := s.object(func(member string) (err error) {
		if _, twice := inner[member]; twice {
			return fmt.Errorf("%s stands twice in it", excerpt(member))
		}
		if len(inner) == maxEnvelopeMembers {
			return errTooManyMembers
		}
		inner[member], err = s.value()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", name, err)
	}
	return inner, nil
}
