// Package e2e runs the built programs against each other, as users do, and kills them. It looks at pawl from outside
// only: at exit codes and output, at the mock API's journal, and at the tables. Its tests need the build tag e2e:
//
//	make test-e2e
package e2e
