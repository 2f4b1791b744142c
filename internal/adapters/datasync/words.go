package datasync

// Constants for numbers that hold eight bytes of a text. The first byte of the text is the lowest byte of the number.
const (
	everyByte = 0x0101010101010101 // everyByte*c has the value c in each byte
	highBits  = 0x80 * everyByte   // the highest bit of each byte
)

// matchQuotes looks for quotes in the eight bytes of word. It returns a number with the highest bit of each byte that is a quote.
// Behind the first quote, the highest bits of other bytes may be set too, so callers may use only the lowest bit that is set.
//
// Subtracting 1 from a byte that is zero sets its highest bit, and borrows from the next byte, which may then get a wrong bit.
// The operator &^ drops the highest bits that were set before.
func matchQuotes(word uint64) uint64 {
	zeroIfQuote := word ^ everyByte*'"'
	return (zeroIfQuote - everyByte) &^ zeroIfQuote & highBits
}

// matchSpecial looks for special bytes (see isSpecial). Its result is like that of matchQuotes.
func matchSpecial(word uint64) uint64 {
	zeroIfBackslash := word ^ everyByte*'\\'
	backslashes := (zeroIfBackslash - everyByte) &^ zeroIfBackslash
	controls := (word - everyByte*' ') &^ word
	return matchQuotes(word) | (backslashes|controls|word)&highBits
}
