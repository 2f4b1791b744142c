package verify

import (
	"github.com/pawldata/pawl/internal/app/retry"
	"github.com/pawldata/pawl/internal/domain"
)

// An Observer is told what happens, in order and from the goroutine of Run, which waits for it: it must be quick.
type Observer interface {
	// Checking: this check begins, and the one before is over.
	Checking(check domain.Check)
	// Waiting: nothing happens until w.Until, because of w.Err.
	Waiting(w retry.Wait)
	// Compared: the API's page has been compared.
	Compared(page domain.DecodedPage)
}
