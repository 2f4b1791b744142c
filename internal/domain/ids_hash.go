package domain

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"slices"
)

// IDsHash returns a SHA-256 hash of the ids of the page's events and the keys of its rejects. It is nil if the page has no
// record. The order of the records does not matter, so pages with the same hash have the same events and rejects.
func (p DecodedPage) IDsHash() []byte {
	if p.idsHash != nil {
		return p.idsHash
	}
	if len(p.Events)+len(p.Rejects) == 0 {
		return nil
	}
	hash := sha256.New()
	for _, id := range p.sortedIDs() {
		hash.Write(id[:])
	}
	keys := make([]DeadLetterKey, len(p.Rejects))
	for i, r := range p.Rejects {
		keys[i] = p.KeyOf(r)
	}
	slices.Sort(keys)
	for _, key := range keys {
		hash.Write([]byte(key))
	}
	return hash.Sum(nil)
}

// sortedIDs returns the ids of the page's events in ascending order. It first distributes the ids over one bucket for each value
// of the first bits. The ids are mostly random, so few of the buckets have more than a few ids to sort.
func (p DecodedPage) sortedIDs() []EventID {
	var ends [1 << bucketBits]int // where the next id of each bucket belongs: first the bucket's begin, then its end
	for i := range p.Events {
		ends[bucketOf(p.Events[i].ID)]++
	}
	begin := 0
	for bucket, count := range &ends {
		ends[bucket] = begin
		begin += count
	}
	ids := make([]EventID, len(p.Events))
	for i := range p.Events {
		id := p.Events[i].ID
		end := &ends[bucketOf(id)]
		ids[*end] = id
		*end++
	}
	begin = 0
	for _, end := range &ends {
		if end-begin > 1 {
			slices.SortFunc(ids[begin:end], compareIDs)
		}
		begin = end
	}
	return ids
}

// bucketBits is the number of bits that choose the bucket of an id.
const bucketBits = 12

func bucketOf(id EventID) int { return int(binary.BigEndian.Uint16(id[:2]) >> (16 - bucketBits)) }

// compareIDs compares two ids byte by byte, as numbers of eight bytes.
func compareIDs(a, b EventID) int {
	order := cmp.Compare(binary.BigEndian.Uint64(a[:8]), binary.BigEndian.Uint64(b[:8]))
	if order == 0 {
		order = cmp.Compare(binary.BigEndian.Uint64(a[8:]), binary.BigEndian.Uint64(b[8:]))
	}
	return order
}
