package datasync

import (
	"fmt"

	"github.com/pawldata/pawl/internal/domain"
)

// What a record may hold. To find names that stand twice the JSON parser remembers every name of an object, which takes
// many times the bytes that the names have, and each field that is not known becomes a drift of its own. A record past
// these bounds is refused and parked; the other records of the page are stored.
const (
	maxUnknown   = 1000      // fields that the profile does not know
	maxNames     = 512 << 10 // bytes of all names in a record together
	maxUUIDBytes = 2 + 36*6  // quoted, each character escaped
)

// checkNames refuses a record whose names take more than maxNames bytes, at any depth. It reads the payload only if
// that can be, and judges nothing else.
func checkNames(payload []byte) *domain.Rejection {
	if len(payload) <= maxNames {
		return nil
	}
	names := 0
	s := scanner{body: payload}
	for s.at < len(s.body) {
		if s.body[s.at] != '"' {
			s.at++
			continue
		}
		begin := s.at
		if s.quoted() != nil {
			return nil //nolint:nilerr // the parser says what is wrong
		}
		if length := s.at - begin; s.comes(':') {
			names += length
		}
		if names > maxNames {
			return &domain.Rejection{
				Reason: reasonLongNames, Detail: fmt.Sprintf("the names of its fields take more than %d bytes", maxNames),
			}
		}
	}
	return nil
}
