package mockapi

const (
	goldenRatio = 0x9e3779b97f4a7c15
	mask60      = 1<<60 - 1
)

// mix is the finalizer of splitmix64: every bit of x reaches every bit of the result.
func mixBits(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

// A draw is an endless row of independent random numbers; the i-th is computed when asked for.
type randomSequence uint64

func newRandomSequence(seed uint64, purpose string) randomSequence {
	x := mixBits(seed + goldenRatio)
	for _, b := range []byte(purpose) {
		x = mixBits(x + uint64(b)*goldenRatio)
	}
	return randomSequence(x)
}

func (d randomSequence) at(i uint64) uint64 { return mixBits(uint64(d) + i*goldenRatio) }

// forRequest is the number of the n-th request.
func (d randomSequence) forRequest(n int) uint64 { return d.at(uint64(n)) } //nolint:gosec // requests are counted from 1

// A scatter is a permutation of the 60-bit numbers: distinct inputs stay distinct, and each can be found again.
type permutation struct{ key, m1, m2, inv1, inv2 uint64 }

func newPermutation(key uint64) permutation {
	const m1, m2 = 0x0f51afd7ed558ccd, 0x04ceb9fe1a85ec53
	return permutation{key: key, m1: m1, m2: m2, inv1: inverse(m1), inv2: inverse(m2)}
}

func (s permutation) apply(i uint64) uint64 {
	x := (i + s.key) & mask60
	x ^= x >> 31
	x = x * s.m1 & mask60
	x ^= x >> 30
	x = x * s.m2 & mask60
	return x ^ x>>31
}

// back undoes out. A shift of at least half the width is its own inverse.
func (s permutation) invert(x uint64) uint64 {
	x ^= x >> 31
	x = x * s.inv2 & mask60
	x ^= x >> 30
	x = x * s.inv1 & mask60
	x ^= x >> 31
	return (x - s.key) & mask60
}

// inverse finds the number that multiplies odd m to 1 modulo a power of two; Newton doubles the right bits, from 3, each turn.
func inverse(m uint64) uint64 {
	x := m
	for range 5 {
		x *= 2 - m*x
	}
	return x
}
