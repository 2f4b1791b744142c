package mockapi

// A dataset is a collection of n events that are computed when they are read. Index 0 is the head, the newest event. The
// order is timestamp descending, then id descending [R].
//
// An event is a function of the seed and its ordinal, which is its distance from the oldest event. So a collection that
// grows at the head does not change its older events. Only events of the same block of 8 ordinals can have the same time,
// so computing or finding an event examines one block only.
type dataset struct {
	n       int
	ids     permutation
	idTail  randomSequence
	ties    randomSequence
	jitter  randomSequence
	content content
}

const (
	blockSize = 8
	// slotMS is the mean time between two events: 3,000,000 of them span about 70 days.
	slotMS = 2000
	// epochMS is the time of ordinal 0, 2025-06-01T00:00:00Z.
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

// withSize returns the collection with n events.
func (d *dataset) withSize(n int) dataset {
	other := *d
	other.n = n
	return other
}

// read stores the event at index i in e and reuses e's buffers. i must be in [0, n).
func (d *dataset) read(i int, e *event) {
	ordinal := d.ordinal(i)
	group := d.timeGroup(ordinal)
	e.id = d.idFor(d.idNumber(group, ordinal))
	e.at = d.groupTime(group)
	d.content.read(ordinal, e)
}

// find returns the index of the event with this id, and false if there is none.
func (d *dataset) find(id uuid) (int, bool) {
	number := d.ids.invert(id.hi60())
	if number >= d.size()+blockSize || d.idFor(number) != id {
		return 0, false
	}
	group := d.timeGroup(number)
	for ordinal := group.first; ordinal <= group.last; ordinal++ {
		if d.idNumber(group, ordinal) == number && ordinal < d.size() {
			return d.index(ordinal), true
		}
	}
	return 0, false
}

func (d *dataset) size() uint64 { return uint64(d.n) } //nolint:gosec // a size is not negative

func (d *dataset) ordinal(i int) uint64 { return d.size() - 1 - uint64(i) } //nolint:gosec // i is an index

func (d *dataset) index(ordinal uint64) int { return d.n - 1 - int(ordinal) } //nolint:gosec // bounded by maxEvents

// A timeGroup is the range of ordinals that have one time.
type timeGroup struct{ first, last uint64 }

// timeGroup returns the group of an ordinal. Bit s of the mask is set, with a probability of 1/8, if slot s of the block
// has the same time as slot s-1.
func (d *dataset) timeGroup(ordinal uint64) timeGroup {
	block, slot := ordinal/blockSize, ordinal%blockSize
	bits := d.ties.at(block)
	mask := bits & (bits >> 8) & (bits >> 16) & 0xfe
	first, last := slot, slot
	for mask>>first&1 == 1 {
		first--
	}
	for last+1 < blockSize && mask>>(last+1)&1 == 1 {
		last++
	}
	return timeGroup{block*blockSize + first, block*blockSize + last}
}

// groupTime returns the time of a group in Unix ms.
func (d *dataset) groupTime(g timeGroup) int64 {
	return epochMS + int64(g.first)*slotMS + int64(d.jitter.at(g.first)%slotMS) //nolint:gosec // bounded by maxEvents
}

// idNumber returns the number from which the id of an ordinal is computed. That is the ordinal itself, except in a group
// of several events: there the group's numbers are sorted so that the ids are in order.
func (d *dataset) idNumber(g timeGroup, ordinal uint64) uint64 {
	if g.first == g.last {
		return ordinal
	}
	var numbers [blockSize]uint64
	sorted := numbers[:0]
	for number := g.first; number <= g.last; number++ {
		at := len(sorted)
		sorted = append(sorted, number)
		for ; at > 0 && d.ids.apply(sorted[at-1]) > d.ids.apply(number); at-- {
			sorted[at] = sorted[at-1]
		}
		sorted[at] = number
	}
	return sorted[ordinal-g.first]
}

func (d *dataset) idFor(number uint64) uuid {
	return newUUID(d.ids.apply(number), d.idTail.at(number))
}
