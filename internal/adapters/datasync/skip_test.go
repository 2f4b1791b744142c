package datasync

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

// FuzzSkip checks that the scanner skips any text, valid JSON or not, exactly as referenceScanner does.
func FuzzSkip(f *testing.F) {
	for _, seed := range skipSeeds() {
		f.Add([]byte(seed))
	}
	f.Fuzz(checkSkip)
}

// TestSkip checks what FuzzSkip checks, for each seed, for each seed with one byte changed, and for each beginning of a seed.
func TestSkip(t *testing.T) {
	t.Parallel()
	const maxChanges = 500 // how many bytes of a seed are changed at most, one at a time
	for _, seed := range skipSeeds() {
		checkSkip(t, []byte(seed))
		for i := range min(len(seed), maxChanges) {
			checkSkip(t, []byte(seed[:i]))
			for _, c := range []byte("\"\\{}[]:, \n\x00\xff") {
				changed := []byte(seed)
				changed[i] = c
				checkSkip(t, changed)
			}
		}
	}
}

// skipSeeds returns texts with all that the scanner treats specially: escapes, empty strings, strings of many lengths, strings
// with only a comma or a colon between them, and more open brackets than openBrackets.inner holds. Some are not valid JSON.
func skipSeeds() []string {
	seeds := []string{
		plainRecord, `""`, `"\""`, `"\\"`, `"\\\""`, `["",""]`, `["a","b":"c"]`, `{"a":[{},[]],"b":{"c":["}",1]}}`, `{"a\\":"b\\\\\"}"}`,
		`[1.5,true,null,{"a":-1e3}]`, `{"a":"é"}`, "{\"a\":\"\x00\n\"}", `["a",]`, `{"a":1]`, `[}`,
	}
	for length := range 20 {
		text := strings.Repeat("x", length)
		seeds = append(seeds, `["`+text+`","`+text+`\"","`+text+`\\"]`)
	}
	for _, depth := range []int{bitsOfInner - 1, bitsOfInner, bitsOfInner + 1, 2 * bitsOfInner, 2*bitsOfInner + 1} {
		onlyArrays := strings.Repeat("[", depth) + strings.Repeat("]", depth)
		innermost := strings.Repeat("[]", depth%2)
		alternating := strings.Repeat("[{", depth/2) + innermost + strings.Repeat("}]", depth/2)
		seeds = append(seeds, onlyArrays, alternating)
	}
	return seeds
}

// checkSkip compares the scanner with referenceScanner. It does so for each string, object or array that begins in the first
// bytes of body, even if that place is inside another value.
func checkSkip(t *testing.T, body []byte) {
	t.Helper()
	const maxBegins = 40
	for begin := range min(len(body), maxBegins) {
		s, reference := scanner{body: body, pos: begin}, referenceScanner{body: body, pos: begin}
		var got, want error
		switch body[begin] {
		case '"':
			got, want = s.skipString(), reference.skipString()
		case '{', '[':
			got, want = s.skipContainer(), reference.skipContainer()
		}
		if s.pos != reference.pos || textOf(got) != textOf(want) {
			t.Fatalf("%q from byte %d: got byte %d, error %v, want byte %d, error %v", body, begin, s.pos, got, reference.pos, want)
		}
	}
}

func textOf(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// A referenceScanner skips values byte by byte, in the simplest way.
type referenceScanner struct {
	body []byte
	pos  int
}

func (s *referenceScanner) skipContainer() error {
	var missing []byte // the closing brackets of the open ones, the innermost last
	for ; s.pos < len(s.body); s.pos++ {
		switch c := s.body[s.pos]; c {
		case '"':
			if err := s.skipString(); err != nil {
				return err
			}
			s.pos-- // the loop adds 1
		case '{':
			missing = append(missing, '}')
		case '[':
			missing = append(missing, ']')
		case '}', ']':
			last := len(missing) - 1
			if missing[last] != c {
				position := scanner{body: s.body, pos: s.pos}
				return position.missingError("'" + string(missing[last]) + "'")
			}
			missing = missing[:last]
			if len(missing) == 0 {
				s.pos++
				return nil
			}
		}
	}
	return errTruncated
}

func (s *referenceScanner) skipString() error {
	isEscaped := false
	for s.pos++; s.pos < len(s.body); s.pos++ {
		switch c := s.body[s.pos]; {
		case isEscaped:
			isEscaped = false
		case c == '\\':
			isEscaped = true
		case c == '"':
			s.pos++
			return nil
		}
	}
	return errTruncated
}

// TestSkip_Split checks that split finds each seed as one record of a page. It uses the seeds that are one complete object or
// array.
func TestSkip_Split(t *testing.T) {
	t.Parallel()
	seeds := slices.DeleteFunc(skipSeeds(), func(seed string) bool {
		if seed[0] == '"' {
			return true
		}
		reference := referenceScanner{body: []byte(seed)}
		err := reference.skipContainer()
		isComplete := err == nil && reference.pos == len(seed)
		return !isComplete
	})
	body := `{"data":[` + strings.Join(seeds, " ,\n") + `],"hasMore":false}`
	page, err := DataSync().Envelope.split([]byte(body), len(seeds))
	if err != nil || len(page.records) != len(seeds) {
		t.Fatalf("got %d records, error %v, want %d", len(page.records), err, len(seeds))
	}
	for i, record := range page.records {
		if !bytes.Equal(record.Payload, []byte(seeds[i])) {
			t.Errorf("record %d: got %q, want %q", i, record.Payload, seeds[i])
		}
	}
}
