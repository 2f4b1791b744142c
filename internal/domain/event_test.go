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
		ok         bool
	}{
		{"canonical", canonical, true},
		{"upper case", strings.ToUpper(canonical), true},
		{"nil", "00000000-0000-0000-0000-000000000000", true},
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
			if (err == nil) != tt.ok {
				t.Fatalf("ParseUUID(%q) error %v, want ok %v", tt.text, err, tt.ok)
			}
			if tt.ok && u.String() != strings.ToLower(tt.text) {
				t.Errorf("ParseUUID(%q).String() = %q", tt.text, u)
			}
		})
	}
}
