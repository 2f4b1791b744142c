package embeddedpg

import (
	"strings"
	"testing"
)

func TestTailSaysWhatIsWrong(t *testing.T) {
	for name, c := range map[string]struct{ out, want string }{
		"nothing":   {"", ""},
		"the last":  {"a\nb\n\nc\nd\n", "b; c; d"},
		"the wrong": {"creating\nFATAL:  no space\nchild ended\ninitdb: removing\nbye\nnow\n", "FATAL:  no space"},
		"binary":    {"a\xffb", "ab"},
	} {
		if got := tail([]byte(c.out)); got != c.want {
			t.Errorf("%s: %q", name, got)
		}
	}
	if got := tail([]byte(strings.Repeat("ü", 1000))); len(got) > tailBytes+len("…") || !strings.HasSuffix(got, "üü") {
		t.Errorf("%d bytes: %q", len(got), got)
	}
}
