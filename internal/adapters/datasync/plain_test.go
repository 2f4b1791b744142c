package datasync

import (
	"reflect"
	"testing"

	"github.com/pawldata/pawl/internal/domain"
)

const plainRecord = `{"id":"6ba7b810-9dad-41d1-80b4-00c04fd430c8","sessionId":"6ba7b811-9dad-41d1-80b4-00c04fd430c8",` +
	`"userId":"6ba7b812-9dad-41d1-80b4-00c04fd430c8","type":"click","name":"event_1","properties":{"a":[1,-2.5e3,true,null],"b":{"c":"x\\u00e9"}},` +
	`"timestamp":"2026-01-27T19:19:13.629Z","session":{"id":"6ba7b811-9dad-41d1-80b4-00c04fd430c8","deviceType":"desktop","browser":"Firefox"}}`

func FuzzDecodePlain(f *testing.F) {
	f.Add([]byte(plainRecord))
	decoder := NewDecoder(DataSync())
	f.Fuzz(func(t *testing.T, payload []byte) { checkPlain(t, decoder, payload) })
}

// TestDecodePlain decodes a plain record and all records that differ from it in one byte, and compares the plain parser
// with the strict reader.
func TestDecodePlain(t *testing.T) {
	t.Parallel()
	decoder := NewDecoder(DataSync())
	if !checkPlain(t, decoder, []byte(plainRecord)) {
		t.Fatal("the plain parser gave up on a plain record")
	}
	plain := 0
	for i := range len(plainRecord) {
		for _, c := range []byte("\x00\x1f \t\n\"\\\\/:,{}[]-+.0123456789eEunltTZaf\x7f\x80\xc3\xff") {
			changed := []byte(plainRecord)
			changed[i] = c
			if checkPlain(t, decoder, changed) {
				plain++
			}
		}
		checkPlain(t, decoder, []byte(plainRecord[:i]))                            // cut off
		checkPlain(t, decoder, []byte(plainRecord[:i]+plainRecord[i+1:]))          // one byte left out
		checkPlain(t, decoder, []byte(plainRecord[:i]+" "+plainRecord[i:]))        // white space
		checkPlain(t, decoder, []byte(plainRecord[:i]+"\xc3\xa9"+plainRecord[i:])) // not ASCII
	}
	if plain < 1000 {
		t.Errorf("only %d changed records were plain", plain)
	}
}

// checkPlain fails the test if the plain parser takes a payload and the strict reader does not give the same event. It
// reports whether the plain parser took it.
func checkPlain(t *testing.T, d *Decoder, payload []byte) bool {
	t.Helper()
	event, ok := d.decodePlain(payload)
	if !ok {
		return false
	}
	strict, drift, err := d.decodeStrict(domain.Record{Payload: payload})
	if err != nil || len(drift) > 0 || !reflect.DeepEqual(event, strict) {
		t.Fatalf("got %+v of %q, want %+v, drift %v, error %v", event, payload, strict, drift, err)
	}
	return true
}
