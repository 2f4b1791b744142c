package domaintest

import (
	"context"
	"fmt"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

// refusalTime is how long the refusals in these checks forbid requests.
const refusalTime = 28 * time.Second

// checkErrorKinds checks that the error of the source has the kind of the upstream's failure.
func checkErrorKinds(ctx context.Context, tested SourceUnderTest) error {
	for _, kind := range []domain.Kind{
		domain.Transient, domain.BadPage, domain.CursorExpired, domain.CursorInvalid, domain.Unauthorized, domain.Invalid,
	} {
		src, _ := tested.Open(FailWith(kind))
		page, err := fetch(ctx, src)
		if err := wantSentError(page, err, kind); err != nil {
			return err
		}
	}
	return nil
}

// checkOneAttempt checks that the source neither repeats a failed request nor waits.
func checkOneAttempt(ctx context.Context, tested SourceUnderTest) error {
	for _, failure := range []Answer{FailWith(domain.Transient), FailWith(domain.BadPage), RefuseFor(time.Second)} {
		src, up := tested.Open(failure, PageOf("next", `1`))
		began := time.Now()
		page, err := fetch(ctx, src)
		if took := time.Since(began); took != 0 {
			return fmt.Errorf("%s: the call took %s, want no time", failure.Kind, took)
		}
		if err := wantSentError(page, err, failure.Kind); err != nil {
			return err
		}
		if err := wantRequests(up, 1); err != nil {
			return err
		}
	}
	return nil
}

// checkRequestAfterFailure checks that a source works again after a failed request.
func checkRequestAfterFailure(ctx context.Context, tested SourceUnderTest) error {
	for _, kind := range []domain.Kind{domain.Transient, domain.BadPage, domain.CursorExpired} {
		src, _ := tested.Open(FailWith(kind), PageOf("next", `1`))
		if page, err := fetch(ctx, src); err == nil {
			return fmt.Errorf("got page %+v, want an error of kind %s", page, kind)
		}
		page, err := fetch(ctx, src)
		if err != nil {
			return fmt.Errorf("request after %s: %w", kind, err)
		}
		if len(page.Records) != 1 {
			return fmt.Errorf("request after %s: got %d records, want 1", kind, len(page.Records))
		}
	}
	return nil
}

// checkRefusalUntil checks that the error of a refusal says when requests are allowed again.
func checkRefusalUntil(ctx context.Context, tested SourceUnderTest) error {
	src, _ := tested.Open(RefuseFor(refusalTime))
	page, err := fetch(ctx, src)
	if err := wantSentError(page, err, domain.RateLimited); err != nil {
		return err
	}
	if until, want := domain.AsError(err).Until, time.Now().Add(refusalTime); !until.Equal(want) {
		return fmt.Errorf("got until %s, want %s", until, want)
	}
	return nil
}

// checkRefusalHolds makes requests at three times before the refusal ends. The source must not send them to the upstream, which
// therefore receives only the request that it refused.
func checkRefusalHolds(ctx context.Context, tested SourceUnderTest) error {
	src, up := tested.Open(RefuseFor(refusalTime), PageOf("next", `1`))
	_, err := fetch(ctx, src)
	if err := wantKind(err, domain.RateLimited); err != nil {
		return err
	}
	until := domain.AsError(err).Until
	for _, before := range []time.Duration{refusalTime, refusalTime / 2, time.Millisecond} {
		sleep(time.Until(until) - before)
		page, err := fetch(ctx, src)
		if err := wantUnsentError(page, err, domain.RateLimited); err != nil {
			return err
		}
		if got := domain.AsError(err).Until; !got.Equal(until) {
			return fmt.Errorf("got until %s, want %s", got, until)
		}
	}
	return wantRequests(up, 1)
}

// checkRefusalEnds checks that the source sends requests again as soon as the refusal has ended.
func checkRefusalEnds(ctx context.Context, tested SourceUnderTest) error {
	src, up := tested.Open(RefuseFor(refusalTime), PageOf("next", `1`).NotAccepted(), PageOf("next", `2`))
	_, err := fetch(ctx, src)
	if err := wantKind(err, domain.RateLimited); err != nil {
		return err
	}
	sleep(time.Until(domain.AsError(err).Until))
	for range 2 {
		if _, err := fetch(ctx, src); err != nil {
			return fmt.Errorf("request after the end of the refusal: %w", err)
		}
	}
	return wantRequests(up, 3) // the refused one and two more
}

// checkRefusalWithoutUntil checks a refusal that does not say how long it lasts. Until of its error must be zero, and the next
// request must be sent.
func checkRefusalWithoutUntil(ctx context.Context, tested SourceUnderTest) error {
	const unstated = -1 // for RefuseFor: the refusal does not say how long it forbids requests
	src, _ := tested.Open(RefuseFor(unstated), PageOf("next", `1`))
	page, err := fetch(ctx, src)
	if err := wantSentError(page, err, domain.RateLimited); err != nil {
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

// checkEndedContext calls the source with a context that has ended.
func checkEndedContext(ctx context.Context, tested SourceUnderTest) error {
	src, up := tested.Open(PageOf("next", `1`))
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	page, err := fetch(ctx, src)
	if err := wantUnsentError(page, err, domain.Stopped); err != nil {
		return err
	}
	return wantRequests(up, 0)
}

// checkContextEnds cancels the context of a request that the upstream does not answer. The call must return at that time.
func checkContextEnds(ctx context.Context, tested SourceUnderTest) error {
	const cancelAfter = 3 * time.Second
	src, _ := tested.Open(Hang(), PageOf("next", `1`))
	cancelled, cancel := context.WithCancel(ctx)
	time.AfterFunc(cancelAfter, cancel)
	began := time.Now()
	page, err := fetch(cancelled, src)
	if took := time.Since(began); took != cancelAfter {
		return fmt.Errorf("the call returned after %s, want %s", took, cancelAfter)
	}
	if err := wantSentError(page, err, domain.Stopped); err != nil {
		return err
	}
	if _, err := fetch(ctx, src); err != nil {
		return fmt.Errorf("next request: %w", err)
	}
	return nil
}

// checkDeadlineEnds lets a deadline pass during a request that the upstream does not answer. The error must be Stopped too,
// and not Transient.
func checkDeadlineEnds(ctx context.Context, tested SourceUnderTest) error {
	src, _ := tested.Open(Hang())
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	page, err := fetch(ctx, src)
	return wantSentError(page, err, domain.Stopped)
}
