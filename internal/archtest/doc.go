// Package archtest tests the architecture: which package may import which, how long a file may be, which names a package
// may not have, that nothing sleeps, and that the documentation names only what exists. It exports nothing; its tests read
// the module's files.
//
// The import rules are the table in rules_test.go, each with its reason.
package archtest
