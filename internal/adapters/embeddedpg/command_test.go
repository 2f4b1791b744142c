package embeddedpg

import (
	"strings"
	"testing"
)

// TestOutputTail checks which part of a program's output an error quotes: the error lines, or else the last three lines.
func TestOutputTail(t *testing.T) {
	for name, tt := range map[string]struct{ out, want string }{
		"empty":       {"", ""},
		"last lines":  {"a\nb\n\nc\nd\n", "b; c; d"},
		"error lines": {"creating\nFATAL:  no space\nchild ended\ninitdb: removing\nbye\nnow\n", "FATAL:  no space"},
		"binary":      {"a\xffb", "ab"},
	} {
		if got := outputTail([]byte(tt.out)); got != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
	longLine := strings.Repeat("ü", 1000)
	if got := outputTail([]byte(longLine)); len(got) > tailBytes+len("…") || !strings.HasSuffix(got, "üü") {
		t.Errorf("long line: got %d bytes %q, want at most its last %d", len(got), got, tailBytes)
	}
}
