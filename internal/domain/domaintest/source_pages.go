package domaintest

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

func pageHasItsRecords(ctx context.Context, under SourceUnderTest) error {
	payloads := []string{`{"id":1}`, `{"id":1}`, `2`, `"three"`, `[]`}
	src, _ := under.Open(PageOf("next", payloads...))
	page, err := fetch(ctx, src)
	if err != nil {
		return err
	}
	if len(page.Records) != len(payloads) {
		return fmt.Errorf("%d records, want %d", len(page.Records), len(payloads))
	}
	for i, r := range page.Records {
		if string(r.Payload) != payloads[i] || r.Index != i {
			return fmt.Errorf("record %d is %q at index %d, want %q", i, r.Payload, r.Index, payloads[i])
		}
	}
	return nil
}

func pageSaysHowItGoesOn(ctx context.Context, under SourceUnderTest) error {
	src, _ := under.Open(
		PageOf("opaque+/= ü", `1`).Announcing(7).ExpiringIn(118*time.Second),
		PageOf("plain", `2`),
	)
	page, err := fetch(ctx, src)
	if err != nil {
		return err
	}
	want := domain.Total{N: 7, Known: true}
	if page.Next != "opaque+/= ü" || page.Last || page.Total != want || page.ExpiresIn != 118*time.Second {
		return fmt.Errorf("next %q, last %v, total %+v, expires in %s", page.Next, page.Last, page.Total, page.ExpiresIn)
	}
	if page, err = fetchFrom(ctx, src, page.Next); err != nil {
		return err
	}
	if page.Total.Known || page.ExpiresIn != 0 {
		return fmt.Errorf("not announced, yet total %+v, expires in %s", page.Total, page.ExpiresIn)
	}
	return nil
}

func lastPageHasNoCursor(ctx context.Context, under SourceUnderTest) error {
	src, _ := under.Open(LastPageOf(`1`).Announcing(1))
	page, err := fetch(ctx, src)
	if err != nil {
		return err
	}
	if !page.Last || page.Next != "" || page.ExpiresIn != 0 || len(page.Records) != 1 {
		return fmt.Errorf("last %v, next %q, expires in %s, %d records", page.Last, page.Next, page.ExpiresIn, len(page.Records))
	}
	return nil
}

func emptyPageIsAPage(ctx context.Context, under SourceUnderTest) error {
	src, _ := under.Open(PageOf("next"), LastPageOf().Announcing(0))
	page, err := fetch(ctx, src)
	if err != nil || len(page.Records) != 0 || page.Next != "next" || page.Last {
		return fmt.Errorf("in the middle: %+v, error %w", page, err)
	}
	page, err = fetchFrom(ctx, src, page.Next)
	if err != nil || len(page.Records) != 0 || !page.Last || page.Total != (domain.Total{Known: true}) {
		return fmt.Errorf("at the end: %+v, error %w", page, err)
	}
	return nil
}

func pageHasAReceipt(ctx context.Context, under SourceUnderTest) error {
	src, _ := under.Open(PageOf("next", `{"id":1}`))
	page, err := fetch(ctx, src)
	if err != nil {
		return err
	}
	r := page.Receipt
	if r.RequestID == "" || r.Status != 200 || r.Bytes < int64(len(`{"id":1}`)) || !r.FetchedAt.Equal(time.Now()) {
		return fmt.Errorf("receipt %+v", r)
	}
	if r.Traffic != (domain.Traffic{}) {
		return fmt.Errorf("traffic is for the loop to count, yet it is %+v", r.Traffic)
	}
	return nil
}

func receiptHasTheQuota(ctx context.Context, under SourceUnderTest) error {
	src, _ := under.Open(
		PageOf("a", `1`).Counting(10, 7, 28*time.Second), PageOf("b", `2`).Counting(10, 6, 28*time.Second), PageOf("c", `3`),
	)
	reset := time.Now().Add(28 * time.Second)
	var cursor domain.Cursor
	for i, want := range []domain.Quota{
		{Limit: 10, Remaining: 7, Reset: reset}, {Limit: 10, Remaining: 6, Reset: reset}, {},
	} {
		page, err := fetchFrom(ctx, src, cursor)
		if err != nil {
			return err
		}
		cursor = page.Next
		got := page.Receipt.Quota
		if got.Limit != want.Limit || got.Remaining != want.Remaining || !got.Reset.Equal(want.Reset) || got.Window != want.Window {
			return fmt.Errorf("quota of page %d is %+v, want %+v", i, got, want)
		}
	}
	return nil
}

func requestArrives(ctx context.Context, under SourceUnderTest) error {
	src, up := under.Open(PageOf("a b&limit=9+/=", `1`), PageOf("n2", `1`))
	want := []domain.PageRequest{{Limit: 3}, {Cursor: "a b&limit=9+/=", Limit: 1000}}
	for _, req := range want {
		if _, err := src.FetchPage(ctx, req); err != nil {
			return err
		}
	}
	if got := up.Requests(); !slices.Equal(got, want) {
		return fmt.Errorf("requests %+v, want %+v", got, want)
	}
	return nil
}

func sameRequestAgain(ctx context.Context, under SourceUnderTest) error {
	src, up := under.Open(PageOf("next", `1`, `2`).AskedAgain(), PageOf("next", `1`, `2`))
	first, err := fetch(ctx, src)
	if err != nil {
		return err
	}
	again, err := fetch(ctx, src)
	if err != nil {
		return err
	}
	if len(again.Records) != len(first.Records) || again.Next != first.Next {
		return fmt.Errorf("first %+v, then %+v", first, again)
	}
	return expectRequests(up, 2)
}

func bytesBelongToTheCaller(ctx context.Context, under SourceUnderTest) error {
	answer := PageOf("next", `{"id":1}`, `{"id":2}`).AskedAgain()
	src, _ := under.Open(answer, answer)
	first, err := fetch(ctx, src)
	if err != nil {
		return err
	}
	kept := bytes.Clone(first.Records[1].Payload)
	again, err := fetch(ctx, src)
	if err != nil {
		return err
	}
	clear(again.Records[1].Payload)
	_ = append(first.Records[0].Payload, "overrun"...)
	if !bytes.Equal(first.Records[1].Payload, kept) {
		return fmt.Errorf("a page became %q", first.Records[1].Payload)
	}
	return nil
}
