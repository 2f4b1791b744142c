package mockapi

const (
	goldenRatio = 0x9e3779b97f4a7c15 // the increment of the generator splitmix64
	mask60      = 1<<60 - 1          // the lower 60 bits
)

// mixBits returns x after the final step of splitmix64. Every bit of x influences every bit of the result.
func mixBits(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

// A randomSequence is an infinite sequence of independent pseudo-random numbers. It computes a number when it is read.
type randomSequence uint64

// newRandomSequence returns the sequence for a seed and a purpose. Sequences for different purposes are independent.
func newRandomSequence(seed uint64, purpose string) randomSequence {
	x := mixBits(seed + goldenRatio)
	for _, b := range []byte(purpose) {
		x = mixBits(x + uint64(b)*goldenRatio)
	}
	return randomSequence(x)
}

// number returns the i-th number.
func (s randomSequence) number(i uint64) uint64 { return mixBits(uint64(s) + i*goldenRatio) }

// forRequest returns the number for the n-th request.
func (s randomSequence) forRequest(n int) uint64 { return s.number(uint64(n)) } //nolint:gosec // requests are counted from 1

// A permutation maps each 60-bit number to another one. The result looks random, but different numbers have different
// results. Therefore invert can compute the number from the result.
type permutation struct {
	key                uint64
	factor1, factor2   uint64
	inverse1, inverse2 uint64 // the inverses of the factors modulo 2^64
}

func newPermutation(key uint64) permutation {
	const factor1, factor2 = 0x0f51afd7ed558ccd, 0x04ceb9fe1a85ec53 // odd numbers with many different bits
	return permutation{
		key: key, factor1: factor1, factor2: factor2, inverse1: inverse(factor1), inverse2: inverse(factor2),
	}
}

// apply returns the 60-bit number to which i is mapped.
func (p permutation) apply(i uint64) uint64 {
	x := (i + p.key) & mask60
	x ^= x >> 31
	x = (x * p.factor1) & mask60
	x ^= x >> 30
	x = (x * p.factor2) & mask60
	return x ^ (x >> 31)
}

// invert returns the number for which apply returns x. It does the steps of apply in reverse order. The step x ^= x >> n is
// its own inverse, because n is at least half of the 60 bits.
func (p permutation) invert(x uint64) uint64 {
	x ^= x >> 31
	x = (x * p.inverse2) & mask60
	x ^= x >> 30
	x = (x * p.inverse1) & mask60
	x ^= x >> 31
	return (x - p.key) & mask60
}

// inverse returns the x for which m*x is 1 modulo 2^64. m must be odd. It uses Newton's method: the lowest 3 bits of the
// first x are correct, and each step doubles the number of correct bits.
func inverse(m uint64) uint64 {
	x := m
	for range 5 { // 3 bits, then 6, 12, 24, 48 and 96
		x *= 2 - m*x
	}
	return x
}
