package embeddedpg

import (
	"strings"
	"testing"
)

// TestOutputTail checks which part of a program's output outputTail returns. If there are lines with errors, it must return these
// lines, otherwise the last three lines.
func TestOutputTail(t *testing.T) {
	for name, tt := range map[string]struct{ out, want string }{
		"empty":        {out: "", want: ""},
		"last 3 of 4":  {out: "a\nb\n\nc\nd\n", want: "b; c; d"},
		"1 error line": {out: "creating\nFATAL:  no space\nchild ended\ninitdb: removing\nbye\nnow\n", want: "FATAL:  no space"},
		"not UTF-8":    {out: "a\xffb", want: "ab"},
	} {
		if got := outputTail([]byte(tt.out)); got != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
	longLine := strings.Repeat("ü", 1000) // 2000 bytes
	if got := outputTail([]byte(longLine)); len(got) > tailBytes+len("…") || !strings.HasSuffix(got, "üü") {
		t.Errorf("long line: got %d bytes %q, want at most its last %d", len(got), got, tailBytes)
	}
}
