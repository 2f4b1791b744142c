package datasync

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

// plainRecord is a record that a plainParser accepts. Its properties have the text x\u00e9, in which a backslash is escaped.
const plainRecord = `{"id":"6ba7b810-9dad-41d1-80b4-00c04fd430c8","sessionId":"6ba7b811-9dad-41d1-80b4-00c04fd430c8",` +
	`"userId":"6ba7b812-9dad-41d1-80b4-00c04fd430c8","type":"click","name":"event_1",` +
	`"properties":{"a":[1,-2.5e3,true,null],"b":{"c":"x\\u00e9"}},"timestamp":"2026-01-27T19:19:13.629Z",` +
	`"session":{"id":"6ba7b811-9dad-41d1-80b4-00c04fd430c8","deviceType":"desktop","browser":"Firefox"}}`

// FuzzDecodePlain compares the plainParser with decodeStrict.
func FuzzDecodePlain(f *testing.F) {
	f.Add([]byte(plainRecord))
	for _, tt := range plainForms {
		f.Add([]byte(strings.NewReplacer(tt.change...).Replace(plainRecord)))
	}
	decoder := NewDecoder(DataSync())
	f.Fuzz(func(t *testing.T, payload []byte) { checkPlain(t, decoder, payload) })
}

// TestDecodePlain compares the plainParser with decodeStrict, for a plain record and for records that differ from it at one place:
// with another byte, cut off, with one byte left out, and with one character more.
func TestDecodePlain(t *testing.T) {
	t.Parallel()
	decoder := NewDecoder(DataSync())
	if !checkPlain(t, decoder, []byte(plainRecord)) {
		t.Fatal("the plainParser gave up on a plain record")
	}
	otherBytes := []byte("\x00\x1f \t\n\"\\\\/:,{}[]-+.0123456789eEunltTZaf\x7f\x80\xc3\xff")
	plainCount := 0 // of the records with another byte
	for i := range len(plainRecord) {
		for _, c := range otherBytes {
			changed := []byte(plainRecord)
			changed[i] = c
			if checkPlain(t, decoder, changed) {
				plainCount++
			}
		}
		checkPlain(t, decoder, []byte(plainRecord[:i]))                            // cut off
		checkPlain(t, decoder, []byte(plainRecord[:i]+plainRecord[i+1:]))          // one byte left out
		checkPlain(t, decoder, []byte(plainRecord[:i]+" "+plainRecord[i:]))        // white space
		checkPlain(t, decoder, []byte(plainRecord[:i]+"\xc3\xa9"+plainRecord[i:])) // not ASCII
	}
	const minPlain = 1000 // with fewer, the test would compare too few events
	if plainCount < minPlain {
		t.Errorf("got %d plain records, want at least %d", plainCount, minPlain)
	}
}

// checkPlain fails the test if the plainParser accepts a payload and decodeStrict does not return the same event. It reports
// whether the plainParser accepted the payload.
func checkPlain(t *testing.T, d *Decoder, payload []byte) (isPlain bool) {
	t.Helper()
	var event domain.Event
	if !d.plain.parse(payload, &event) {
		return false
	}
	strict, drift, err := d.decodeStrict(domain.Record{Payload: payload})
	if err != nil || len(drift) > 0 || !reflect.DeepEqual(event, strict) {
		t.Fatalf("got %+v of %q, want %+v, drift %v, error %v", event, payload, strict, drift, err)
	}
	return true
}

