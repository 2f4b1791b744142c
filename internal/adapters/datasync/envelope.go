package datasync

import (
	"bytes"
	"errors"
	"fmt"
	"mime"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/pawldata/pawl/internal/domain"
)

const (
	maxCursorBytes     = 64 << 10             // maximum length of the cursor's JSON string
	maxEnvelopeMembers = 1000                 // maximum number of members of the body's object, of Meta and of Pagination
	maxLifetime        = 365 * 24 * time.Hour // maximum lifetime of a cursor; a longer one counts as unknown
)

var (
	errNoBody         = errors.New("the body is not a JSON object, but empty or null")
	errOtherText      = errors.New("the body is not a JSON object")
	errWebPage        = errors.New("the answer is a web page, not JSON")
	errOtherJSON      = errors.New("no other member of a page is there")
	errTooManyMembers = fmt.Errorf("it has more than %d members", maxEnvelopeMembers)
)

// parse returns the page in a successful answer to a request with this cursor and limit. The records are slices of the
// body. In the page's receipt, parse sets only the request id. If the body is not a complete page, parse returns an error. The
// caller may then use the page's request id, if there is one, and nothing else of the page. It is claimed that the API sends
// bodies with status 200 that are null, cut off, HTML or without pagination.
func (n EnvelopeNames) parse(a answer, requested domain.Cursor, limit int) (domain.Page, error) {
	if err := checkContent(a); err != nil {
		return domain.Page{}, err
	}
	parts, err := n.split(a.body, limit)
	if err != nil {
		return domain.Page{}, err
	}
	page := domain.Page{Records: parts.records}
	meta, err := parts.members.object(n.Meta)
	if err != nil {
		return page, err
	}
	page.Receipt.RequestID = checkedRequestID(shortText(meta.value(n.RequestID)))
	if err := n.checkReturned(meta, len(page.Records)); err != nil {
		return page, err
	}
	if page.Total, err = n.parseTotal(meta); err != nil {
		return page, err
	}
	err = n.parseNext(parts.members, &page, requested)
	return page, err
}

// checkContent returns an error if the headers say that the body is encoded or is a web page.
func checkContent(a answer) error {
	if encoding := a.header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		return fmt.Errorf("the body has the encoding %s, which was not requested", excerpt(encoding))
	}
	media, _, _ := mime.ParseMediaType(a.header.Get("Content-Type")) // a missing or malformed type is accepted
	if media == "text/html" || media == "application/xhtml+xml" {
		return errWebPage
	}
	return nil
}

// An envelope holds the parts of a body: the records, and the members around them.
type envelope struct {
	records []domain.Record
	members members // all members of the body; the array of records has the value nil
}

// split splits a body into its parts in one pass. It does not check that each record is valid JSON (see scanner). It returns an
// error if a member around the records is not valid JSON, or if two members have the same name.
func (n EnvelopeNames) split(body []byte, limit int) (envelope, error) {
	s := newScanner(body)
	e := envelope{members: members{}}
	if !s.nextIs('{') {
		if text := bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\ufeff"))); len(text) == 0 || string(text) == "null" {
			return e, errNoBody
		}
		return e, errOtherText
	}
	err := s.readObject(func(name string) error {
		if _, found := e.members[name]; found {
			return fmt.Errorf("the envelope has %s twice", excerpt(name))
		}
		if len(e.members) == maxEnvelopeMembers {
			return errTooManyMembers
		}
		if name == n.Data && s.nextIs('[') {
			e.members[name] = nil
			var err error
			e.records, err = n.readRecords(&s, limit)
			return err
		}
		value, err := s.readValue()
		if err != nil {
			return err
		}
		if !jsontext.Value(value).IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) {
			return fmt.Errorf("the envelope's %s is not valid JSON", excerpt(name))
		}
		e.members[name] = value
		return nil
	})
	if err == nil {
		err = s.checkEnd()
	}
	if err != nil {
		return envelope{}, fmt.Errorf("the body cannot be read: %w", err)
	}
	data, found := e.members[n.Data]
	isArray := found && data == nil
	if isArray {
		return e, nil
	}
	problem := n.Data + " is missing"
	if found {
		problem = fmt.Sprintf("%s is %s, not an array", n.Data, typeName(data))
	}
	if !n.hasAnyAround(e.members) {
		return envelope{}, fmt.Errorf("%s, and %w", problem, errOtherJSON)
	}
	return envelope{}, errors.New(problem)
}

// hasAnyAround reports whether a page has one of the members around its records.
func (n EnvelopeNames) hasAnyAround(m members) bool {
	for _, name := range []string{n.Meta, n.Pagination, n.HasMore, n.NextCursor} {
		if _, found := m[name]; found {
			return true
		}
	}
	return false
}

// readRecords reads the array of records, which comes next. It returns an error if the array has more than maxRecords(limit).
func (n EnvelopeNames) readRecords(s *scanner, limit int) ([]domain.Record, error) {
	const minRecordBytes = 8 // the least that a record is expected to have, so that a small body reserves little memory
	records := make([]domain.Record, 0, max(0, min(limit, len(s.body)/minRecordBytes)))
	err := s.readArray(func(value []byte) error {
		if len(records) == maxRecords(limit) {
			return fmt.Errorf("%s has more than %d records, but at most %d were requested", n.Data, len(records), limit)
		}
		records = append(records, domain.Record{Payload: value, Index: len(records)})
		return nil
	})
	return records, err
}

// maxRecords returns how many records a page may have if the request asked for limit records. A page with more cannot be the
// answer to that request. Millions of tiny records would also take much more memory than the body.
func maxRecords(limit int) int { return max(2*limit, limit+1000) }

