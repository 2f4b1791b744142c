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
		{"no error", nil, domain.Unknown},
		{"unclassified", errors.New("x"), domain.Unknown},
		{"classified", transient, domain.Transient},
		{"wrapped", fmt.Errorf("gave up: %w", transient), domain.Transient},
		{"the kind of the outermost Error", &domain.Error{Kind: domain.Fenced, Op: "o", Err: transient}, domain.Fenced},
		{"cancelled", fmt.Errorf("x: %w", context.Canceled), domain.Stopped},
		{"an Error that wraps a context error", &domain.Error{Kind: domain.Transient, Op: "o", Err: context.DeadlineExceeded}, domain.Transient},
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
