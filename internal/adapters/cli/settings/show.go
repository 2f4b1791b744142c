package settings

import (
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// A Line is one setting as `pawl config` shows it.
type Line struct {
	Name   string `json:"name"`   // the environment name, or the flag of a setting that has none
	Value  string `json:"value"`  // the value; secrets are masked
	Origin string `json:"origin"` // where the value comes from: default, a flag, a variable, a file, or "not set"
}

// Show returns a line for each setting of [All], in the same order. The value of a secret that is in a file is the file's
// content, masked.
func Show(v Values, s Settings, origins Origins) (lines []Line) {
	for _, setting := range All() {
		value, origin := setting.value(&v).String(), origins[setting.key()].String()
		switch setting.Name() {
		case "API_BASE_URL":
			value = maskSourceURL(value)
		case "API_KEY":
			value, origin = mask(s.APIKey), originOfSecret(v.APIKeyFile, origin)
		case "DATABASE_URL":
			value, origin = maskDatabaseURL(s.DatabaseURL), originOfSecret(v.DatabaseURLFile, origin)
		}
		if value == "" {
			origin = "not set"
		}
		lines = append(lines, Line{setting.Name(), value, origin})
	}
	return lines
}

// originOfSecret returns the origin of a secret that is in file, or origin if file is empty.
func originOfSecret(file, origin string) string {
	if file == "" {
		return origin
	}
	return "file " + file
}

// masked replaces what must not be shown.
const masked = "********"

// mask returns masked, or nothing if there is no secret.
func mask(secret string) string {
	if secret == "" {
		return ""
	}
	return masked
}

// plainURL matches a database URL that can be read in one way only. In any other URL a typing error may have made a part of the
// password a host, a path or a parameter, so nothing of it is shown.
var plainURL = regexp.MustCompile(`^(postgres(?:ql)?://)(?:([\w.-]+)(:[^@/?#]*)?@)?([\w.,:\[\]-]*)(/[\w.-]*)?(?:\?([^#]*))?$`)

var paramName = regexp.MustCompile(`^[a-z_]+$`)

// plainParams are the parameters whose values are not secret.
var plainParams = []string{
	"application_name", "connect_timeout", "default_query_exec_mode", "pool_max_conns", "search_path", "sslmode",
	"sslrootcert", "target_session_attrs",
}

// maskDatabaseURL returns a database URL with its passwords masked.
func maskDatabaseURL(text string) string {
	if strings.HasPrefix(text, "embedded:") { // a folder is no secret
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

// maskSourceURL returns an API's base URL with what may be a key masked: user, parameters and fragment.
func maskSourceURL(text string) string {
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
