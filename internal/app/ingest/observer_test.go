package ingest_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

func TestTheObserverIsToldTheCourse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		store := &shaky{EventStore: b.store}
		store.commits = append(store.commits, breaks)
		b.store = store
		source := says(t, of(2, "a", "0"), domaintest.FailWith(domain.CursorExpired), of(2, "a", "0"),
			domaintest.FailWith(domain.Transient), of(2, "", "1"))
		if _, err := b.run(t.Context(), source); err != nil {
			t.Fatal(err)
		}
		want := strings.Fields("fetch store wait store stored fetch restart fetch store stored fetch wait fetch store stored")
		if !slices.Equal(b.seen.course, want) {
			t.Errorf("told %v, want %v", b.seen.course, want)
		}
	})
}
