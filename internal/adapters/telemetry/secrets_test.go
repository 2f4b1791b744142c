package telemetry_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

// telling is a source whose first request fails with an error that tells too much.
type telling struct {
	domain.EventSource

	told bool
}

func (s *telling) FetchPage(ctx context.Context, req domain.PageRequest) (domain.Page, error) {
	if s.told {
		return s.EventSource.FetchPage(ctx, req)
	}
	s.told = true
	return domain.Page{}, &domain.Error{Kind: domain.BadPage, Op: "fetch page", Err: errors.New("secret body"), Hint: "secret key"}
}

func refusesWithPassword(func() (domain.CommitResult, error)) (domain.CommitResult, error) {
	return domain.CommitResult{}, &domain.Error{
		Kind: domain.Transient, Op: "commit", Err: errors.New("postgres://pawl:secret-password@db"), Hint: "secret hint",
	}
}

// TestNoSecretIsTraced looks through all of every span: cursors, and what errors say, stay out. Of an error its kind is told.
func TestNoSecretIsTraced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		source := domaintest.NewScriptedSource(
			domaintest.PageOf("secret-cursor", "1"), domaintest.FailWith(domain.CursorExpired).WithStatus(400),
			domaintest.PageOf("secret-cursor", "1"), domaintest.LastPageOf(slices.Repeat([]string{"secret-record"}, 10)...).Announcing(11))
		b := newBench(&telling{EventSource: source})
		b.store = &shaky{EventStore: b.store, failures: []func(func() (domain.CommitResult, error)) (domain.CommitResult, error){refusesWithPassword}}
		spans, err := b.traced(t)
		if domain.KindOf(err) != domain.TooManyRejects || !strings.Contains(err.Error(), "secret-record") {
			t.Fatalf("the run ended with %v, which was to tell of the record", err)
		}
		for _, s := range spans {
			if all := fmt.Sprintf("%+v", s); strings.Contains(all, "secret") {
				t.Errorf("a secret is in the span %s", all)
			}
		}
		if all := fmt.Sprintf("%+v", spans); !strings.Contains(all, "bad_page") || !strings.Contains(all, "scripted-1") {
			t.Errorf("values of attributes cannot be seen in %s", all)
		}
	})
}
