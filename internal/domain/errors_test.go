package domain_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/pawldata/pawl/internal/domain"
)

func TestKindOf(t *testing.T) {
	t.Parallel()
	transient := &domain.Error{Kind: domain.Transient, Op: "fetch", Err: errors.New("reset")}
	tests := []struct {
		name string
		err  error
		want domain.Kind
	}{
		{name: "no error", err: nil, want: domain.Unknown},
		{name: "unclassified", err: errors.New("x"), want: domain.Unknown},
		{name: "classified", err: transient, want: domain.Transient},
		{name: "wrapped", err: fmt.Errorf("gave up: %w", transient), want: domain.Transient},
		{name: "the kind of the outermost Error", err: &domain.Error{Kind: domain.Fenced, Op: "o", Err: transient}, want: domain.Fenced},
		{name: "cancelled", err: fmt.Errorf("x: %w", context.Canceled), want: domain.Stopped},
		{
			name: "an Error that wraps a context error",
			err:  &domain.Error{Kind: domain.Transient, Op: "o", Err: context.DeadlineExceeded}, want: domain.Transient,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := domain.KindOf(tt.err); got != tt.want {
				t.Errorf("KindOf(%v): got %s, want %s", tt.err, got, tt.want)
			}
		})
	}
}

// TestHintOf checks that HintOf finds the hint of an inner Error, if the outer Error has none.
func TestHintOf(t *testing.T) {
	t.Parallel()
	inner := &domain.Error{Kind: domain.Invalid, Op: "inner", Hint: "do this", Err: errors.New("x")}
	outer := fmt.Errorf("context: %w", &domain.Error{Kind: domain.Invalid, Op: "outer", Err: inner})
	if got := domain.HintOf(outer); got != "do this" {
		t.Errorf("HintOf: got %q, want the hint of the inner error", got)
	}
	if got := domain.HintOf(errors.New("x")); got != "" {
		t.Errorf("HintOf of an error that is no domain.Error: got %q, want none", got)
	}
}

// TestKindNames checks that each kind has a name of its own, and that an unknown kind is named unknown.
func TestKindNames(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for kind := domain.Unknown; kind <= domain.Inconsistent; kind++ {
		name := kind.String()
		if name == "" || seen[name] {
			t.Errorf("kind %d: got name %q, want a name that no other kind has", kind, name)
		}
		seen[name] = true
	}
	if got := domain.Kind(99).String(); got != "unknown" {
		t.Errorf("Kind(99): got name %q, want unknown", got)
	}
}
