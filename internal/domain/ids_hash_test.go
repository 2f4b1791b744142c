package domain_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"testing"

	"github.com/pawldata/pawl/internal/domain"
)

// TestIDsHash compares the hash of a page's ids with the SHA-256 of all ids in order. One hash must also be the same as ever,
// because ledgers contain such hashes.
func TestIDsHash(t *testing.T) {
	t.Parallel()
	var descending, sameFirstByte, sameFirstHalf, equal []domain.EventID
	for i := range 300 { // more than a byte can count
		down := byte(299 - i) // 43 to 0, then 255 to 0
		up := byte(i)         // 0 to 255, then 0 to 43
		descending = append(descending, domain.EventID{0: down, 15: down})
		sameFirstByte = append(sameFirstByte, domain.EventID{0: 7, 4: down, 8: up})
		sameFirstHalf = append(sameFirstHalf, domain.EventID{0: 7, 8: down, 15: up})
		equal = append(equal, domain.EventID{0: 0xff, 15: 1})
	}
	tests := []struct {
		name string
		ids  []domain.EventID
		want string // the hash in ledgers, in hexadecimal; empty: not known
	}{
		{name: "one id", ids: equal[:1]},
		{name: "two ids", ids: []domain.EventID{{2}, {1}}, want: "e351f32bf7c347d287d57187497bec3d1707d84323e3fcf7fb3cb1cf5878d38f"},
		{name: "descending, with repeated ids", ids: descending},
		{name: "the same first byte", ids: sameFirstByte},
		{name: "the same first eight bytes", ids: sameFirstHalf},
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
				t.Errorf("got hash %x, want %x", got, want)
			}
			if tt.want != "" && hex.EncodeToString(got) != tt.want {
				t.Errorf("got hash %x, want %s as in ledgers", got, tt.want)
			}
		})
	}
}
