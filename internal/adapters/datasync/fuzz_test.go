package datasync

import (
	"bytes"
	"slices"
	"testing"

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
		json := jsontext.NewDecoder(bytes.NewBuffer(bytes.Clone(body)), options...)
		if json.PeekKind() != jsontext.KindBeginArray || !jsontext.Value(body).IsValid(options...) {
			return
		}
		if _, err := json.ReadToken(); err != nil {
			return
		}
		for json.PeekKind() != jsontext.KindEndArray {
			value, err := json.ReadValue()
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

// FuzzParsePage checks that any body gives an error, or a page that is either the last one or has a new cursor.
func FuzzParsePage(f *testing.F) {
	const requested, limit = "requested-cursor", 10
	f.Add([]byte(`{"data":[{"id":1}],"pagination":{"hasMore":true,"nextCursor":"n"},"meta":{"total":9,"returned":1}}`))
	f.Add([]byte(`{"data":[1],"hasMore":false}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		page, err := DataSync().Envelope.parse(answer{body: body}, requested, limit)
		isLast := page.Last && page.Next == ""
		hasNewCursor := !page.Last && page.Next != "" && page.Next != requested
		if err == nil && !isLast && !hasNewCursor {
			t.Errorf("%q: got last %v, next %q, want either the last page or a new cursor", body, page.Last, page.Next)
		}
	})
}

// FuzzDecode checks that the decoder does not change the payload, and that PostgreSQL can store the JSON and the texts of each
// record that the decoder accepts. The seed has an unknown field in the record and another one in its session.
func FuzzDecode(f *testing.F) {
	const valid = `{"id":"0198c0de-0000-7000-8000-000000000001","sessionId":"0198c0de-0000-7000-8000-0000000000aa",` +
		`"userId":"0198c0de-0000-4000-8000-0000000000bb","type":"click","name":"n","properties":{"n":1},"timestamp":1769541553629,` +
		`"session":{"id":"0198c0de-0000-7000-8000-0000000000aa","deviceType":"d","browser":"b","os":"\\u0000"},"x":[1]}`
	f.Add([]byte(valid))
	decoder := NewDecoder(DataSync())
	f.Fuzz(func(t *testing.T, payload []byte) {
		before := bytes.Clone(payload)
		event, drift, err := decoder.Decode(domain.Record{Payload: payload})
		if !bytes.Equal(payload, before) {
			t.Fatalf("got payload changed to %q, want %q", payload, before)
		}
		if err != nil {
			return
		}
		for _, object := range [][]byte{event.Properties, event.Extra} {
			if object != nil && (!jsontext.Value(object).IsValid() || hasNUL(object)) {
				t.Errorf("got object %q, want valid JSON without NUL", object)
			}
		}
		for _, text := range []string{event.Type, event.Name, event.DeviceType, event.Browser} {
			if bytes.ContainsRune([]byte(text), 0) {
				t.Errorf("got text %q, want no NUL", text)
			}
		}
		hasExtraDrift := slices.ContainsFunc(drift, func(d domain.Drift) bool {
			return d.Kind == driftNewField || d.Kind == driftOtherSessionID
		})
		if hasExtra := event.Extra != nil; hasExtra != hasExtraDrift {
			t.Errorf("got extra %q with drift %v, want both or neither", event.Extra, drift)
		}
	})
}
