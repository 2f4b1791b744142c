package mockapi

const (
	golden = 0x9e3779b97f4a7c15
	mask60 = 1<<60 - 1
)

// mix is the finalizer of splitmix64: every bit of x reaches every bit of the result.
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

// A draw is an endless row of independent random numbers; the i-th is computed when asked for.
type draw uint64

func newDraw(seed uint64, purpose string) draw {
	x := mix(seed + golden)
	for _, b := range []byte(purpose) {
		x = mix(x + uint64(b)*golden)
	}
	return draw(x)
}

func (d draw) at(i uint64) uint64 { return mix(uint64(d) + i*golden) }

// forRequest is the number of the n-th request.
func (d draw) forRequest(n int) uint64 { return d.at(uint64(n)) } //nolint:gosec // requests are counted from 1

// A scatter is a permutation of the 60-bit numbers: distinct inputs stay distinct, and each can be found again.
type scatter struct{ key, m1, m2, inv1, inv2 uint64 }

func newScatter(key uint64) scatter {
	const m1, m2 = 0x0f51afd7ed558ccd, 0x04ceb9fe1a85ec53
	return scatter{key: key, m1: m1, m2: m2, inv1: inverse(m1), inv2: inverse(m2)}
}

func (s scatter) out(i uint64) uint64 {
	x := (i + s.key) & mask60
	x ^= x >> 31
	x = x * s.m1 & mask60
	x ^= x >> 30
	x = x * s.m2 & mask60
	return x ^ x>>31
}

// back undoes out. A shift of at least half the width is its own inverse.
func (s scatter) back(x uint64) uint64 {
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
