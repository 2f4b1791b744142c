package domain_test

import (
	"fmt"
	"testing"

	"github.com/pawldata/pawl/internal/domain"
)

func TestEndCheck(t *testing.T) {
	t.Parallel()
	type want struct {
		unconfirmed, confirmed domain.Kind // the kind of the error for an end that is not confirmed, and for a confirmed end
	}
	var (
		accepted              = want{unconfirmed: noError, confirmed: noError}
		mustBeConfirmed       = want{unconfirmed: domain.Unconfirmed, confirmed: noError}
		belowFirstTotal       = want{unconfirmed: domain.BadPage, confirmed: domain.BadPage}
		unannounced           = domain.Total{}
		unknown         int64 = -1 // the number of stored records, if the table is shared
	)
	tests := []struct {
		name        string
		first, last domain.Total // as announced
		offset      int64
		stored      int64
		want        want
	}{
		{name: "as many records as announced", first: total(4), last: total(4), offset: 4, stored: 4, want: accepted},
		{name: "more records than announced", first: total(4), last: total(4), offset: 5, stored: 9, want: accepted},
		{name: "no total announced", first: unannounced, last: unannounced, offset: 4, stored: 4, want: mustBeConfirmed},
		{name: "the total 0 announced", first: total(0), last: total(0), offset: 0, stored: 0, want: mustBeConfirmed},
		{name: "fewer records than announced", first: total(4), last: total(4), offset: 3, stored: 3, want: belowFirstTotal},
		{name: "as many as announced last, not first", first: total(4), last: total(3), offset: 3, stored: 3, want: belowFirstTotal},
		{name: "as many as announced first, not last", first: total(4), last: total(8), offset: 4, stored: 4, want: mustBeConfirmed},
		{name: "as many as announced first, more than last", first: total(4), last: total(3), offset: 4, stored: 4, want: accepted},
		{name: "fewer stored than received", first: total(4), last: total(4), offset: 4, stored: 3, want: mustBeConfirmed},
		{name: "unknown number of stored records", first: total(4), last: total(4), offset: 4, stored: unknown, want: mustBeConfirmed},
		{name: "fewer than announced, unknown number stored", first: total(4), last: total(4), offset: 3, stored: unknown, want: belowFirstTotal},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			position := domain.Position{Pass: 1, Offset: tt.offset, Done: true, AnnouncedFirst: tt.first, AnnouncedLast: tt.last}
			for end, want := range map[domain.End]domain.Kind{
				{}:                                   tt.want.unconfirmed,
				{Confirmed: true}:                    tt.want.confirmed,
				{Confirmed: true, AcceptShort: true}: noError,
			} {
				checkKind(t, fmt.Sprintf("Check of %+v", end), end.Check(position, tt.stored), want)
			}
		})
	}
}

// noError stands for the kind of a nil error in tables of tests.
const noError domain.Kind = 0

// checkKind checks that err is nil if want is noError, and otherwise that err has the kind want.
func checkKind(t *testing.T, call string, err error, want domain.Kind) {
	t.Helper()
	if want == noError {
		if err != nil {
			t.Errorf("%s: got error %v, want none", call, err)
		}
		return
	}
	if err == nil || domain.KindOf(err) != want {
		t.Errorf("%s: got error %v, want kind %s", call, err, want)
	}
}

// TestEndCheckDisputed checks that not even the user's consent ends a pass whose end is disputed.
func TestEndCheckDisputed(t *testing.T) {
	t.Parallel()
	position := domain.Position{Pass: 1, Offset: 4, Done: true, AnnouncedFirst: total(4), AnnouncedLast: total(4)}
	end := domain.End{Disputed: true, AcceptShort: true}
	checkKind(t, "Check", end.Check(position, 4), domain.Unconfirmed)
}

// TestEndAcceptShort checks that even an end that the user accepts must be confirmed, so that one wrong answer cannot end
// the stream. It also checks that Accepted reports only ends below the announced total.
func TestEndAcceptShort(t *testing.T) {
	t.Parallel()
	position := domain.Position{Pass: 1, Offset: 3, Done: true, AnnouncedFirst: total(4), AnnouncedLast: total(4)}
	end := domain.End{AcceptShort: true}
	checkKind(t, "Check", end.Check(position, 3), domain.Unconfirmed)
	if !end.Accepted(position) {
		t.Error("below the announced total: got Accepted false, want true")
	}
	position.Offset = 4
	if end.Accepted(position) {
		t.Error("at the announced total: got Accepted true, want false")
	}
}
