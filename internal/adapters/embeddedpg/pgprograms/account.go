//go:build unix

package pgprograms

import (
	"errors"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// Unprivileged is the account to use instead of root, which PostgreSQL refuses to run as: postgres, else nobody. For
// anybody else it is nil, which is our own account.
func Unprivileged() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		if u, err := user.Lookup(name); err == nil {
			if account, ok := credential(u); ok {
				return account, nil
			}
		}
	}
	return nil, errors.New("PostgreSQL does not run as root, and there is no user postgres or nobody to run it as")
}

// AccountOf is the account with this number. It is not ok if the system has none: initdb refuses to run under it.
func AccountOf(uid uint32) (account *syscall.Credential, ok bool) {
	u, err := user.LookupId(strconv.FormatUint(uint64(uid), 10))
	if err != nil {
		return nil, false
	}
	return credential(u)
}

func credential(u *user.User) (*syscall.Credential, bool) {
	uid, uidErr := strconv.ParseUint(u.Uid, 10, 32)
	gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
	if uidErr != nil || gidErr != nil {
		return nil, false
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, true
}