// members maps the names in a JSON object to their values.
type members map[string][]byte

// value returns the value of the member with this name, or nil if there is no such member. An empty name means that the API
// has no such member, so its value is nil, too.
func (m members) value(name string) []byte {
	if name == "" {
		return nil
	}
	return m[name]
}

// object returns the members of the object with this name, or nil if there is no member with this name. It returns an error
// if the member is not an object, if the object has a name twice, or if any text in it, at any depth, is not UTF-8. Names in
// deeper objects may repeat, because nothing reads them.
func (m members) object(name string) (members, error) {
	value := m.value(name)
	if value == nil {
		return nil, nil
	}
	if jsontext.Value(value).Kind() != jsontext.KindBeginObject {
		return nil, fmt.Errorf("%s is %s, not an object", name, typeName(value))
	}
	if !jsontext.Value(value).IsValid(jsontext.AllowDuplicateNames(true)) {
		return nil, fmt.Errorf("%s has text that is not UTF-8", name)
	}
	inner := members{}
	s := scanner{body: value}
	err := s.readObject(func(member string) (err error) {
		if _, found := inner[member]; found {
			return fmt.Errorf("it has %s twice", excerpt(member))
		}
		if len(inner) == maxEnvelopeMembers {
			return errTooManyMembers
		}
		inner[member], err = s.readValue()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", name, err)
	}
	return inner, nil
}

// checkReturned returns an error if the member Returned is not the number of records in the page.
func (n EnvelopeNames) checkReturned(meta members, records int) error {
	value := meta.value(n.Returned)
	if isMissingOrNull(value) {
		return nil
	}
	announced, err := parseInteger(value)
	if err != nil {
		return fmt.Errorf("%s.%s is not a whole number", n.Meta, n.Returned)
	}
	if announced != int64(records) {
		return fmt.Errorf("%s.%s is %d, but %s has %d records", n.Meta, n.Returned, announced, n.Data, records)
	}
	return nil
}

func (n EnvelopeNames) parseTotal(meta members) (domain.Total, error) {
	value := meta.value(n.Total)
	if isMissingOrNull(value) {
		return domain.Total{}, nil
	}
	total, err := parseInteger(value)
	if err != nil || total < 0 {
		return domain.Total{}, fmt.Errorf("%s.%s is not a whole number of records", n.Meta, n.Total)
	}
	return domain.Total{N: total, Known: true}, nil
}

// parseNext sets Last of the page if HasMore is false. It then ignores the cursor. If HasMore is true, parseNext sets Next and
// ExpiresIn; any other HasMore is an error. outer are the members of the body. If they include Pagination, parseNext reads the
// nested form, else the flat form.
func (n EnvelopeNames) parseNext(outer members, page *domain.Page, requested domain.Cursor) error {
	pagination, err := outer.object(n.Pagination)
	if err != nil {
		return err
	}
	if pagination == nil {
		pagination = outer
		if outer.value(n.HasMore) == nil {
			return fmt.Errorf("%s is missing, and so is %s", n.Pagination, n.HasMore)
		}
	}
	switch hasMore := pagination.value(n.HasMore); string(hasMore) {
	case "true": // the code below reads the cursor
	case "false":
		page.Last = true
		return nil
	case "": // there is no such member
		return fmt.Errorf("%s is missing", n.HasMore)
	default:
		return fmt.Errorf("%s is %s, not a boolean", n.HasMore, typeName(hasMore))
	}
	if page.Next, err = n.parseCursor(pagination.value(n.NextCursor)); err != nil {
		return err
	}
	if page.Next == requested {
		return fmt.Errorf("%s is the cursor that was requested: the stream does not advance", n.NextCursor)
	}
	page.ExpiresIn = parseLifetime(pagination.value(n.ExpiresIn))
	return nil
}

func (n EnvelopeNames) parseCursor(value []byte) (domain.Cursor, error) {
	if isMissingOrNull(value) {
		return "", fmt.Errorf("%s is true, but there is no %s", n.HasMore, n.NextCursor)
	}
	if jsontext.Value(value).Kind() != jsontext.KindString {
		return "", fmt.Errorf("%s is %s, not a string", n.NextCursor, typeName(value))
	}
	if len(value) > maxCursorBytes {
		return "", fmt.Errorf("%s has %d bytes, which is too long for a URL", n.NextCursor, len(value))
	}
	text, err := jsontext.AppendUnquote(nil, value)
	switch {
	case err != nil:
		return "", fmt.Errorf("%s is not valid text", n.NextCursor)
	case len(text) == 0:
		return "", fmt.Errorf("%s is true, but %s is empty", n.HasMore, n.NextCursor)
	case strings.Contains(string(text), "\x00"):
		return "", fmt.Errorf("%s has a NUL character, which cannot be stored", n.NextCursor)
	}
	return domain.Cursor(text), nil
}

// parseLifetime returns the lifetime of a cursor, which the API gives in whole seconds. If the value is missing, malformed or
// too large, it returns 0, which means unknown. That is no error, because pawl uses the lifetime only to plan.
func parseLifetime(value []byte) time.Duration {
	n, err := parseInteger(value)
	if err != nil || n < 0 || n > int64(maxLifetime/time.Second) {
		return 0
	}
	return time.Duration(n) * time.Second
}

// parseInteger reads a JSON value that is a whole number.
func parseInteger(value []byte) (int64, error) {
	const maxLength = 20 // an int64 with its sign
	if len(value) > maxLength {
		return 0, strconv.ErrRange
	}
	return strconv.ParseInt(string(value), 10, 64)
}

func isMissingOrNull(value []byte) bool { return value == nil || string(value) == "null" }
