package domain_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"testing"

	"github.com/pawldata/pawl/internal/domain"
)

// TestIDsHash compares the hash with the one of a simple sort, and with a value that ledgers contain already.
func TestIDsHash(t *testing.T) {
	t.Parallel()
	var descending, sameFirstByte, samePrefix, equal []domain.EventID
	for i := range 300 {
		last := byte(299 - i)
		descending = append(descending, domain.EventID{0: last, 15: last})
		sameFirstByte = append(sameFirstByte, domain.EventID{0: 7, 4: last, 8: byte(i)})
		samePrefix = append(samePrefix, domain.EventID{0: 7, 8: last, 15: byte(i)})
		equal = append(equal, domain.EventID{0: 0xff, 15: 1})
	}
	tests := []struct {
		name string
		ids  []domain.EventID
		want string // in hexadecimal; empty to compare with a simple sort only
	}{
		{name: "one id", ids: equal[:1]},
		{name: "two ids", ids: []domain.EventID{{2}, {1}}, want: "e351f32bf7c347d287d57187497bec3d1707d84323e3fcf7fb3cb1cf5878d38f"},
		{name: "descending", ids: descending},
		{name: "the same first byte", ids: sameFirstByte},
		{name: "the same first eight bytes", ids: samePrefix},
		{name: "equal ids", ids: equal},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			page := domain.DecodedPage{}
			for _, id := range tt.ids {
				page.Events = append(page.Events, domain.DecodedEvent{Event: domain.Event{ID: id}})
			}
			got := page.IDsHash()
			sorted := slices.Clone(tt.ids)
			slices.SortFunc(sorted, func(a, b domain.EventID) int { return bytes.Compare(a[:], b[:]) })
			var all []byte
			for _, id := range sorted {
				all = append(all, id[:]...)
			}
			if want := sha256.Sum256(all); !bytes.Equal(got, want[:]) {
				t.Errorf("got %x, want %x", got, want)
			}
			if tt.want != "" && hex.EncodeToString(got) != tt.want {
				t.Errorf("got %x, want %s as in ledgers", got, tt.want)
			}
		})
	}
}
