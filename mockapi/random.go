package mockapi

const (
	goldenRatio = 0x9e3779b97f4a7c15
	mask60      = 1<<60 - 1
)

// mixBits is the finalizer of splitmix64: every bit of x influences every bit of the result.
func mixBits(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

// A randomSequence is an infinite sequence of independent pseudo-random numbers. Each is computed when it is read.
type randomSequence uint64

// newRandomSequence returns the sequence for a seed and a purpose. Other purposes give independent sequences.
func newRandomSequence(seed uint64, purpose string) randomSequence {
	x := mixBits(seed + goldenRatio)
	for _, b := range []byte(purpose) {
		x = mixBits(x + uint64(b)*goldenRatio)
	}
	return randomSequence(x)
}

// at returns the i-th number.
func (s randomSequence) at(i uint64) uint64 { return mixBits(uint64(s) + i*goldenRatio) }

// forRequest returns the number for the n-th request.
func (s randomSequence) forRequest(n int) uint64 { return s.at(uint64(n)) } //nolint:gosec // requests are counted from 1

// A permutation maps the 60-bit numbers to each other in a seemingly random way: different inputs have different
// outputs, and invert computes the input of an output.
type permutation struct{ key, m1, m2, inv1, inv2 uint64 }

func newPermutation(key uint64) permutation {
	const m1, m2 = 0x0f51afd7ed558ccd, 0x04ceb9fe1a85ec53
	return permutation{key: key, m1: m1, m2: m2, inv1: inverse(m1), inv2: inverse(m2)}
}

func (p permutation) apply(i uint64) uint64 {
	x := (i + p.key) & mask60
	x ^= x >> 31
	x = x * p.m1 & mask60
	x ^= x >> 30
	x = x * p.m2 & mask60
	return x ^ x>>31
}

// invert undoes apply. An xor with a shift of at least half the width is its own inverse.
func (p permutation) invert(x uint64) uint64 {
	x ^= x >> 31
	x = x * p.inv2 & mask60
	x ^= x >> 30
	x = x * p.inv1 & mask60
	x ^= x >> 31
	return (x - p.key) & mask60
}

// inverse returns the x with m*x = 1 modulo 2^64, for an odd m. It uses Newton's method: m itself is right in 3 bits,
// and each step doubles the number of right bits.
func inverse(m uint64) uint64 {
	x := m
	for range 5 {
		x *= 2 - m*x
	}
	return x
}
