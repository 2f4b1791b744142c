package cli

import (
	"net/url"
	"strings"
)

// masked stands for what must not be shown.
const masked = "********"

// mask tells that there is a secret, and nothing of it.
func mask(secret string) string {
	if secret == "" {
		return ""
	}
	return masked
}

// maskURL shows a URL without the passwords in it. Whatever is no URL might be a password itself and is not shown at
// all; PostgreSQL's key=value form is no URL.
func maskURL(text string) string {
	if strings.HasPrefix(text, "embedded:") { // a folder, where there is nothing to hide
		return text
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme == "" || u.Opaque != "" {
		return mask(text)
	}
	if _, has := u.User.Password(); has {
		u.User = url.UserPassword(u.User.Username(), masked)
	}
	query := u.Query()
	for name := range query {
		if strings.Contains(strings.ToLower(name), "password") {
			query.Set(name, masked)
			u.RawQuery = query.Encode()
		}
	}
	return strings.ReplaceAll(u.String(), url.QueryEscape(masked), masked)
}
