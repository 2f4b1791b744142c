// Package domaintest holds the contracts of the domain's ports as checks that every implementation runs, the fakes here
// included, and the fakes themselves.
package domaintest

import (
	"context"
	"testing"
)

// A Check is one clause of a port's contract, run against a fresh implementation. It returns an error rather than
// failing a test, so that a test can show that a broken implementation does not pass.
type Check[T any] struct {
	Name string
	Run  func(ctx context.Context, under T) error
}

// RunChecks runs each check as a subtest on what fresh makes for it.
func RunChecks[T any](t *testing.T, checks []Check[T], fresh func(*testing.T) T) {
	t.Helper()
	for _, check := range checks {
		t.Run(check.Name, func(t *testing.T) {
			if err := check.Run(t.Context(), fresh(t)); err != nil {
				t.Error(err)
			}
		})
	}
}
