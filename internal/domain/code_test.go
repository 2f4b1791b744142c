package domain_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/pawldata/pawl/internal/domain"
)

func TestCodeOf(t *testing.T) {
	t.Parallel()
	coded := &domain.Error{Kind: domain.Transient, Code: domain.CodeAPIUnreachable, Op: "fetch", Err: errors.New("reset")}
	tests := []struct {
		name string
		err  error
		want domain.Code
	}{
		{name: "unclassified", err: errors.New("x"), want: domain.CodeBug},
		{name: "a context error", err: fmt.Errorf("x: %w", context.Canceled), want: domain.CodeStopped},
		{name: "an Error", err: coded, want: domain.CodeAPIUnreachable},
		{name: "wrapped", err: fmt.Errorf("gave up: %w", coded), want: domain.CodeAPIUnreachable},
		{
			name: "the code of the outermost Error",
			err:  &domain.Error{Kind: domain.Stopped, Code: domain.CodeStopped, Op: "o", Err: coded}, want: domain.CodeStopped,
		},
		{
			name: "the code of an inner Error, if the outer Error has none",
			err:  &domain.Error{Kind: domain.Stopped, Op: "o", Err: coded}, want: domain.CodeAPIUnreachable,
		},
		{name: "an Error without a code", err: &domain.Error{Kind: domain.Invalid, Op: "o", Err: errors.New("x")}, want: domain.CodeBug},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := domain.CodeOf(tt.err); got != tt.want {
				t.Errorf("CodeOf(%v): got %s, want %s", tt.err, got, tt.want)
			}
		})
	}
}
