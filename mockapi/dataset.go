package mockapi

import (
	"cmp"
	"slices"
)

// A dataset is a collection of n events. It computes an event when the event is read. Index 0 is the head, the newest
// event. Newer events come first. Events with the same time are in descending order of their ids, as the service lists them
// ([R] in doc.go).
//
// An event depends on the seed and its ordinal only. The ordinal is the distance from the oldest event, so older events
// stay the same when the collection grows at the head. Each ordinal has a slot of slotMS, and its event usually has a time
// within this slot. But an event can also have the time of the event before it, if both are in one block of 8 ordinals.
// Therefore computing or finding an event examines one block only.
type dataset struct {
	n       int            // the number of events
	ids     permutation    // gives 60 bits of an id
	idTail  randomSequence // gives the other bits of an id
	ties    randomSequence // selects the events that have the same time, by block
	jitter  randomSequence // gives the time within a slot
	content content        // gives all other fields
}

const (
	blockSize = 8 // in ordinals
	// slotMS is the length of a slot in ms. With 2 s, 3,000,000 events span about 70 days.
	slotMS = 2000
	// epochMS is the beginning of the slot of ordinal 0 in Unix ms, 2025-06-01T00:00:00Z.
	epochMS = 1_748_736_000_000
)

func newDataset(seed uint64) dataset {
	return dataset{
		ids:     newPermutation(uint64(newRandomSequence(seed, "id"))),
		idTail:  newRandomSequence(seed, "id tail"),
		ties:    newRandomSequence(seed, "ties"),
		jitter:  newRandomSequence(seed, "jitter"),
		content: newContent(seed),
	}
}

// withSize returns a copy of the collection that has n events.
func (d *dataset) withSize(n int) dataset {
	resized := *d
	resized.n = n
	return resized
}

// read computes the event at index i and stores it in e. It reuses e's buffers. i must be in [0, n).
func (d *dataset) read(i int, e *event) {
	ordinal := d.ordinal(i)
	group := d.timeGroup(ordinal)
	e.id = d.idFor(d.idNumber(group, ordinal))
	e.timeMS = d.groupTime(group)
	d.content.read(ordinal, e)
}

// find returns the index of the event with this id. found is false if there is none.
func (d *dataset) find(id uuid) (index int, found bool) {
	number := d.ids.invert(id.hi60())
	// The number can differ from the event's ordinal, but both are in one block (see idNumber).
	isTooLarge := number >= d.size()+blockSize
	if isTooLarge || d.idFor(number) != id {
		return 0, false
	}
	// One ordinal of the group has the number. Its event may not exist yet.
	group := d.timeGroup(number)
	for ordinal := group.first; ordinal <= group.last; ordinal++ {
		if d.idNumber(group, ordinal) == number && ordinal < d.size() {
			return d.index(ordinal), true
		}
	}
	return 0, false
}

// size returns n in the type of ordinals.
func (d *dataset) size() uint64 { return uint64(d.n) } //nolint:gosec // a size is not negative

// ordinal returns the ordinal of the event at index i.
func (d *dataset) ordinal(i int) uint64 { return d.size() - 1 - uint64(i) } //nolint:gosec // i is an index

// index returns the index of the event with this ordinal.
func (d *dataset) index(ordinal uint64) int { return d.n - 1 - int(ordinal) } //nolint:gosec // bounded by maxEvents

// A timeGroup is a range of ordinals whose events have the same time.
type timeGroup struct{ first, last uint64 }

// timeGroup returns the group of an ordinal. An event has the time of the event before it with a probability of 1/8. But
// the first event of a block never has the time of the block before.
func (d *dataset) timeGroup(ordinal uint64) timeGroup {
	block, position := ordinal/blockSize, ordinal%blockSize
	random := d.ties.number(block)
	// Bit p of ties is 1 if the event at position p has the time of the event at p-1. Three random bits decide this: all
	// must be 1. The mask removes bit 0, because nothing is before position 0.
	ties := random & (random >> 8) & (random >> 16) & 0xfe
	isTied := func(position uint64) bool { return (ties>>position)&1 == 1 }
	first, last := position, position
	for isTied(first) {
		first--
	}
	for last+1 < blockSize && isTied(last+1) {
		last++
	}
	start := block * blockSize
	return timeGroup{first: start + first, last: start + last}
}

// groupTime returns the time of a group in Unix ms. It is in the slot of the group's first ordinal.
func (d *dataset) groupTime(g timeGroup) int64 {
	return epochMS + int64(g.first)*slotMS + int64(d.jitter.number(g.first)%slotMS) //nolint:gosec // bounded by maxEvents
}

// idNumber returns the number from which the id of an ordinal is computed. For an event that has its time alone, this is
// the ordinal itself. The events of a larger group exchange their ordinals, so that a higher ordinal has a higher id.
func (d *dataset) idNumber(g timeGroup, ordinal uint64) uint64 {
	if g.first == g.last {
		return ordinal
	}
	var buffer [blockSize]uint64 // so that nothing is allocated
	numbers := buffer[:0]
	for number := g.first; number <= g.last; number++ {
		numbers = append(numbers, number)
	}
	slices.SortFunc(numbers, func(a, b uint64) int { return cmp.Compare(d.ids.apply(a), d.ids.apply(b)) })
	return numbers[ordinal-g.first]
}

// idFor returns the id that belongs to the number from idNumber.
func (d *dataset) idFor(number uint64) uuid {
	return newUUID(d.ids.apply(number), d.idTail.number(number))
}
