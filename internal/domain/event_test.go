package domain_test

import (
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
		{"canonical", canonical, true},
		{"upper case", strings.ToUpper(canonical), true},
		{"all zero", "00000000-0000-0000-0000-000000000000", true},
		{"empty", "", false},
		{"no dashes", strings.ReplaceAll(canonical, "-", ""), false},
		{"braces", "{" + canonical + "}", false},
		{"urn", "urn:uuid:" + canonical, false},
		{"not hex", "6ba7b810-9dad-11d1-80b4-00c04fd430cg", false},
		{"dash out of place", "6ba7b81-09dad-11d1-80b4-00c04fd430c8", false},
		{"trailing space", canonical + " ", false},
		{"sign where a digit belongs", "+ba7b810-9dad-11d1-80b4-00c04fd430c8", false},
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
