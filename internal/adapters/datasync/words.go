package datasync

// everyByte has the value 1 in each of its bytes, and highBits has the highest bit of each byte.
const (
	everyByte = 0x0101010101010101
	highBits  = 0x80 * everyByte
)

// matchQuotes looks for quotes in eight bytes at once, of which the first is the lowest. It sets the highest bit of each byte
// that is a quote. It may also set bits of bytes behind the first match, so only the lowest bit that is set may be used.
func matchQuotes(word uint64) uint64 {
	zeroIfQuote := word ^ everyByte*'"'
	return (zeroIfQuote - everyByte) &^ zeroIfQuote & highBits
}

// matchSpecial looks for all bytes that do not mean themselves in a string, or may not: quotes, backslashes, control
// characters, and everything that is not ASCII. Its result is like that of matchQuotes.
func matchSpecial(word uint64) uint64 {
	zeroIfBackslash := word ^ everyByte*'\\'
	backslashes := (zeroIfBackslash - everyByte) &^ zeroIfBackslash
	controls := (word - everyByte*' ') &^ word
	return matchQuotes(word) | (backslashes|controls|word)&highBits
}
