package conn

import (
	"os"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// variables lists the environment variables that pgx reads in addition to a database URL and whose value can be wrong, each with the
// setting of the URL that replaces it and a valid value.
var variables = []struct{ name, setting, valid string }{ //nolint:gochecknoglobals // a table
	{"PGPORT", "port", "5432"},
	{"PGCONNECT_TIMEOUT", "connect_timeout", "10"},
	{"PGSSLMODE", "sslmode", "verify-ca"}, // a mode with which pgx reads the certificates
	{"PGSSLCERT", "sslcert", "''"},
	{"PGSSLKEY", "sslkey", "''"},
	{"PGSSLCERTMODE", "sslcertmode", "allow"},
	{"PGSSLROOTCERT", "sslrootcert", "''"},
	{"PGSSLNEGOTIATION", "sslnegotiation", "postgres"},
	{"PGTARGETSESSIONATTRS", "target_session_attrs", "any"},
	{"PGMINPROTOCOLVERSION", "min_protocol_version", "3.0"},
	{"PGMAXPROTOCOLVERSION", "max_protocol_version", "3.0"},
	{"PGCHANNELBINDING", "channel_binding", "prefer"},
	{"PGREQUIREAUTH", "require_auth", "''"},
}

// wrongVariable returns the name of an environment variable with a value that makes pgx refuse each URL that does not replace it, as
// databaseURL does not. It returns an empty text if there is none. pgx itself names the setting only in the text of its error.
func wrongVariable(databaseURL string) string {
	isReplaced := func(setting string) bool { return strings.Contains(databaseURL, setting+"=") }
	const service = "PGSERVICE" // no setting can say that there is no service
	if os.Getenv(service) != "" && !isReplaced("service") && !canParse(settingsWithout("")) {
		return service
	}
	for _, v := range variables {
		if _, isSet := os.LookupEnv(v.name); isSet && !isReplaced(v.setting) && !canParse(settingsWithout(v.name)) {
			return v.name
		}
	}
	return ""
}

// settingsWithout returns valid settings that replace all variables except the named one.
func settingsWithout(name string) string {
	settings := []string{"host=127.0.0.1 user=user password=password dbname=database"}
	for _, v := range variables {
		if v.name != name {
			settings = append(settings, v.setting+"="+v.valid)
		}
	}
	return strings.Join(settings, " ")
}

// canParse reports whether pgx can use the settings, together with the environment.
func canParse(settings string) bool {
	_, err := pgconn.ParseConfig(settings)
	return err == nil
}
