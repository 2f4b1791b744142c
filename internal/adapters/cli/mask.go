package cli

import (
	"maps"
	"net/url"
	"regexp"
	"slices"
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

// plainURL is a database's URL that can be read in one way only. A slip may turn a part of the password into a host, a
// path or a parameter, so whatever is not of this form is not shown at all.
var plainURL = regexp.MustCompile(`^(postgres(?:ql)?://)(?:([\w.-]+)(:[^@/?#]*)?@)?([\w.,:\[\]-]*)(/[\w.-]*)?(?:\?([^#]*))?$`)

var paramName = regexp.MustCompile(`^[a-z_]+$`)

// plainParams are the parameters whose values are no secrets.
var plainParams = []string{
	"application_name", "connect_timeout", "default_query_exec_mode", "pool_max_conns", "search_path", "sslmode",
	"sslrootcert", "target_session_attrs",
}

// maskDatabase shows a database's URL without the passwords in it.
func maskDatabase(text string) string {
	if strings.HasPrefix(text, "embedded:") { // a folder, where there is nothing to hide
		return text
	}
	parts := plainURL.FindStringSubmatch(text)
	if parts == nil {
		return mask(text)
	}
	params, err := url.ParseQuery(parts[6])
	if err != nil {
		return masked
	}
	shown := parts[1]
	if user, password := parts[2], parts[3]; user != "" {
		shown += user
		if password != "" {
			shown += ":" + masked
		}
		shown += "@"
	}
	shown += parts[4] + parts[5]
	pairs := make([]string, 0, len(params))
	for _, name := range slices.Sorted(maps.Keys(params)) {
		value := masked
		switch {
		case !paramName.MatchString(name):
			return masked
		case slices.Contains(plainParams, name):
			value = url.QueryEscape(strings.Join(params[name], ","))
		}
		pairs = append(pairs, name+"="+value)
	}
	if len(pairs) == 0 {
		return shown
	}
	return shown + "?" + strings.Join(pairs, "&")
}

// maskAddress shows an API's address without what may be a key: user, parameters and fragment.
func maskAddress(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || strings.Contains(u.Path, "@") {
		return mask(text)
	}
	shown := u.Scheme + "://"
	if u.User != nil {
		shown += masked + "@"
	}
	shown += u.Host + u.EscapedPath()
	if u.RawQuery != "" || u.ForceQuery {
		shown += "?" + masked
	}
	if u.Fragment != "" {
		shown += "#" + masked
	}
	return shown
}
