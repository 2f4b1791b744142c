package postgres

import (
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pawldata/pawl/internal/adapters/postgres/internal/conn"
)

// libpqNames maps the connection settings that pgx does not store as text to libpq's environment variables.
var libpqNames = map[string]string{
	"channel_binding": "PGCHANNELBINDING", "connect_timeout": "PGCONNECT_TIMEOUT", "krbsrvname": "PGKRBSRVNAME",
	"ssl_max_protocol_version": "PGSSLMAXPROTOCOLVERSION", "ssl_min_protocol_version": "PGSSLMINPROTOCOLVERSION",
	"sslcert": "PGSSLCERT", "sslkey": "PGSSLKEY", "sslmode": "PGSSLMODE", "sslnegotiation": "PGSSLNEGOTIATION",
	"sslrootcert": "PGSSLROOTCERT", "sslsni": "PGSSLSNI", "target_session_attrs": "PGTARGETSESSIONATTRS",
}

// PsqlEnviron returns the database's URL as the environment variables that psql and other programs of libpq read. They include
// the password, which other users could read in an argument. Settings that only pgx knows, such as the size of its pool, are
// left out. A malformed URL is Invalid.
func PsqlEnviron(databaseURL string) ([]string, error) {
	cfg, err := conn.ParseURL(databaseURL, "psql")
	if err != nil {
		return nil, err
	}
	server := cfg.ConnConfig.Config
	hosts, ports := serverAddresses(server)
	environ := []string{"PGHOST=" + hosts, "PGPORT=" + ports}
	for name, value := range map[string]string{"PGUSER": server.User, "PGPASSWORD": server.Password, "PGDATABASE": server.Database} {
		if value != "" {
			environ = append(environ, name+"="+value)
		}
	}
	for name, value := range connectionSettings(databaseURL) {
		if libpq := libpqNames[name]; libpq != "" {
			environ = append(environ, libpq+"="+value)
		}
	}
	if options := sessionOptions(server.RuntimeParams); options != "" {
		environ = append(environ, "PGOPTIONS="+options)
	}
	slices.Sort(environ)
	return environ, nil
}

// serverAddresses returns the hosts and ports of the URL, separated by commas. pgx lists an address twice if it would try it
// with and without TLS.
func serverAddresses(server pgconn.Config) (hosts, ports string) {
	hostList, portList := []string{server.Host}, []string{strconv.Itoa(int(server.Port))}
	for _, other := range server.Fallbacks {
		port := strconv.Itoa(int(other.Port))
		if last := len(hostList) - 1; other.Host != hostList[last] || port != portList[last] {
			hostList, portList = append(hostList, other.Host), append(portList, port)
		}
	}
	return strings.Join(hostList, ","), strings.Join(portList, ",")
}

// sessionOptions returns the parameters of the session as command line options of the server. It leaves out the encoding: psql
// uses that of the terminal.
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

// keyValue matches one setting of libpq's key=value form, whose value may be quoted.
var keyValue = regexp.MustCompile(`(\w+)\s*=\s*('(?:[^'\\]|\\.)*'|\S+)`)

// connectionSettings returns the settings of a URL's query or of the key=value form, by name.
func connectionSettings(databaseURL string) map[string]string {
	settings := map[string]string{}
	if u, err := url.Parse(strings.TrimSpace(databaseURL)); err == nil && strings.HasPrefix(u.Scheme, "postgres") {
		for name, values := range u.Query() {
			settings[name] = values[len(values)-1]
		}
		return settings
	}
	for _, found := range keyValue.FindAllStringSubmatch(databaseURL, -1) {
		value := strings.TrimSuffix(strings.TrimPrefix(found[2], "'"), "'")
		settings[found[1]] = strings.NewReplacer(`\\`, `\`, `\'`, `'`).Replace(value)
	}
	return settings
}
