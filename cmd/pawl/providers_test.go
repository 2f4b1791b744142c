package main

import "testing"

func TestMemoryLimit(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	for _, tt := range []struct{ maxPageBytes, want int64 }{
		{1024, 64 * mib},
		{1_000_000, 64 * mib},
		{12 * mib, 64 * mib},
		{12*mib + 1, 64*mib + 4},
		{16 * mib, 80 * mib}, // the default
		{1024 * mib, 4112 * mib},
	} {
		if got := memoryLimit(tt.maxPageBytes); got != tt.want {
			t.Errorf("pages of %d bytes: %d bytes, want %d", tt.maxPageBytes, got, tt.want)
		}
	}
}
