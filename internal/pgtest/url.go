package pgtest

import (
	"net/url"
	"strings"
	"testing"
)

// WithParam sets a parameter in a connection URL.
func WithParam(tb testing.TB, databaseURL, name, value string) string {
	tb.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		tb.Fatalf("pgtest: %v", err)
	}
	query := u.Query()
	query.Set(name, value)
	u.RawQuery = strings.ReplaceAll(query.Encode(), "+", "%20") // PostgreSQL's URLs know no plus
	return u.String()
}
