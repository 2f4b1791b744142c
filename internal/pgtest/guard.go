//go:build unix

package pgtest

import (
	"os/exec"
	"syscall"
)

// guardScript waits for the end of its standard input, which comes when the process that holds the other end closes it
// or dies, of SIGKILL too. Then it stops the server if one runs and removes the folder. What a backend still writes may
// make the first removal fail.
const guardScript = `
while read -r line; do :; done
{ read -r pid <"$1/data/postmaster.pid" && kill -QUIT "$pid"; } 2>/dev/null
for try in 1 2 3 4 5 6 7 8 9 10; do rm -rf "$1" && exit; sleep 1; done 2>/dev/null
exit 1
`

// postGuard starts the guard. A pipe does what a parent-death signal does, on every Unix, and whichever thread of this
// process started the server.
func (h *home) postGuard() error {
	guard := exec.Command("/bin/sh", "-c", guardScript, "pgtest-guard", h.dir) //nolint:noctx // it outlives us
	guard.Dir = "/"
	guard.Env = []string{"PATH=/usr/bin:/bin"}
	guard.SysProcAttr = &syscall.SysProcAttr{Credential: h.account, Setpgid: true}
	lease, err := guard.StdinPipe()
	if err != nil {
		return err
	}
	if err := guard.Start(); err != nil {
		return err
	}
	h.guard, h.lease = guard, lease
	return nil
}

// remove makes the guard do its work and waits for it.
func (h *home) remove() error {
	if err := h.lease.Close(); err != nil {
		return err
	}
	return h.guard.Wait()
}
