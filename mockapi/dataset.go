package mockapi

// A dataset is n events that exist only as arithmetic. Index 0 is the head, the newest; the order is timestamp descending,
// then id descending [R]. It is a value: of gives one of another size.
//
// An event is a function of the seed and its ordinal, its distance from the oldest event: a collection that grows at the
// head keeps all it had. A time is shared only within a block of 8 ordinals, so everything is found within one block.
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
	// slotMS is the mean distance between two events: 3,000,000 of them span about 70 days.
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

// of is the collection when it had n events.
func (d *dataset) withSize(n int) dataset {
	other := *d
	other.n = n
	return other
}

// read puts the event at index i, which must be in [0, n), into e, whose buffers it uses again.
func (d *dataset) read(i int, e *event) {
	ordinal := d.ordinal(i)
	group := d.timeGroup(ordinal)
	e.id = d.idFor(d.idNumber(group, ordinal))
	e.at = d.groupTime(group)
	d.content.read(ordinal, e)
}

// find is the index of the event with this id.
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

func (d *dataset) ordinal(i int) uint64 { return d.size() - 1 - uint64(i) } //nolint:gosec // the caller gives an index

func (d *dataset) index(ordinal uint64) int { return d.n - 1 - int(ordinal) } //nolint:gosec // bounded by maxEvents

// A run is the ordinals that share one time.
type timeGroup struct{ first, last uint64 }

// run finds the run of an ordinal. Bit s of the tie mask says that slot s has the time of slot s-1, one time in eight.
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

func (d *dataset) groupTime(r timeGroup) int64 {
	return epochMS + int64(r.first)*slotMS + int64(d.jitter.at(r.first)%slotMS) //nolint:gosec // bounded by maxEvents
}

// bearer is the number whose id an ordinal bears: its own, unless a shared time asks for ids in order.
func (d *dataset) idNumber(r timeGroup, ordinal uint64) uint64 {
	if r.first == r.last {
		return ordinal
	}
	var numbers [blockSize]uint64
	sorted := numbers[:0]
	for number := r.first; number <= r.last; number++ {
		at := len(sorted)
		sorted = append(sorted, number)
		for ; at > 0 && d.ids.apply(sorted[at-1]) > d.ids.apply(number); at-- {
			sorted[at] = sorted[at-1]
		}
		sorted[at] = number
	}
	return sorted[ordinal-r.first]
}

func (d *dataset) idFor(number uint64) uuid {
	return newUUID(d.ids.apply(number), d.idTail.at(number))
}
