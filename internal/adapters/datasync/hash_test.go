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

func hashRecord(payload string) domain.RecordHash {
	return datasync.NewDecoder(datasync.DataSync()).Hash(domain.Record{Payload: []byte(payload)})
}

// TestHash_SameContent checks that all forms of a record have the same hash.
func TestHash_SameContent(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		forms []string
	}{
		{"all forms of the time", []string{
			`{"id":1,"timestamp":1769541553000}`,
			`{"id":1,"timestamp":"2026-01-27T19:19:13.000Z"}`, `{"id":1,"timestamp":"2026-01-27t20:19:13+01"}`,
			`{"id":1,"timestamp":1769541553}`, `{"id":1,"timestamp":"1769541553000000"}`, `{"id":1,"timestamp":1769541553000000000}`,
		}},
		{"time in a record with invalid text", []string{
			"{\"name\":\"a\xffb\",\"timestamp\":1769541553000}", "{\"timestamp\":\"2026-01-27T19:19:13Z\",\"name\":\"a\xffb\"}",
		}},
		{"time in a record with a duplicate field", []string{
			`{"n":1,"timestamp":1769541553000,"n":2}`, `{"n":1,"n":2,"timestamp":"2026-01-27T19:19:13Z"}`,
		}},
		{"members in another order, at any depth", []string{
			`{"a":{"b":[{"c":1,"d":2}],"e":3},"f":4}`, `{"f":4,"a":{"e":3,"b":[{"d":2,"c":1}]}}`,
		}},
		{"white space", []string{`{"a":[1,{"b":null}],"c":""}`, "\t{ \"a\" : [ 1 ,\r\n{\"b\": null} ] , \"c\" :\"\" } "}},
		{"escapes in names and values", []string{`{"a/é":"x\n😀"}`, `{"\u0061\/\u00E9":"\u0078\u000a\uD83D\uDE00"}`}},
		{"empty objects", []string{`{}`, ` { } `}},
	}
	seen := map[domain.RecordHash]string{}
	for _, tt := range tests {
		want := hashRecord(tt.forms[0])
		for _, form := range tt.forms[1:] {
			if hashRecord(form) != want {
				t.Errorf("%s: got a different hash for %s, want the hash of %s", tt.name, form, tt.forms[0])
			}
		}
		if other, found := seen[want]; found {
			t.Errorf("%s: got the hash of %s, want a different hash", tt.forms[0], other)
		}
		seen[want] = tt.forms[0]
	}
}

// TestHash_OtherContent checks that records with small differences have different hashes.
func TestHash_OtherContent(t *testing.T) {
	t.Parallel()
	records := []string{
		// values of different types and spellings
		`{"a":1}`, `{"a":1.0}`, `{"a":1.00}`, `{"a":"1"}`, `{"a":[1]}`, `{"a":{"":1}}`, `{"a":true}`, `{"a":null}`, `{"a":"true"}`,
		`{"A":1}`, `{"":1}`, `{"a":[]}`, `{"a":[[]]}`, `{"a":[[],[]]}`, `{"a":{}}`, `{"a":""}`,

		// values and members in another order or with other borders
		`{"a":1,"a":2}`, `{"a":2,"a":1}`, `{"a":1,"b":2}`, `{"a":2,"b":1}`, `{"a":[1,2]}`, `{"a":[2,1]}`, `{"a":[12]}`, `{"a":["1,2"]}`,
		`{"ab":"c"}`, `{"a":"bc"}`,

		// timestamps: only a valid one in the record itself is hashed by its time
		`{"timestamp":1769541553000}`, `{"timestamp":1769541553001}`, `{"timestamp":"2026-01-27T19:19:13.0001Z"}`,
		`{"timestamp":"yesterday"}`, `{"timestamp":1}`, `{"timestamp":"1"}`, `{"Timestamp":1769541553000}`,
		`{"a":{"timestamp":1769541553000}}`, `{"a":{"timestamp":"2026-01-27T19:19:13.000Z"}}`,

		// text that is not valid, or that looks similar
		`{"a":"\ud83d"}`, `{"a":"\uD83D"}`, `{"a":"�"}`, "{\"a\":\"\xff\"}", "{\"a\":\"\xfe\"}", `{"a":"\xff"}`,
		"{\"a\":\"\n\"}", `{"a":"\n"}`, `{"a":"\\n"}`, `{"a":"\u0000"}`, `{"\ud83d":1}`, `{"\uD83D":1}`,

		// payloads that are not a JSON object
		"", " ", "null", "42", `"a"`, `"\u0061"`, "[]", "[1]", "[1] ", `{"a":1`, `{"a":1}x`, `{"a":1,}`, `{"a"}`, `{a:1}`, `{"a":NaN}`,
		"\x00", "\xff",
	}
	seen := map[domain.RecordHash]string{}
	for _, record := range records {
		h := hashRecord(record)
		if other, found := seen[h]; found {
			t.Errorf("%q: got the hash of %q, want a different hash", record, other)
		}
		seen[h] = record
	}
}

// TestHash_Bytes checks that records beyond the limits, and records that are not objects, are hashed by their bytes.
func TestHash_Bytes(t *testing.T) {
	t.Parallel()
	const maxDepth, maxMembers = 1000, 1 << 16
	withDepth := func(n int) string { // the object counts as the first of n levels
		return `{"a":` + strings.Repeat("[", n-1) + strings.Repeat("]", n-1) + "}"
	}
	withMembers := func(n int) string { return `{` + strings.Repeat(`"":1,`, n-1) + `"":1}` }
	tests := []struct {
		name, payload string
		byBytes       bool // whether the hash is that of the payload's bytes
	}{
		{name: "not JSON", payload: "x", byBytes: true},
		{name: "cut off", payload: `{"a":"`, byBytes: true},
		{name: "maximum depth", payload: withDepth(maxDepth)},
		{name: "too deep", payload: withDepth(maxDepth + 1), byBytes: true},
		{name: "maximum members", payload: withMembers(maxMembers)},
		{name: "too many members", payload: withMembers(maxMembers + 1), byBytes: true},
	}
	for _, tt := range tests {
		h := hashRecord(tt.payload)
		byBytes := h == sha256.Sum256([]byte(tt.payload))
		if byBytes != tt.byBytes {
			t.Errorf("%s: got hashed by bytes: %v, want %v", tt.name, byBytes, tt.byBytes)
		}
		if !byBytes && h != hashRecord(" "+tt.payload) {
			t.Errorf("%s: got a different hash with a space before the record, want the same", tt.name)
		}
	}
}

// TestHash_Memory checks that hashing allocates memory in proportion to the size of any record. The memory includes garbage.
// Empty arrays take the most memory, which is less than eleven times their bytes.
func TestHash_Memory(t *testing.T) {
	const (
		size     = 2 << 20
		maxAlloc = 12 * size
	)
	// fill returns open, then repeated as often as it fits, then end: about size bytes in total.
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
		if allocated := after.TotalAlloc - before.TotalAlloc; allocated > maxAlloc {
			t.Errorf("%s: got %d MiB allocated for %d MiB, want at most %d", name, allocated>>20, size>>20, maxAlloc>>20)
		}
	}
}
