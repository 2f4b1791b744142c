package datasync_test

import (
	"bytes"
	"crypto/sha256"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/pawldata/pawl/internal/adapters/datasync"
	"github.com/pawldata/pawl/internal/domain"
)

func hash(payload string) domain.RecordHash {
	return datasync.NewDecoder(datasync.DataSync()).Hash(domain.Record{Payload: []byte(payload)})
}

// TestTheSameRecordHasOneHash whatever form the API gives it in one place of a page or another.
func TestTheSameRecordHasOneHash(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		forms []string
	}{
		{"the time in every form", []string{
			`{"id":1,"timestamp":1769541553000}`, `{"id":1,"timestamp":"2026-01-27T19:19:13.000Z"}`, `{"id":1,"timestamp":"2026-01-27t20:19:13+01"}`,
			`{"id":1,"timestamp":1769541553}`, `{"id":1,"timestamp":"1769541553000000"}`, `{"id":1,"timestamp":1769541553000000000}`,
		}},
		{"the time in a record with text that is none", []string{
			"{\"name\":\"a\xffb\",\"timestamp\":1769541553000}", "{\"timestamp\":\"2026-01-27T19:19:13Z\",\"name\":\"a\xffb\"}",
		}},
		{"the time in a record with a field twice", []string{
			`{"n":1,"timestamp":1769541553000,"n":2}`, `{"n":1,"n":2,"timestamp":"2026-01-27T19:19:13Z"}`,
		}},
		{"members in another order, at any depth", []string{`{"a":{"b":[{"c":1,"d":2}],"e":3},"f":4}`, `{"f":4,"a":{"e":3,"b":[{"d":2,"c":1}]}}`}},
		{"space where it means nothing", []string{`{"a":[1,{"b":null}],"c":""}`, "\t{ \"a\" : [ 1 ,\r\n{\"b\": null} ] , \"c\" :\"\" } "}},
		{"escapes in names and values", []string{`{"a/é":"x\n😀"}`, `{"\u0061\/\u00E9":"\u0078\u000a\uD83D\uDE00"}`}},
		{"empty ones", []string{`{}`, ` { } `}},
	}
	seen := map[domain.RecordHash]string{}
	for _, tt := range tests {
		want := hash(tt.forms[0])
		for _, form := range tt.forms[1:] {
			if hash(form) != want {
				t.Errorf("%s: %s has another hash than %s", tt.name, form, tt.forms[0])
			}
		}
		if other, known := seen[want]; known {
			t.Errorf("%s has the hash of %s", tt.forms[0], other)
		}
		seen[want] = tt.forms[0]
	}
}

// TestOtherRecordsHaveOtherHashes, however little they differ.
func TestOtherRecordsHaveOtherHashes(t *testing.T) {
	t.Parallel()
	records := []string{
		`{"a":1}`, `{"a":1.0}`, `{"a":1.00}`, `{"a":"1"}`, `{"a":[1]}`, `{"a":{"":1}}`, `{"a":true}`, `{"a":null}`, `{"a":"true"}`, `{"A":1}`, `{"":1}`,
		`{"a":1,"a":2}`, `{"a":2,"a":1}`, `{"a":1,"b":2}`, `{"a":2,"b":1}`, `{"a":[]}`, `{"a":[[]]}`, `{"a":[[],[]]}`, `{"a":{}}`, `{"a":""}`,
		`{"a":[1,2]}`, `{"a":[2,1]}`, `{"a":[12]}`, `{"a":["1,2"]}`, `{"ab":"c"}`, `{"a":"bc"}`,
		`{"timestamp":1769541553000}`, `{"timestamp":1769541553001}`, `{"timestamp":"2026-01-27T19:19:13.0001Z"}`, `{"timestamp":"yesterday"}`, `{"timestamp":1}`, `{"timestamp":"1"}`,
		`{"a":{"timestamp":1769541553000}}`, `{"a":{"timestamp":"2026-01-27T19:19:13.000Z"}}`, `{"Timestamp":1769541553000}`,
		`{"a":"\ud83d"}`, `{"a":"\uD83D"}`, `{"a":"�"}`, "{\"a\":\"\xff\"}", "{\"a\":\"\xfe\"}", `{"a":"\xff"}`, "{\"a\":\"\n\"}", `{"a":"\n"}`, `{"a":"\\n"}`,
		`{"a":"\u0000"}`, `{"\ud83d":1}`, `{"\uD83D":1}`, "", " ", "null", "42", `"a"`, `"\u0061"`, "[]", "[1]", "[1] ", `{"a":1`, `{"a":1}x`, `{"a":1,}`, `{"a"}`, `{a:1}`,
		`{"a":NaN}`, "\x00", "\xff",
	}
	seen := map[domain.RecordHash]string{}
	for _, record := range records {
		h := hash(record)
		if other, known := seen[h]; known {
			t.Errorf("%q has the hash of %q", record, other)
		}
		seen[h] = record
	}
}

// TestBytesThatAreNoObjectAreHashedThemselves, like an object that would take too much to be sorted.
func TestBytesThatAreNoObjectAreHashedThemselves(t *testing.T) {
	t.Parallel()
	deep := func(n int) string { return `{"a":` + strings.Repeat("[", n) + strings.Repeat("]", n) + "}" }
	wide := func(n int) string { return `{` + strings.Repeat(`"":1,`, n-1) + `"":1}` }
	tests := []struct {
		name, payload string
		itself        bool
	}{
		{"no JSON", "x", true},
		{"cut off", `{"a":"`, true},
		{"as deep as may be", deep(999), false},
		{"deeper", deep(1000), true},
		{"as wide as may be", wide(1 << 16), false},
		{"wider", wide(1<<16 + 1), true},
	}
	for _, tt := range tests {
		h := hash(tt.payload)
		if itself := h == sha256.Sum256([]byte(tt.payload)); itself != tt.itself || !itself && h != hash(" "+tt.payload) {
			t.Errorf("%s: hashed by its bytes: %v", tt.name, itself)
		}
	}
}

// TestAHashTakesLittle: what is allocated, garbage included, is in proportion to the record, whatever it is made of. Empty
// arrays take most, less than eleven times their bytes.
func TestAHashTakesLittle(t *testing.T) {
	const (
		size = 2 << 20
		most = 12 * size
	)
	fill := func(open, repeated, end string) []byte {
		return slices.Concat([]byte(open), bytes.Repeat([]byte(repeated), (size-len(open)-len(end))/len(repeated)), []byte(end))
	}
	decoder := datasync.NewDecoder(datasync.DataSync())
	for name, payload := range map[string][]byte{
		"members":            fill(`{"a":1`, `,"":1`, `}`),
		"nested members":     fill(`{"a":1`, `,"a":{"":1,"":1`, ``),
		"brackets":           fill(`{"a":`, `[`, ``),
		"empty arrays":       fill(`{"a":[1`, `,[]`, `]}`),
		"numbers":            fill(`{"a":[1`, `,1`, `]}`),
		"one string":         fill(`{"a":"`, `x`, `"}`),
		"a string of quotes": fill(`{"a":"`, `\"`, `"}`),
		"one number":         fill(`{"a":`, `1`, `}`),
		"backslashes":        fill(`{"a":"`, `\\`, `"}`),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		decoder.Hash(domain.Record{Payload: payload})
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; took > most {
			t.Errorf("%s: allocated %d MiB for %d", name, took>>20, size>>20)
		}
	}
}
