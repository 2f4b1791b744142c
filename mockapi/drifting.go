package mockapi

import "crypto/sha256"

// A drifting decides which record drifts and how, from the seed and the event alone: it drifts in the same way on every
// pass, byte for byte, wherever in a page it stands.
type drifting struct {
	schedule schedule[DriftKind]
	origin   int // the size of the collection whose indices the schedule uses
	shapes   draw
}

func newDrifting(seed uint64, origin int, s schedule[DriftKind]) *drifting {
	return &drifting{schedule: s, origin: origin, shapes: newDraw(seed, "drift shapes")}
}

// strike is the kind that the rules give an event, "" for none.
func (d *drifting) strike(ordinal uint64) DriftKind {
	return d.schedule.strike(d.origin-1-int(ordinal), ordinal) //nolint:gosec // bounded by maxEvents
}

// A view is the collection of one moment, with what is wrong in it.
type view struct {
	dataset
	drifts *drifting // nil if nothing is
}

// A drifted is a record that is not as it should be.
type drifted struct {
	drift
	index   int
	event   event // whose id and values the record says, but for what the drift changed
	shape   uint64
	payload []byte
}

func (d *drifted) sum() Digest { return sha256.Sum256(d.payload) }

// drifted is the record at index i if it drifts, else nil. A twin needs a newer neighbour that is sound; without one the
// record is.
func (v *view) drifted(i int) *drifted {
	if v.drifts == nil {
		return nil
	}
	ordinal := v.ordinal(i)
	kind := v.drifts.strike(ordinal)
	if kind == "" {
		return nil
	}
	d := &drifted{drift: drifts[kind], index: i, shape: v.drifts.shapes.at(ordinal)}
	source := i
	if d.twin {
		source = i - 1
		if source < 0 || v.drifts.strike(ordinal+1) != "" {
			return nil
		}
	}
	v.read(source, &d.event)
	r := newRecord(&d.event, ordinal%3 != 0)
	if d.bend != nil {
		d.bend(&r, &d.event, d.shape)
	}
	d.payload = r.bytes()
	return d
}
