//go:build unix

package pgprograms

import (
	"os"
	"testing"
)

func TestUnprivilegedIsNeverRoot(t *testing.T) {
	account, err := Unprivileged()
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case os.Geteuid() != 0 && account != nil:
		t.Errorf("uid %d instead of our own", account.Uid)
	case os.Geteuid() == 0 && (account == nil || account.Uid == 0):
		t.Error("root")
	}
}

func TestAccountOf(t *testing.T) {
	own := uint32(os.Geteuid())
	if account, ok := AccountOf(own); !ok || account.Uid != own {
		t.Errorf("our own account: %v, %v", account, ok)
	}
	if account, ok := AccountOf(4_123_456_789); ok {
		t.Errorf("an account that nobody has: %v", account)
	}
}
