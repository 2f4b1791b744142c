package postgres

import (
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// libpqNames are the connection settings that pgx reads into something else than text, with libpq's names for them in
// the environment.
var libpqNames = map[string]string{
	"channel_binding": "PGCHANNELBINDING", "connect_timeout": "PGCONNECT_TIMEOUT", "krbsrvname": "PGKRBSRVNAME",
	"ssl_max_protocol_version": "PGSSLMAXPROTOCOLVERSION", "ssl_min_protocol_version": "PGSSLMINPROTOCOLVERSION",
	"sslcert": "PGSSLCERT", "sslkey": "PGSSLKEY", "sslmode": "PGSSLMODE", "sslnegotiation": "PGSSLNEGOTIATION",
	"sslrootcert": "PGSSLROOTCERT", "sslsni": "PGSSLSNI", "target_session_attrs": "PGTARGETSESSIONATTRS",
}

// PsqlEnviron is the database's URL as the variables that psql and libpq's other programs read, the password among them:
// as an argument everybody could read it. What only pgx knows, such as the size of its pool, is left out. A malformed URL
// is Invalid.
func PsqlEnviron(databaseURL string) ([]string, error) {
	cfg, err := parse(databaseURL, "psql")
	if err != nil {
		return nil, err
	}
	conn := cfg.ConnConfig.Config
	hosts, ports := addresses(conn)
	environ := []string{"PGHOST=" + hosts, "PGPORT=" + ports}
	for name, value := range map[string]string{"PGUSER": conn.User, "PGPASSWORD": conn.Password, "PGDATABASE": conn.Database} {
		if value != "" {
			environ = append(environ, name+"="+value)
		}
	}
	for name, value := range connectionSettings(databaseURL) {
		if libpq := libpqNames[name]; libpq != "" {
			environ = append(environ, libpq+"="+value)
		}
	}
	if options := sessionOptions(conn.RuntimeParams); options != "" {
		environ = append(environ, "PGOPTIONS="+options)
	}
	slices.Sort(environ)
	return environ, nil
}

// addresses are all places the server may be at; pgx names one twice where it would try with and without TLS.
func addresses(conn pgconn.Config) (hosts, ports string) {
	hostList, portList := []string{conn.Host}, []string{strconv.Itoa(int(conn.Port))}
	for _, other := range conn.Fallbacks {
		port := strconv.Itoa(int(other.Port))
		if last := len(hostList) - 1; other.Host != hostList[last] || port != portList[last] {
			hostList, portList = append(hostList, other.Host), append(portList, port)
		}
	}
	return strings.Join(hostList, ","), strings.Join(portList, ",")
}

// sessionOptions are the parameters that the server sets for the session, as command line switches of its own. The
// encoding is left to psql, which knows the terminal's.
func sessionOptions(params map[string]string) string {
	var options []string
	for _, name := range slices.Sorted(maps.Keys(params)) {
		switch name {
		case "options":
			options = append(options, params[name])
		case "application_name", "client_encoding":
		default:
			value := strings.NewReplacer(`\`, `\\`, " ", `\ `).Replace(params[name])
			options = append(options, "-c "+name+"="+value)
		}
	}
	return strings.Join(options, " ")
}

// pair is one setting of libpq's key=value form; its value may be quoted.
var pair = regexp.MustCompile(`(\w+)\s*=\s*('(?:[^'\\]|\\.)*'|\S+)`)

// connectionSettings are the settings of either form by name, but for those that stand in the front part of a URL.
func connectionSettings(databaseURL string) map[string]string {
	settings := map[string]string{}
	if u, err := url.Parse(strings.TrimSpace(databaseURL)); err == nil && strings.HasPrefix(u.Scheme, "postgres") {
		for name, values := range u.Query() {
			settings[name] = values[len(values)-1]
		}
		return settings
	}
	for _, found := range pair.FindAllStringSubmatch(databaseURL, -1) {
		value := strings.TrimSuffix(strings.TrimPrefix(found[2], "'"), "'")
		settings[found[1]] = strings.NewReplacer(`\\`, `\`, `\'`, `'`).Replace(value)
	}
	return settings
}
