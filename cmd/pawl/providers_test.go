package main

import (
	"context"
	"math"
	"runtime/debug"
	"testing"

	"github.com/pawldata/pawl/internal/domain"
)

// TestLimitMemory checks that `pawl run` limits the memory by the largest page that it has received, and that a limit in the environment
// stays. The test must not run in parallel, because it changes the limit of the whole process.
func TestLimitMemory(t *testing.T) { //nolint:paralleltest // it changes the limit of the process
	const (
		mebibyte = 1 << 20
		noLimit  = math.MaxInt64
		onlyRead = -1
	)
	limitBefore := debug.SetMemoryLimit(noLimit)
	defer debug.SetMemoryLimit(limitBefore)
	pages := pagesOfSizes{1 * mebibyte, 16 * mebibyte, 2 * mebibyte}
	wantLimits := []int64{(36 + 3*1) * mebibyte, (36 + 3*16) * mebibyte, (36 + 3*16) * mebibyte}
	const defaultBuffer = 8 * mebibyte
	source := limitMemory(&pages, defaultBuffer)
	if got, want := debug.SetMemoryLimit(onlyRead), int64(36*mebibyte); got != want {
		t.Errorf("before the first page: got a limit of %d bytes, want %d", got, want)
	}
	for i, want := range wantLimits {
		if _, err := source.FetchPage(t.Context(), domain.PageRequest{}); err != nil {
			t.Fatal(err)
		}
		if got := debug.SetMemoryLimit(onlyRead); got != want {
			t.Errorf("after page %d: got a limit of %d bytes, want %d", i+1, got, want)
		}
	}

	debug.SetMemoryLimit(noLimit)
	limitMemory(&pages, 2*defaultBuffer)
	if got, want := debug.SetMemoryLimit(onlyRead), int64((36+3*8)*mebibyte); got != want {
		t.Errorf("with a larger buffer: got a limit of %d bytes, want %d", got, want)
	}

	debug.SetMemoryLimit(100 * mebibyte) // as with GOMEMLIMIT=100MiB
	pages = pagesOfSizes{16 * mebibyte}
	if _, err := limitMemory(&pages, defaultBuffer).FetchPage(t.Context(), domain.PageRequest{}); err != nil {
		t.Fatal(err)
	}
	if got := debug.SetMemoryLimit(onlyRead); got != 100*mebibyte {
		t.Errorf("with a limit in the environment: got a limit of %d bytes, want 100 MiB", got)
	}
}

// pagesOfSizes is a source whose pages have these numbers of bytes, and no record.
type pagesOfSizes []int64

func (p *pagesOfSizes) FetchPage(context.Context, domain.PageRequest) (domain.Page, error) {
	bytes := (*p)[0]
	*p = (*p)[1:]
	return domain.Page{Receipt: domain.Receipt{Bytes: bytes}}, nil
}
