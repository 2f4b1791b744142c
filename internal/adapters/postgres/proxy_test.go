package postgres_test

import (
	"net"
	"net/url"
	"testing"
)

// through returns the database's URL by way of a proxy, which serves each connection with the given function and the
// server's address.
func through(t *testing.T, databaseURL string, serve func(client net.Conn, server string)) string {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	server := u.Host
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go serve(client, server)
		}
	}()
	u.Host = listener.Addr().String()
	return u.String()
}
