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
	Name   string `json:"name"`   // the environment name, or the flag if the setting has no environment name
	Value  string `json:"value"`  // the value; secrets are masked
	Origin string `json:"origin"` // where the value comes from: default, a flag, a variable, a file, "chosen" for a private database that pawl would use, or "not set"
}

// Show returns a line for each setting of [All], in the same order. If a secret is in a file, its line shows the masked content of
// that file.
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
		case "PAWL_MIGRATE_URL":
			value = maskDatabaseURL(value)
		}
		if value == "" {
			origin = "not set"
		}
		lines = append(lines, Line{Name: setting.Name(), Value: value, Origin: origin})
	}
	return lines
}

// originOfSecret returns the file of a secret as its origin, or origin if file is empty.
func originOfSecret(file, origin string) string {
	if file == "" {
		return origin
	}
	return "file " + file
}

// masked is shown in place of a secret.
const masked = "********"

// mask returns masked, or an empty text if secret is empty.
func mask(secret string) string {
	if secret == "" {
		return ""
	}
	return masked
}

// plainURL matches a database URL whose parts are certain. Its groups are 1 the scheme, 2 the user, 3 the password with its colon, 4 the
// hosts, 5 the database with its slash and 6 the parameters. In any other URL, a typing error may have made a part of the password a
// host, a path or a parameter. So pawl shows no part of such a URL.
var plainURL = regexp.MustCompile(`^(postgres(?:ql)?://)(?:([\w.-]+)(:[^@/?#]*)?@)?([\w.,:\[\]-]*)(/[\w.-]*)?(?:\?([^#]*))?$`)

// paramName matches the names that a parameter of a database URL can have.
var paramName = regexp.MustCompile(`^[a-z_]+$`)

// plainParams are the names of the parameters whose values are not secret.
var plainParams = []string{
	"application_name", "connect_timeout", "default_query_exec_mode", "pool_max_conns", "search_path", "sslmode",
	"sslrootcert", "target_session_attrs",
}

// maskDatabaseURL returns a database URL with its password masked, and the values of all parameters except plainParams. If the URL does
// not match plainURL, or has a parameter with an unusual name, all of it is masked.
func maskDatabaseURL(text string) string {
	if strings.HasPrefix(text, "embedded:") { // the rest is a folder, which is no secret
		return text
	}
	parts := plainURL.FindStringSubmatch(text)
	if parts == nil {
		return mask(text)
	}
	scheme, user, password, hosts, database, query := parts[1], parts[2], parts[3], parts[4], parts[5], parts[6]
	params, err := url.ParseQuery(query)
	if err != nil {
		return masked
	}
	shown := scheme
	if user != "" {
		shown += user
		if password != "" {
			shown += ":" + masked
		}
		shown += "@"
	}
	shown += hosts + database
	pairs := make([]string, 0, len(params))
	for _, name := range slices.Sorted(maps.Keys(params)) {
		if !paramName.MatchString(name) {
			return masked
		}
		value := masked
		if slices.Contains(plainParams, name) {
			value = url.QueryEscape(strings.Join(params[name], ","))
		}
		pairs = append(pairs, name+"="+value)
	}
	if len(pairs) == 0 {
		return shown
	}
	return shown + "?" + strings.Join(pairs, "&")
}

// maskSourceURL returns an API's base URL with its user, parameters and fragment masked, because each of them may be a key. If text
// cannot be parsed, has no host or has an @ in its path, any part of it may be a key. So all of it is masked.
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
