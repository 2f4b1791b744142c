package postgres

import (
	"net"
	"strconv"
	"strings"

	"github.com/pawldata/pawl/internal/adapters/postgres/internal/conn"
)

// DatabaseName returns a database URL in words: host:port/database, without the user and the password. It returns an empty text for a
// malformed URL; a connection to it fails and says why.
func DatabaseName(databaseURL string) string {
	cfg, err := conn.ParseURL(databaseURL, "name")
	if err != nil {
		return ""
	}
	server := cfg.ConnConfig.Config
	addresses := []string{serverAddress(server.Host, server.Port)}
	for _, fallback := range server.Fallbacks {
		address := serverAddress(fallback.Host, fallback.Port)
		if address != addresses[len(addresses)-1] { // pgx lists an address twice if it would try it with TLS and without
			addresses = append(addresses, address)
		}
	}
	database := server.Database
	if database == "" { // as libpq does
		database = server.User
	}
	return strings.Join(addresses, ",") + "/" + database
}

// serverAddress returns a host and a port as one text. The host may be the folder of a Unix socket.
func serverAddress(host string, port uint16) string {
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}
