package datasync_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/pawldata/pawl/internal/domain"
)

func TestARejectedRecordKeepsItsID(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, payload string
		known         bool
	}{
		{"a bad value behind the id", with("timestamp", `"yesterday"`), true},
		{"a bad value before it", `{"timestamp":null,` + without("timestamp")[1:], true},
		{"bytes that are not UTF-8", with("name", "\"a\xffb\""), true},
		{"half a surrogate pair", with("name", `"\ud83d"`), true},
		{"an upper-case id", strings.Replace(with("name", "null"), id, strings.ToUpper(id), 1), true},
		{"an escaped name", strings.Replace(with("name", "null"), `{"id"`, `{"\u0069d"`, 1), true},
		{"no id", without("id"), false},
		{"a null id", with("id", "null"), false},
		{"an id that is no UUID", with("id", `"undefined"`), false},
		{"two ids", strings.Replace(with("name", "null"), `{"id"`, `{"id":"`+session+`","id"`, 1), false},
		{"an id of the session alone", `{"session":{"id":"` + id + `"}}`, false},
		{"not an object", `"` + id + `"`, false},
		{"cut off", sound[:len(sound)-9], false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := decode(tt.payload)
			rejection, ok := errors.AsType[*domain.Rejection](err)
			if !ok {
				t.Fatalf("no rejection: %v", err)
			}
			want := domain.EventID{}
			if tt.known {
				want = mustUUID(t, id)
			}
			if rejection.ID != want {
				t.Errorf("id %s, want %s (%v)", rejection.ID, want, rejection)
			}
		})
	}
}
