package embeddedpg

import (
	"strings"
	"testing"
)

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
	if got := outputTail([]byte(strings.Repeat("ü", 1000))); len(got) > tailBytes+len("…") || !strings.HasSuffix(got, "üü") {
		t.Errorf("got %d bytes: %q, want the last %d or fewer", len(got), got, tailBytes)
	}
}
