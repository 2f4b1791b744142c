package datasync

import (
	"errors"
	"fmt"
	"mime"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/pawldata/pawl/internal/domain"
)

// open reads a successful answer's body, asked for with this cursor and limit, as a page whose records are slices of
// it. Of the receipt it fills in the request id. An error says what keeps the body from being a whole page; of the page
// only that id may be used then. Bodies that are null, cut, HTML or without their pagination are claimed by several,
// each with status 200.
func (n EnvelopeNames) open(a answer, asked domain.Cursor, limit int) (domain.Page, error) {
	if err := checkType(a); err != nil {
		return domain.Page{}, err
	}
	outer, err := n.split(a.body, limit)
	if err != nil {
		return domain.Page{}, err
	}
	page := domain.Page{Records: outer.records}
	meta, err := outer.members.object(n.Meta)
	if err != nil {
		return page, err
	}
	page.Receipt.RequestID = identifier(looseText(meta.value(n.RequestID)))
	if err := n.checkReturned(meta, len(page.Records)); err != nil {
		return page, err
	}
	if page.Total, err = n.total(meta); err != nil {
		return page, err
	}
	err = n.readNext(outer.members, &page, asked)
	return page, err
}

func checkType(a answer) error {
	if encoding := a.header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		return fmt.Errorf("the body comes in an encoding not asked for, %s", excerpt(encoding))
	}
	media, _, _ := mime.ParseMediaType(a.header.Get("Content-Type")) // without one the body speaks for itself
	if media == "text/html" || media == "application/xhtml+xml" {
		return errors.New("the body is an HTML page, not JSON")
	}
	return nil
}

// An envelope is a body taken apart: the records, and the members around them.
type envelope struct {
	records []domain.Record
	members members
}

// mostRecords returns how many records a page may hold when limit were asked for: a page of far more is not what was
// asked for, and would take many times its bytes in memory.
func mostRecords(limit int) int { return max(2*limit, limit+1000) }

// split takes a body apart in one walk. Around the records it is strict: two members of one name would be ambiguous.
// Within them it is lenient, see scanner.
func (n EnvelopeNames) split(body []byte, limit int) (envelope, error) {
	s := newScanner(body)
	e := envelope{members: members{}}
	if !s.comes('{') {
		return e, errors.New("the body is not a JSON object")
	}
	err := s.object(func(name string) error {
		if _, twice := e.members[name]; twice {
			return fmt.Errorf("the envelope has %s twice", excerpt(name))
		}
		if len(e.members) == maxEnvelopeMembers {
			return errTooManyMembers
		}
		if name == n.Data && s.comes('[') {
			e.members[name] = nil
			e.records = make([]domain.Record, 0, max(0, min(limit, len(body)/8)))
			return s.array(func(value []byte) error {
				if len(e.records) == mostRecords(limit) {
					return fmt.Errorf("%s holds more than %d records, and at most %d were asked for", n.Data, len(e.records), limit)
				}
				e.records = append(e.records, domain.Record{Payload: value, Index: len(e.records)})
				return nil
			})
		}
		value, err := s.value()
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
		err = s.end()
	}
	if err != nil {
		return envelope{}, fmt.Errorf("the body cannot be read: %w", err)
	}
	if data, found := e.members[n.Data]; !found {
		return envelope{}, fmt.Errorf("%s is missing", n.Data)
	} else if data != nil {
		return envelope{}, fmt.Errorf("%s is %s, not an array", n.Data, typeOf(data))
	}
	return e, nil
}
