package settings

import (
	"strings"
	"testing"
)

// TestMaskDatabaseURL checks which parts of a database URL are masked. hunter2 is always a secret or a part of one.
func TestMaskDatabaseURL(t *testing.T) {
	t.Parallel()
	const allParts = "postgres://me:hunter2@[::1]:5432/events?sslmode=disable&search_path=a,b&options=hunter2"
	for text, want := range map[string]string{
		"":                                   "",
		"embedded:./.pawl":                   "embedded:./.pawl",
		"postgres://db.example/events":       "postgres://db.example/events",
		"postgres://me@db.example:6432/ev":   "postgres://me@db.example:6432/ev",
		"postgresql://me:hunter2@h1:1,h2:2/": "postgresql://me:********@h1:1,h2:2/",
		"postgres://127.0.0.1:1/db?password=hunter2": "postgres://127.0.0.1:1/db?password=********",
		allParts: "postgres://me:********@[::1]:5432/events?options=********&search_path=a%2Cb&sslmode=disable",

		// A driver cannot read these, or it can read them in more than one way. So nothing of them is shown.
		"host=db.example password=hunter2":                 masked,
		"hunter2":                                          masked,
		"postgres:me:hunter2@db.example/events":            masked,
		"postgres://me:?hunter2@127.0.0.1:1/db":            masked,
		"postgres://me:#hunter2@127.0.0.1:1/db":            masked,
		"postgres://me:12#hunter2@127.0.0.1:1/db":          masked,
		"postgres://me:123/hunter2@127.0.0.1:1/db":         masked,
		"postgres://me:hunter2@x@127.0.0.1:1/db":           masked,
		"postgres://127.0.0.1:1/db?a;password=hunter2":     masked,
		"postgres://127.0.0.1:1/db?sslmode=x#hunter2":      masked,
		"mysql://me:hunter2@db.example/events":             masked,
		"postgres://me:hunter2@db.example/events\nhunter2": masked,
	} {
		if got := maskDatabaseURL(text); got != want || strings.Contains(got, "hunter2") {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

// TestMaskSourceURL checks which parts of an API's base URL are masked. hunter2 is always a secret or a part of one.
func TestMaskSourceURL(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                       "",
		"https://api.example/api/v1":             "https://api.example/api/v1",
		"http://127.0.0.1:18080/api/v1/":         "http://127.0.0.1:18080/api/v1/",
		"https://me:hunter2@api.example/v1":      "https://********@api.example/v1",
		"https://api.example/v1?api_key=hunter2": "https://api.example/v1?********",
		"https://api.example/v1#hunter2":         "https://api.example/v1#********",
		"https://me:12/hunter2@api.example/v1":   masked,
		"api.example/hunter2":                    masked,
		"https://me:hunter2%zz@api.example/v1":   masked,
	} {
		if got := maskSourceURL(text); got != want || strings.Contains(got, "hunter2") {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
