//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/pawldata/pawl/internal/pgtest"
)

// TestBadAnswers checks that pawl fetches an answer that is not a page again, stores nothing of it, and exits with 4 if
// the second answer is no better.
func TestBadAnswers(t *testing.T) {
	t.Parallel()
	one := fmt.Sprintf(validEvent, 1)
	whole := pageOf(1, "", one)
	tests := []struct {
		name        string
		contentType string
		bodies      []string
		code        int
		events      int
		wantStderr  []string
	}{
		{"a bad answer is fetched again", "application/json", []string{`null`, whole}, 0, 1, nil},
		{"not JSON", "application/json", []string{`oops`}, 4, 0, []string{"stopped after 2 attempts"}},
		{"HTML", "text/html; charset=utf-8", []string{"<html>welcome</html>"}, 4, 0, []string{"HTML"}},
		{"null", "application/json", []string{`null`}, 4, 0, nil},
		{"cut off", "application/json", []string{whole[:len(whole)-9]}, 4, 0, nil},
		{"no pagination", "application/json", []string{`{"data":[` + one + `],"meta":{"total":1,"returned":1}}`}, 4, 0, nil},
		{"data is null", "application/json", []string{strings.Replace(pageOf(0, ""), "[]", "null", 1)}, 4, 0, nil},
		{"an end before the total", "application/json", []string{pageOf(3, "", one)}, 4, 0, []string{"1 of 3"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			environment, requests := serveBodies(t, tt.contentType, tt.bodies...)
			f := newFixture(t, environment)
			p := f.runPawl(tt.code, "run", "--tries", "2")
			for _, want := range tt.wantStderr {
				if !strings.Contains(p.stderr.String(), want) {
					t.Errorf("stderr: got %s, want %q", p.stderr.String(), want)
				}
			}
			if tt.events == 0 && requests.Load() != 2 { // two tries
				t.Errorf("got %d requests, want 2", requests.Load())
			}
			if n := f.db.count("SELECT count(*) FROM events"); n != tt.events {
				t.Errorf("%d events stored, want %d", n, tt.events)
			}
			f.db.checkLedger()
		})
	}
}

// TestWrongSettings checks that a wrong key, URL or database ends the run with the right exit code, and that the error names
// the setting or the address and shows no secret.
func TestWrongSettings(t *testing.T) {
	t.Parallel()
	const secret = "hunter2"
	databaseURL := pgtest.Database(t)
	m := startMock(t, "--events", "10", "--api-key", "the-right-one")
	tests := []struct {
		name       string
		env        []string
		code       int
		wantStderr []string
	}{
		{
			"the wrong key",
			[]string{"API_BASE_URL=" + m.baseURL, "API_KEY=" + secret, "DATABASE_URL=" + databaseURL},
			2,
			[]string{"API_KEY"},
		},
		{
			"no API at the URL",
			[]string{"API_BASE_URL=http://127.0.0.1:1/api/v1", "API_KEY=" + secret, "DATABASE_URL=" + databaseURL},
			3,
			[]string{"127.0.0.1:1", "try 2"},
		},
		{
			"no events at the URL",
			[]string{"API_BASE_URL=" + m.baseURL + "/elsewhere", "API_KEY=the-right-one", "DATABASE_URL=" + databaseURL},
			2,
			[]string{"404", "API_BASE_URL"},
		},
		{
			"no database at the URL",
			[]string{"API_BASE_URL=" + m.baseURL, "API_KEY=" + secret, "DATABASE_URL=postgres://u:" + secret + "@127.0.0.1:1/db"},
			3,
			[]string{"127.0.0.1:1", "try 2", "DATABASE_URL"},
		},
		{
			"no database with the name",
			[]string{"API_BASE_URL=" + m.baseURL, "API_KEY=" + secret, "DATABASE_URL=" + strings.Replace(databaseURL, "/pawl_test", "/no_such", 1)},
			2,
			[]string{"no_such", "DATABASE_URL"},
		},
		{
			"an invalid base URL",
			[]string{"API_BASE_URL=" + strings.TrimPrefix(m.baseURL, "http://"), "API_KEY=" + secret, "DATABASE_URL=" + databaseURL},
			2,
			[]string{"API_BASE_URL"},
		},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
			defer cancel()
			p := start(t, tt.env, "pawl", "run", "--tries", "2", "--stream", fmt.Sprintf("s%d", i))
			if code := p.wait(ctx); code != tt.code {
				t.Errorf("exit %d, want %d: %s", code, tt.code, p.stderr.String())
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
