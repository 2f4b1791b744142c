package domain_test

import (
	"fmt"
	"testing"

	"github.com/pawldata/pawl/internal/domain"
)

// TestEndCheck checks which ends Check accepts. Each end is checked without a confirmation, with a confirmation, and with a
// confirmation and a user who accepts a short end. Check always accepts the last one.
func TestEndCheck(t *testing.T) {
	t.Parallel()
	type want struct {
		unconfirmed domain.Kind // the kind of the error if the end is not confirmed
		confirmed   domain.Kind // the kind of the error if the end is confirmed
	}
	var (
		accepted        = want{unconfirmed: noError, confirmed: noError}
		mustBeConfirmed = want{unconfirmed: domain.Unconfirmed, confirmed: noError}
		neverAccepted   = want{unconfirmed: domain.BadPage, confirmed: domain.BadPage}
		unannounced     = domain.Total{}
	)
	const unknown = -1 // accounted, if another stream stores into the same table
	tests := []struct {
		name        string
		first, last domain.Total // the totals that the API announced
		offset      int64        // the number of records that the pass received
		accounted   int64        // the number of records that are stored or parked
		want        want
	}{
		{name: "as many records as announced", first: total(4), last: total(4), offset: 4, accounted: 4, want: accepted},
		{name: "more received and accounted than announced", first: total(4), last: total(4), offset: 5, accounted: 9, want: accepted},
		{name: "no total announced", first: unannounced, last: unannounced, offset: 4, accounted: 4, want: mustBeConfirmed},
		{name: "the total 0 announced", first: total(0), last: total(0), offset: 0, accounted: 0, want: mustBeConfirmed},
		{name: "fewer records than announced", first: total(4), last: total(4), offset: 3, accounted: 3, want: neverAccepted},
		{name: "as many as announced last, not first", first: total(4), last: total(3), offset: 3, accounted: 3, want: neverAccepted},
		{name: "as many as announced first, not last", first: total(4), last: total(8), offset: 4, accounted: 4, want: mustBeConfirmed},
		{name: "as many as announced first, more than last", first: total(4), last: total(3), offset: 4, accounted: 4, want: accepted},
		{name: "fewer accounted than received", first: total(4), last: total(4), offset: 4, accounted: 3, want: mustBeConfirmed},
		{name: "unknown number of accounted records", first: total(4), last: total(4), offset: 4, accounted: unknown, want: mustBeConfirmed},
		{name: "fewer than announced, unknown accounted", first: total(4), last: total(4), offset: 3, accounted: unknown, want: neverAccepted},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			position := domain.Position{Pass: 1, Offset: tt.offset, Done: true, AnnouncedFirst: tt.first, AnnouncedLast: tt.last}
			for end, want := range map[domain.EndEvidence]domain.Kind{
				{}:                                   tt.want.unconfirmed,
				{Confirmed: true}:                    tt.want.confirmed,
				{Confirmed: true, AcceptShort: true}: noError,
			} {
				checkKind(t, fmt.Sprintf("Check of %+v", end), end.Check(position, tt.accounted), want)
			}
		})
	}
}

// noError stands for the kind of a nil error in tables of tests.
const noError domain.Kind = 0

// checkKind checks that err has the kind want. If want is noError, err must be nil.
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

// TestEndCheckDisputed checks that a disputed end does not end a pass, even if the user accepts a short end.
func TestEndCheckDisputed(t *testing.T) {
	t.Parallel()
	const records = 4 // announced, received and accounted
	position := domain.Position{
		Pass: 1, Offset: records, Done: true, AnnouncedFirst: total(records), AnnouncedLast: total(records),
	}
	end := domain.EndEvidence{Disputed: true, AcceptShort: true}
	checkKind(t, "Check", end.Check(position, records), domain.Unconfirmed)
}

// TestEndAcceptShort checks that a short end must be confirmed, even if the user accepts it. So one wrong answer cannot end the
// stream. It also checks that AcceptedShort reports only ends below the announced total.
func TestEndAcceptShort(t *testing.T) {
	t.Parallel()
	const announced, received = 4, 3
	position := domain.Position{
		Pass: 1, Offset: received, Done: true, AnnouncedFirst: total(announced), AnnouncedLast: total(announced),
	}
	end := domain.EndEvidence{AcceptShort: true}
	checkKind(t, "Check", end.Check(position, received), domain.Unconfirmed)
	if !end.AcceptedShort(position) {
		t.Error("below the announced total: got AcceptedShort false, want true")
	}
	position.Offset = announced
	if end.AcceptedShort(position) {
		t.Error("at the announced total: got AcceptedShort true, want false")
	}
}
