//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/pawldata/pawl/internal/pgtest"
)

// TestBadAnswers checks that pawl stores nothing of an answer that is not a page, and sends the request again. If the second
// answer is not a page either, pawl must exit with exitData.
func TestBadAnswers(t *testing.T) {
	t.Parallel()
	event := validEvent(1)
	validPage := lastPage(1, event) // announces 1 record, and has 1
	const (
		jsonType = "application/json"
		tries    = 2 // the value of --tries
	)
	tests := []struct {
		name        string
		contentType string
		bodies      []string // of the API's answers, in order; all later answers repeat the last body
		wantCode    int
		wantEvents  int
		wantStderr  []string
	}{
		{
			name: "the second answer is a page", contentType: jsonType, bodies: []string{`null`, validPage},
			wantCode: exitDone, wantEvents: 1,
		},
		{
			name: "not JSON", contentType: jsonType, bodies: []string{`oops`},
			wantCode: exitSettings, wantStderr: []string{"not a JSON object", "API_BASE_URL"},
		},
		{
			name: "HTML", contentType: "text/html; charset=utf-8", bodies: []string{"<html>welcome</html>"},
			wantCode: exitSettings, wantStderr: []string{"web page", "API_BASE_URL"},
		},
		{
			name: "null", contentType: jsonType, bodies: []string{`null`},
			wantCode: exitData, wantStderr: []string{"stopped after 2 attempts"},
		},
		{
			name: "cut off", contentType: jsonType, bodies: []string{strings.TrimSuffix(validPage, `"req-1"}}`)},
			wantCode: exitData,
		},
		{
			name: "no pagination", contentType: jsonType,
			bodies:   []string{`{"data":[` + event + `],"meta":{"total":1,"returned":1}}`},
			wantCode: exitData,
		},
		{
			name: "data is null", contentType: jsonType,
			bodies:   []string{strings.Replace(lastPage(0), `"data":[]`, `"data":null`, 1)},
			wantCode: exitData,
		},
		{
			name: "1 record, although 3 are announced", contentType: jsonType, bodies: []string{lastPage(3, event)},
			wantCode: exitData, wantStderr: []string{"1 of 3"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			environment, requests := serveBodies(t, tt.contentType, tt.bodies...)
			f := newFixture(t, environment)
			p := f.runPawl(tt.wantCode, "run", "--tries", strconv.Itoa(tries))
			for _, want := range tt.wantStderr {
				if !strings.Contains(p.stderr.String(), want) {
					t.Errorf("stderr: got %s, want %q", p.stderr.String(), want)
				}
			}
			if n := requests.Load(); tt.wantCode == exitData && n != tries {
				t.Errorf("requests: got %d, want %d, because of --tries", n, tries)
			}
			if n := f.db.queryInt("SELECT count(*) FROM events"); n != tt.wantEvents {
				t.Errorf("stored events: got %d, want %d", n, tt.wantEvents)
			}
			f.db.checkLedger()
		})
	}
}

// TestWrongSettings checks how a run with a wrong key, URL or database ends. It must exit with the right code, its error
// must name the setting or the address, and its output must not show a secret.
func TestWrongSettings(t *testing.T) {
	t.Parallel()
	const (
		secret     = "hunter2" // the wrong key, and the password in a database's URL
		rightKey   = "the-right-one"
		closedPort = "127.0.0.1:1" // nothing listens there
	)
	databaseURL := pgtest.Database(t)
	m := startMock(t, "--events", "10", "--api-key", rightKey)
	settings := func(apiURL, key, dbURL string) []string {
		return []string{"API_BASE_URL=" + apiURL, "API_KEY=" + key, "DATABASE_URL=" + dbURL}
	}
	tests := []struct {
		name       string
		env        []string
		wantCode   int
		wantStderr []string
	}{
		{
			name:     "the wrong key",
			env:      settings(m.baseURL, secret, databaseURL),
			wantCode: exitSettings, wantStderr: []string{"API_KEY"},
		},
		{
			name:     "no API at the URL",
			env:      settings("http://"+closedPort+"/api/v1", secret, databaseURL),
			wantCode: exitRetryLater, wantStderr: []string{closedPort, "stopped after 2 attempts"},
		},
		{
			name:     "no events at the URL",
			env:      settings(m.baseURL+"/elsewhere", rightKey, databaseURL),
			wantCode: exitSettings, wantStderr: []string{"404", "API_BASE_URL"},
		},
		{
			name:     "no database server at the URL",
			env:      settings(m.baseURL, secret, "postgres://u:"+secret+"@"+closedPort+"/db"),
			wantCode: exitRetryLater, wantStderr: []string{closedPort, "--max-outage", "DATABASE_URL"},
		},
		{
			name:     "no database with the name",
			env:      settings(m.baseURL, secret, strings.Replace(databaseURL, "/pawl_test", "/no_such", 1)),
			wantCode: exitSettings, wantStderr: []string{"no_such", "DATABASE_URL"},
		},
		{
			name:     "an invalid base URL",
			env:      settings(strings.TrimPrefix(m.baseURL, "http://"), secret, databaseURL), // a URL without a scheme
			wantCode: exitSettings, wantStderr: []string{"API_BASE_URL"},
		},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
			defer cancel()
			stream := fmt.Sprintf("s%d", i) // each run has its own stream, since the runs share a database
			p := start(t, tt.env, "pawl", "run", "--tries", "2", "--max-outage", "1s", "--stream", stream)
			if code := p.wait(ctx); code != tt.wantCode {
				t.Errorf("exit %d, want %d: %s", code, tt.wantCode, p.stderr.String())
			}
			for _, want := range tt.wantStderr {
				if !strings.Contains(p.stderr.String(), want) {
					t.Errorf("stderr: got %s, want %q", p.stderr.String(), want)
				}
			}
			if strings.Contains(p.stderr.String()+p.stdout.String(), secret) {
				t.Errorf("the output shows a secret: %s", p.stderr.String())
			}
		})
	}
}
