package embeddedpg

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/pawldata/pawl/internal/domain"
)

// TestDiskFull_Errors checks that each error about a full disk has the code and the advice for it, wherever it comes from.
func TestDiskFull_Errors(t *testing.T) {
	const output = "creating\n2026-01-01 FATAL:  could not write to file \"pg_wal/x\": No space left on device\nchild ended\n"
	op := operationFor("/data")
	for name, err := range map[string]error{
		"initdb":        op.wrapError(t.Context(), domain.CodePrivateDatabaseStart, programError("initdb", errors.New("exit"), []byte(output)), ""),
		"the log":       op.folderError(fmt.Errorf("begin the server's log: %w", syscall.ENOSPC), ""),
		"a system call": op.folderError(&os.PathError{Op: "mkdir", Path: "/data", Err: syscall.ENOSPC}, ""),
	} {
		if kind, code := domain.KindOf(err), domain.CodeOf(err); kind != domain.Transient || code != domain.CodeDatabaseDiskFull {
			t.Errorf("%s: got kind %v and code %v of %v, want Transient and %v", name, kind, code, err, domain.CodeDatabaseDiskFull)
		}
		if hint := domain.HintOf(err); !strings.Contains(hint, "make room") {
			t.Errorf("%s: got hint %q, want it to say make room", name, hint)
		}
	}
}

// TestServer_Explain checks that Explain blames a full disk only if the server does not answer and its log says so.
func TestServer_Explain(t *testing.T) {
	const full = "PANIC:  could not write to file \"pg_wal/xlogtemp.1\": No space left on device\n"
	for _, tt := range []struct {
		name, log string
		code      domain.Code
		want      domain.Code
	}{
		{"disk full", full, domain.CodeDatabaseUnreachable, domain.CodeDatabaseDiskFull},
		{"commit unanswered", full, domain.CodeCommitUnanswered, domain.CodeDatabaseDiskFull},
		{"another reason", "LOG:  database system is shut down\n", domain.CodeDatabaseUnreachable, domain.CodeDatabaseUnreachable},
		{"the server answers", full, domain.CodeDatabaseBusy, domain.CodeDatabaseBusy},
	} {
		dir := t.TempDir()
		root, err := os.OpenRoot(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, logFile), []byte(tt.log), 0o600); err != nil {
			t.Fatal(err)
		}
		srv := &Server{dir: &serverDir{path: dir, root: root, op: operationFor(dir)}}
		srv.dir.close() // Explain is called when the command has ended
		failure := &domain.Error{Kind: domain.Transient, Code: tt.code, Op: "connect", Err: errors.New("refused")}
		if got := srv.Explain(failure); domain.CodeOf(got) != tt.want || domain.KindOf(got) != domain.Transient {
			t.Errorf("%s: got %v with code %v, want code %v", tt.name, got, domain.CodeOf(got), tt.want)
		}
	}
}