// plainForms are changes of plainRecord.
var plainForms = []struct {
	name    string
	change  []string // texts, each followed by its replacement
	isPlain bool     // whether the plainParser accepts the changed record
}{
	{name: "as recorded", isPlain: true},
	{name: "space everywhere", change: []string{`":`, `" : `, `,"`, " ,\r\n\t\"", "}", " }", "{", "{ ", "[", "[ "}, isPlain: true},
	{
		name: "fields in another order", isPlain: true,
		change: []string{`"type":"click","name":"event_1"`, `"name":"event_1","type":"click"`},
	},
	{
		name: "session in another order", isPlain: true,
		change: []string{`"deviceType":"desktop","browser":"Firefox"`, `"browser":"Firefox","deviceType":"desktop"`},
	},
	{name: "a time in milliseconds", change: []string{`"2026-01-27T19:19:13.629Z"`, `1769541553629`}, isPlain: true},
	{name: "a time with microseconds and an offset", change: []string{`19:19:13.629Z`, `19:19:13.629001+01:00`}, isPlain: true},
	{name: "the last day of February", change: []string{`2026-01-27`, `2024-02-29`}, isPlain: true},
	{name: "a UUID in upper case", change: []string{`6ba7b810`, `6BA7B810`}, isPlain: true},
	{name: "not ASCII, and an escaped surrogate pair", change: []string{`click`, `clické`, `x\\u00e9`, `é\ud83d\ude00`}, isPlain: true},
	{name: "no properties", change: []string{`{"a":[1,-2.5e3,true,null],"b":{"c":"x\\u00e9"}}`, `{}`}, isPlain: true},
	{name: "empty text", change: []string{`click`, ``}, isPlain: true},

	{name: "a time in seconds", change: []string{`"2026-01-27T19:19:13.629Z"`, `1769541553`}},
	{name: "a time in microseconds", change: []string{`"2026-01-27T19:19:13.629Z"`, `1769541553629000`}},
	{name: "a time with an exponent", change: []string{`"2026-01-27T19:19:13.629Z"`, `1769541553629e0`}},
	{name: "a day that does not exist", change: []string{`2026-01-27`, `2026-02-29`}},
	{name: "an escape in a field", change: []string{`click`, `cl\u0069ck`}},
	{name: "an escape in a name", change: []string{`"type"`, `"typ\u0065"`}},
	{name: "half a surrogate pair", change: []string{`x\\u00e9`, `\ud83d`}},
	{name: "a surrogate pair in the wrong order", change: []string{`x\\u00e9`, `\ude00\ud83d`}},
	{name: "an escaped NUL", change: []string{`x\\u00e9`, `\u0000`}},
	{name: "a name twice in the properties", change: []string{`"b":{`, `"a":{`}},
	{name: "a field twice", change: []string{`"type"`, `"name"`}},
	{name: "a field twice, another missing", change: []string{`"deviceType":"desktop"`, `"browser":"desktop"`}},
	{name: "a new field", change: []string{`"type"`, `"os":1,"type"`}},
	{name: "another session id", change: []string{`"session":{"id":"6ba7b811`, `"session":{"id":"6ba7b812`}},
	{
		name:   "the nil UUID",
		change: []string{`{"id":"6ba7b810-9dad-41d1-80b4-00c04fd430c8"`, `{"id":"00000000-0000-0000-0000-000000000000"`},
	},
}

// TestDecodePlain_Forms checks which records the plainParser accepts. If it accepted fewer, decoding would be slower, but no other
// test would fail.
func TestDecodePlain_Forms(t *testing.T) {
	t.Parallel()
	decoder := NewDecoder(DataSync())
	for _, tt := range plainForms {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			record := strings.NewReplacer(tt.change...).Replace(plainRecord)
			if tt.change != nil && record == plainRecord {
				t.Fatal("the change changes nothing")
			}
			if got := checkPlain(t, decoder, []byte(record)); got != tt.isPlain {
				t.Errorf("%s: got accepted: %v, want %v", record, got, tt.isPlain)
			}
		})
	}
}

// TestReadTimestamp_Calendar compares readTimestamp with parseTimestamp, for dates, times of day and numbers. Some of them do not
// exist, like the month 0 and the hour 99.
func TestReadTimestamp_Calendar(t *testing.T) {
	t.Parallel()
	for _, year := range []int{0, 1, 1900, 2000, 2023, 2024, 9999} {
		for month := range 14 {
			for day := range 33 {
				checkTimestamp(t, fmt.Sprintf(`"%04d-%02d-%02dT19:19:13.629Z"`, year, month, day))
			}
		}
	}
	for n := range 100 { // n is a part of a time of day, or a number of digits
		checkTimestamp(t, fmt.Sprintf(`"2026-01-27T%02d:19:13.629Z"`, n))
		checkTimestamp(t, fmt.Sprintf(`"2026-01-27T19:%02d:13.629Z"`, n))
		checkTimestamp(t, fmt.Sprintf(`"2026-01-27T19:19:%02d.629Z"`, n))
		checkTimestamp(t, strings.Repeat("9", n))
		checkTimestamp(t, "1"+strings.Repeat("0", n))
		checkTimestamp(t, "0"+strings.Repeat("1", n))
	}
}

// checkTimestamp fails the test if readTimestamp reads the whole value and parseTimestamp returns another time, a fault or drift.
func checkTimestamp(t *testing.T, value string) {
	t.Helper()
	var got time.Time
	if end := readTimestamp([]byte(value), 0, &got); end != len(value) {
		return
	}
	want := parseTimestamp([]byte(value))
	if want.fault != "" || len(want.drifts) > 0 || !reflect.DeepEqual(got, want.time) {
		t.Errorf("got %v of %s, want %+v", got, value, want)
	}
}
