package datasync

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

// FuzzSkip checks that the scanner skips a value of any form, valid or not, exactly as referenceScanner does.
func FuzzSkip(f *testing.F) {
	for _, seed := range skipSeeds() {
		f.Add([]byte(seed))
	}
	f.Fuzz(checkSkip)
}

// TestSkip checks the seeds of FuzzSkip with each byte changed, and with the text cut off at each byte.
func TestSkip(t *testing.T) {
	t.Parallel()
	for _, seed := range skipSeeds() {
		checkSkip(t, []byte(seed))
		for i := range min(len(seed), 500) {
			checkSkip(t, []byte(seed[:i]))
			for _, c := range []byte("\"\\{}[]:, \n\x00\xff") {
				changed := []byte(seed)
				changed[i] = c
				checkSkip(t, changed)
			}
		}
	}
}

// skipSeeds returns values with all that the scanner treats in its own way: escapes, empty strings, strings of any length,
// strings that follow each other directly, and brackets beyond what one number of openBrackets holds.
func skipSeeds() []string {
	seeds := []string{
		plainRecord, `""`, `"\""`, `"\\"`, `"\\\""`, `["",""]`, `["a","b":"c"]`, `{"a":[{},[]],"b":{"c":["}",1]}}`, `{"a\\":"b\\\\\"}"}`,
		`[1.5,true,null,{"a":-1e3}]`, `{"a":"é"}`, "{\"a\":\"\x00\n\"}", `["a",]`, `{"a":1]`, `[}`,
	}
	for length := range 20 {
		text := strings.Repeat("x", length)
		seeds = append(seeds, `["`+text+`","`+text+`\"","`+text+`\\"]`)
	}
	for _, depth := range []int{63, 64, 65, 128, 129} {
		nested := strings.Repeat("[{", depth/2) + strings.Repeat("[", depth%2) + strings.Repeat("]", depth%2) + strings.Repeat("}]", depth/2)
		seeds = append(seeds, nested, strings.Repeat("[", depth)+strings.Repeat("]", depth))
	}
	return seeds
}

// checkSkip compares both scanners at each of the first bytes of body.
func checkSkip(t *testing.T, body []byte) {
	t.Helper()
	const maxBegins = 40
	for begin := range min(len(body), maxBegins) {
		s, want := scanner{body: body, pos: begin}, referenceScanner{body: body, pos: begin}
		var err, wantErr error
		switch body[begin] {
		case '"':
			err, wantErr = s.skipString(), want.skipString()
		case '{', '[':
			err, wantErr = s.skipContainer(), want.skipContainer()
		}
		if s.pos != want.pos || textOf(err) != textOf(wantErr) {
			t.Fatalf("%q from byte %d: got byte %d, error %v, want byte %d, error %v", body, begin, s.pos, err, want.pos, wantErr)
		}
	}
}

func textOf(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// A referenceScanner skips values byte by byte. It keeps the open brackets as text.
type referenceScanner struct {
	body []byte
	pos  int
}

func (s *referenceScanner) skipContainer() error {
	var open []byte
	for ; s.pos < len(s.body); s.pos++ {
		switch c := s.body[s.pos]; c {
		case '"':
			if err := s.skipString(); err != nil {
				return err
			}
			s.pos--
		case '{':
			open = append(open, '}')
		case '[':
			open = append(open, ']')
		case '}', ']':
			last := len(open) - 1
			if open[last] != c {
				position := scanner{body: s.body, pos: s.pos}
				return position.missingError("'" + string(open[last]) + "'")
			}
			if open = open[:last]; last == 0 {
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

// TestSkip_Split checks that a whole page has the same records if its values are skipped by referenceScanner.
func TestSkip_Split(t *testing.T) {
	t.Parallel()
	seeds := slices.DeleteFunc(skipSeeds(), func(s string) bool {
		want := referenceScanner{body: []byte(s)}
		return s[0] == '"' || want.skipContainer() != nil || want.pos != len(s)
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
