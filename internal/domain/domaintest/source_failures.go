package domaintest

import (
	"context"
	"fmt"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

func checkErrorKinds(ctx context.Context, under SourceUnderTest) error {
	for _, kind := range []domain.Kind{
		domain.Transient, domain.BadPage, domain.CursorExpired, domain.CursorInvalid, domain.Unauthorized, domain.Invalid,
	} {
		src, _ := under.Open(FailWith(kind))
		page, err := fetch(ctx, src)
		if err := wantErrorKind(page, err, kind, false); err != nil {
			return err
		}
	}
	return nil
}

func checkOneAttempt(ctx context.Context, under SourceUnderTest) error {
	for _, failure := range []Answer{FailWith(domain.Transient), FailWith(domain.BadPage), RefuseFor(time.Second)} {
		src, up := under.Open(failure, PageOf("next", `1`))
		began := time.Now()
		page, err := fetch(ctx, src)
		if took := time.Since(began); took != 0 {
			return fmt.Errorf("it took %s after %s, want no time", took, failure.Kind)
		}
		if err := wantErrorKind(page, err, failure.Kind, false); err != nil {
			return err
		}
		if err := wantRequests(up, 1); err != nil {
			return err
		}
	}
	return nil
}

func checkRequestAfterFailure(ctx context.Context, under SourceUnderTest) error {
	for _, kind := range []domain.Kind{domain.Transient, domain.BadPage, domain.CursorExpired} {
		src, _ := under.Open(FailWith(kind), PageOf("next", `1`))
		if page, err := fetch(ctx, src); err == nil {
			return fmt.Errorf("got page %+[2]v, want an error of kind %[1]s", kind, page)
		}
		if page, err := fetch(ctx, src); err != nil || len(page.Records) != 1 {
			return fmt.Errorf("after %s: got %+v, error %w", kind, page, err)
		}
	}
	return nil
}

func checkRefusalUntil(ctx context.Context, under SourceUnderTest) error {
	src, _ := under.Open(RefuseFor(28 * time.Second))
	page, err := fetch(ctx, src)
	if err := wantErrorKind(page, err, domain.RateLimited, false); err != nil {
		return err
	}
	if until, want := domain.AsError(err).Until, time.Now().Add(28*time.Second); !until.Equal(want) {
		return fmt.Errorf("got until %s, want %s", until, want)
	}
	return nil
}

func checkRefusalHolds(ctx context.Context, under SourceUnderTest) error {
	src, up := under.Open(RefuseFor(28*time.Second), PageOf("next", `1`))
	_, err := fetch(ctx, src)
	if domain.KindOf(err) != domain.RateLimited {
		return fmt.Errorf("got %w, want a refusal", err)
	}
	until := domain.AsError(err).Until
	for _, early := range []time.Duration{28 * time.Second, 14 * time.Second, time.Millisecond} {
		sleep(time.Until(until) - early)
		page, err := fetch(ctx, src)
		if err := wantErrorKind(page, err, domain.RateLimited, true); err != nil {
			return err
		}
		if got := domain.AsError(err).Until; !got.Equal(until) {
			return fmt.Errorf("got until %s, want %s", got, until)
		}
	}
	return wantRequests(up, 1)
}

func checkRefusalEnds(ctx context.Context, under SourceUnderTest) error {
	src, up := under.Open(RefuseFor(28*time.Second), PageOf("next", `1`).NotAccepted(), PageOf("next", `2`))
	_, err := fetch(ctx, src)
	if domain.KindOf(err) != domain.RateLimited {
		return fmt.Errorf("got %w, want a refusal", err)
	}
	sleep(time.Until(domain.AsError(err).Until))
	for range 2 {
		if _, err := fetch(ctx, src); err != nil {
			return fmt.Errorf("after the end of the refusal: %w", err)
		}
	}
	return wantRequests(up, 3)
}

func checkRefusalWithoutUntil(ctx context.Context, under SourceUnderTest) error {
	src, _ := under.Open(RefuseFor(-1), PageOf("next", `1`))
	page, err := fetch(ctx, src)
	if err := wantErrorKind(page, err, domain.RateLimited, false); err != nil {
		return err
	}
	if until := domain.AsError(err).Until; !until.IsZero() {
		return fmt.Errorf("got until %s, want none", until)
	}
	if _, err := fetch(ctx, src); err != nil {
		return fmt.Errorf("next request: %w", err)
	}
	return nil
}

func checkEndedContext(ctx context.Context, under SourceUnderTest) error {
	src, up := under.Open(PageOf("next", `1`))
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	page, err := fetch(ctx, src)
	if err := wantErrorKind(page, err, domain.Stopped, true); err != nil {
		return err
	}
	return wantRequests(up, 0)
}

func checkContextEnds(ctx context.Context, under SourceUnderTest) error {
	src, _ := under.Open(Hang(), PageOf("next", `1`))
	hung, cancel := context.WithCancel(ctx)
	time.AfterFunc(3*time.Second, cancel)
	began := time.Now()
	page, err := fetch(hung, src)
	if took := time.Since(began); took != 3*time.Second {
		return fmt.Errorf("it returned after %s, want 3s", took)
	}
	if err := wantErrorKind(page, err, domain.Stopped, false); err != nil {
		return err
	}
	if _, err := fetch(ctx, src); err != nil {
		return fmt.Errorf("next request: %w", err)
	}
	return nil
}

func checkDeadlineEnds(ctx context.Context, under SourceUnderTest) error {
	src, _ := under.Open(Hang())
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	page, err := fetch(ctx, src)
	return wantErrorKind(page, err, domain.Stopped, false)
}
