// Package archtest holds the architecture to its word: who may import whom, how long a file may be, that nobody sleeps
// and what no package is called. There is nothing to import; its tests read the module as it is.
//
// The rules are the table in rules_test.go, each with its reason.
package archtest
