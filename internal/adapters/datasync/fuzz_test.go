package datasync

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
	"unsafe"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/pawldata/pawl/internal/domain"
)

// FuzzScanner checks that the scanner finds the same elements in an array as a JSON parser. The test ignores a body that the
// parser does not accept as an array.
func FuzzScanner(f *testing.F) {
	for _, seed := range []string{`[]`, `[1,"a\"]",{"b":[{}]}, null ]`, `["\\",["]"],{"}":"{"}]`, ` [ -1.5e3 , "\u005c\"" ] `} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var want [][]byte
		options := []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}
		parser := jsontext.NewDecoder(bytes.NewBuffer(bytes.Clone(body)), options...)
		if parser.PeekKind() != jsontext.KindBeginArray || !jsontext.Value(body).IsValid(options...) {
			return
		}
		if _, err := parser.ReadToken(); err != nil {
			return
		}
		for parser.PeekKind() != jsontext.KindEndArray {
			value, err := parser.ReadValue()
			if err != nil {
				return
			}
			want = append(want, bytes.Clone(value))
		}
		var got [][]byte
		s := scanner{body: body}
		err := s.readArray(func(value []byte) error {
			got = append(got, value)
			return nil
		})
		if err == nil {
			err = s.checkEnd()
		}
		if err != nil || !slices.EqualFunc(got, want, bytes.Equal) {
			t.Errorf("%q: got %q, error %v, want %q", body, got, err, want)
		}
	})
}

// FuzzParsePage checks that any body gives an error or a page. The page has the records, the cursor and the total that encoding/json
// reads in the body. Only a fault inside a record is no error.
func FuzzParsePage(f *testing.F) {
	const requested, limit = "requested-cursor", 10
	for _, seed := range []string{
		`{"data":[{"id":1}],"pagination":{"hasMore":true,"nextCursor":"n"},"meta":{"total":9,"returned":1}}`,
		`{"data":[1],"hasMore":false}`, `{"data":[{"a":01}, "\ud83d",[1 2],{"]":"\""}],"hasMore":true,"nextCursor":"\u006e"}`,
		"\ufeff { \"meta\" : { } , \"hasMore\":true,\"nextCursor\":\"n\",\"cursorExpiresIn\":300, \"data\":[ ] }\n", `{"data":[1],"d\u0061ta":[]}`,
		`{"data":null,"hasMore":false}`, `{"data":[,],"hasMore":false}`, `{"data":[1],"hasMore":false}{}`, `{"data":[1],"x":tru,"hasMore":false}`,
		`{"data":[` + strings.Repeat("1,", limit) + `1],"hasMore":true,"nextCursor":"requested-cursor"}`, "null", "",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		checkSplit(t, body, limit)
		page, err := DataSync().Envelope.parse(answer{body: body}, requested, limit)
		if err != nil {
			return
		}
		isLast := page.Last && page.Next == ""
		hasNewCursor := !page.Last && page.Next != "" && page.Next != requested
		if !isLast && !hasNewCursor {
			t.Errorf("%q: got last %v, next %q, want either the last page or a new cursor", body, page.Last, page.Next)
		}
		checkAround(t, body, page)
	})
}

// checkSplit compares the records of a body with those that encoding/json reads.
func checkSplit(t *testing.T, body []byte, limit int) {
	t.Helper()
	got, err := DataSync().Envelope.split(body, limit)
	if err == nil {
		if len(got.records) > maxRecords(limit) {
			t.Errorf("%q: got %d records, want at most %d", body, len(got.records), maxRecords(limit))
		}
		if text := withoutRecords(body, got.records); !json.Valid(text) {
			t.Errorf("%q: got no error, want one, because %q is not valid", body, text)
		}
	}
	text := bytes.TrimPrefix(body, []byte("\ufeff"))
	if !json.Valid(text) || !utf8.Valid(text) || hasHalfPair(string(text)) || bytes.TrimSpace(text)[0] != '{' {
		return
	}
	names, records, isPage := map[string]bool{}, []string(nil), false
	for _, m := range membersOfObject(text) {
		if names[m.name] {
			isPage = false
			break
		}
		names[m.name] = true
		if m.name == "data" {
			records, isPage = elementsOf(m.value)
		}
	}
	isPage = isPage && len(records) <= maxRecords(limit) && len(names) <= maxEnvelopeMembers
	if isPage != (err == nil) {
		t.Fatalf("%q: got error %v, want a page: %v", body, err, isPage)
	}
	if isPage && !slices.Equal(payloadsOf(got.records), records) {
		t.Errorf("%q: got records %q, want %q", body, payloadsOf(got.records), records)
	}
}

func payloadsOf(records []domain.Record) (all []string) {
	for _, r := range records {
		all = append(all, string(r.Payload))
	}
	return all
}

// withoutRecords returns a body with 0 in the place of each record, without a byte order mark. The records are slices of the body.
func withoutRecords(body []byte, records []domain.Record) []byte {
	var text []byte
	end := 0 // of the record before
	for _, r := range records {
		begin := int(uintptr(unsafe.Pointer(&r.Payload[0])) - uintptr(unsafe.Pointer(&body[0])))
		text = append(append(text, body[end:begin]...), '0') // panics unless the records are in order and do not overlap
		end = begin + len(r.Payload)
	}
	return bytes.TrimPrefix(append(text, body[end:]...), []byte("\ufeff"))
}

// elementsOf returns the elements of an array as written. It reports false for any other JSON value.
func elementsOf(value string) (all []string, isArray bool) {
	var elements []json.RawMessage
	if value[0] != '[' || json.Unmarshal([]byte(value), &elements) != nil {
		return nil, false
	}
	for _, e := range elements {
		all = append(all, string(e))
	}
	return all, true
}

// checkAround compares a page with what encoding/json reads around its records. Faults inside the records do not matter.
func checkAround(t *testing.T, body []byte, page domain.Page) {
	t.Helper()
	text := withoutRecords(body, page.Records)
	outer := map[string]string{}
	for _, m := range membersOfObject(text) {
		outer[m.name] = m.value
	}
	pagination, meta := outer, map[string]string{}
	if value, found := outer["pagination"]; found {
		pagination = map[string]string{}
		for _, m := range membersOfObject([]byte(value)) {
			pagination[m.name] = m.value
		}
	}
	for _, m := range membersOfObject([]byte(cmp.Or(outer["meta"], "{}"))) {
		meta[m.name] = m.value
	}
	var next string
	var total, returned *int64
	if pagination["hasMore"] == "true" {
		if err := json.Unmarshal([]byte(pagination["nextCursor"]), &next); err != nil {
			t.Errorf("%q: got a page, want error %v", body, err)
		}
	}
	for name, number := range map[string]**int64{"total": &total, "returned": &returned} {
		if err := json.Unmarshal([]byte(cmp.Or(meta[name], "null")), number); err != nil {
			t.Errorf("%q: got a page, want error %v", body, err)
		}
	}
	isLast := pagination["hasMore"] == "false"
	isSameTotal := total == nil && !page.Total.Known || total != nil && page.Total == (domain.Total{N: *total, Known: true})
	hasAll := returned == nil || *returned == int64(len(page.Records))
	if page.Last != isLast || string(page.Next) != next || !isSameTotal || !hasAll {
		t.Errorf("%q: got last %v, next %q, total %+v and %d records, want what the body says", body, page.Last, page.Next, page.Total, len(page.Records))
	}
}
