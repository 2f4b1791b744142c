// Package archtest tests the architecture of the module. It exports nothing. Its tests read the module's files and check that:
//   - packages import only what the rules in rules_test.go allow,
//   - no file is too long, and no package has a vague name,
//   - no code sleeps,
//   - only the command line names commands and flags,
//   - the documentation names only what exists, and explains every column.
package archtest
