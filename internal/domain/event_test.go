package domain_test

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/pawldata/pawl/internal/domain"
)

func TestParseUUID(t *testing.T) {
	t.Parallel()
	const canonical = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
	tests := []struct {
		name, text string
		valid      bool
	}{
		{name: "canonical", text: canonical, valid: true},
		{name: "upper case", text: strings.ToUpper(canonical), valid: true},
		{name: "all zero", text: "00000000-0000-0000-0000-000000000000", valid: true},
		{name: "empty", text: "", valid: false},
		{name: "no dashes", text: strings.ReplaceAll(canonical, "-", ""), valid: false},
		{name: "braces", text: "{" + canonical + "}", valid: false},
		{name: "urn", text: "urn:uuid:" + canonical, valid: false},
		{name: "not hex", text: "6ba7b810-9dad-11d1-80b4-00c04fd430cg", valid: false},
		{name: "dash out of place", text: "6ba7b81-09dad-11d1-80b4-00c04fd430c8", valid: false},
		{name: "trailing space", text: canonical + " ", valid: false},
		{name: "sign where a digit belongs", text: "+ba7b810-9dad-11d1-80b4-00c04fd430c8", valid: false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			u, err := domain.ParseUUID(tt.text)
			if !tt.valid {
				if err == nil {
					t.Errorf("ParseUUID(%q): got %s, want an error", tt.text, u)
				}
				return
			}
			if want := strings.ToLower(tt.text); err != nil || u.String() != want {
				t.Errorf("ParseUUID(%q): got %s, %v, want %s", tt.text, u, err, want)
			}
		})
	}
}

// TestParseUUID_EachByte replaces each character of a UUID by each byte, and compares the result with that of encoding/hex.
func TestParseUUID_EachByte(t *testing.T) {
	t.Parallel()
	const canonical = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
	for i := range canonical {
		for c := range 256 {
			text := []byte(canonical)
			text[i] = byte(c)
			digits, err := hex.DecodeString(strings.ReplaceAll(string(text), "-", ""))
			isValid := err == nil && len(digits) == 16 && strings.Count(string(text), "-") == 4
			got, err := domain.ParseUUID(text)
			if (err == nil) != isValid || isValid && got != domain.UUID(digits) {
				t.Errorf("ParseUUID(%q): got %s, error %v, want %x, valid %v", text, got, err, digits, isValid)
			}
		}
	}
}
