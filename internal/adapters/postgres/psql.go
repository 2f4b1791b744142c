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

// libpqVariables maps the name of a connection setting to the environment variable that libpq reads for it. It has only the
// settings that PsqlEnviron must read from the URL, because the configuration that pgx parses does not contain their text.
var libpqVariables = map[string]string{
	"channel_binding": "PGCHANNELBINDING", "connect_timeout": "PGCONNECT_TIMEOUT", "krbsrvname": "PGKRBSRVNAME",
	"ssl_max_protocol_version": "PGSSLMAXPROTOCOLVERSION", "ssl_min_protocol_version": "PGSSLMINPROTOCOLVERSION",
	"sslcert": "PGSSLCERT", "sslkey": "PGSSLKEY", "sslmode": "PGSSLMODE", "sslnegotiation": "PGSSLNEGOTIATION",
	"sslrootcert": "PGSSLROOTCERT", "sslsni": "PGSSLSNI", "target_session_attrs": "PGTARGETSESSIONATTRS",
}

// PsqlEnviron returns the settings of the database's URL as environment variables, for psql and other programs that use libpq.
// The password is one of them, because other users of the machine could see it in the arguments of a command. PsqlEnviron omits
// the settings that only pgx knows, for example the size of its pool. If the URL is malformed, the error's kind is Invalid.
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
		if variable := libpqVariables[name]; variable != "" {
			environ = append(environ, variable+"="+value)
		}
	}
	if options := sessionOptions(server.RuntimeParams); options != "" {
		environ = append(environ, "PGOPTIONS="+options)
	}
	slices.Sort(environ)
	return environ, nil
}

// serverAddresses returns the hosts and ports of the URL, separated by commas. pgx lists an address twice in succession if it
// would try it with TLS and then without TLS. serverAddresses lists such an address once.
func serverAddresses(server pgconn.Config) (hosts, ports string) {
	hostList, portList := []string{server.Host}, []string{strconv.Itoa(int(server.Port))}
	for _, fallback := range server.Fallbacks {
		port := strconv.Itoa(int(fallback.Port))
		last := len(hostList) - 1
		if fallback.Host == hostList[last] && port == portList[last] {
			continue
		}
		hostList = append(hostList, fallback.Host)
		portList = append(portList, port)
	}
	return strings.Join(hostList, ","), strings.Join(portList, ",")
}

// sessionOptions returns the parameters of the session in the form of PGOPTIONS: command line options of the server. It omits
// client_encoding, because psql uses the terminal's encoding. It omits application_name, because psql sets its own.
func sessionOptions(params map[string]string) string {
	var options []string
	for _, name := range slices.Sorted(maps.Keys(params)) {
		switch name {
		case "options":
			options = append(options, params[name])
		case "application_name", "client_encoding": // omitted
		default:
			escaped := strings.NewReplacer(`\`, `\\`, " ", `\ `).Replace(params[name])
			options = append(options, "-c "+name+"="+escaped)
		}
	}
	return strings.Join(options, " ")
}

// keyValue matches one setting in libpq's key=value form. The value may be quoted.
var keyValue = regexp.MustCompile(`(\w+)\s*=\s*('(?:[^'\\]|\\.)*'|\S+)`)

// connectionSettings returns the values of the settings by name. It reads them from the query of a URL, or from the key=value
// form. If a query has a setting twice, the last value counts.
func connectionSettings(databaseURL string) map[string]string {
	settings := map[string]string{}
	if u, err := url.Parse(strings.TrimSpace(databaseURL)); err == nil && strings.HasPrefix(u.Scheme, "postgres") {
		for name, values := range u.Query() {
			settings[name] = values[len(values)-1]
		}
		return settings
	}
	for _, found := range keyValue.FindAllStringSubmatch(databaseURL, -1) {
		name, quoted := found[1], found[2]
		value := strings.TrimSuffix(strings.TrimPrefix(quoted, "'"), "'")
		settings[name] = strings.NewReplacer(`\\`, `\`, `\'`, `'`).Replace(value)
	}
	return settings
}
