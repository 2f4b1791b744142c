package pgtest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5"
)

// pristine is the template that nobody can have connected to or changed.
const pristine = "template0"

const (
	namePrefix = "pawl_test_"
	nameTime   = "20060102t150405" // sorts as text
)

// newPrefix names this process's databases: when they were made, for whoever finds them left over, and a random part,
// because test processes share a server.
func newPrefix() string {
	random := make([]byte, 4)
	_, _ = rand.Read(random) // never fails, as documented
	return namePrefix + time.Now().UTC().Format(nameTime) + "_" + hex.EncodeToString(random)
}

func (s *server) create(ctx context.Context, template string) (string, error) {
	name := fmt.Sprintf("%s_%d", s.prefix, s.count.Add(1))
	stmt := "CREATE DATABASE " + pgx.Identifier{name}.Sanitize() + " TEMPLATE " + pgx.Identifier{template}.Sanitize()
	if template == pristine {
		stmt += " ENCODING 'UTF8'"
	}
	return name, s.exec(ctx, stmt)
}

func (s *server) drop(ctx context.Context, name string) error {
	return s.exec(ctx, "DROP DATABASE IF EXISTS "+pgx.Identifier{name}.Sanitize()+" WITH (FORCE)")
}

func (s *server) databaseURL(name string) string {
	u := s.url
	u.Path = "/" + name
	query := u.Query()
	query.Del("dbname") // either would win over the path
	query.Del("database")
	u.RawQuery = query.Encode()
	return u.String()
}

// exec uses a connection of its own: a pool would leave goroutines behind for leak checks to find.
func (s *server) exec(ctx context.Context, stmt string) error {
	return withConn(ctx, s.url, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, stmt)
		return err
	})
}

func withConn(ctx context.Context, u url.URL, do func(*pgx.Conn) error) error {
	conn, err := pgx.Connect(ctx, u.String())
	if err != nil {
		return err
	}
	return errors.Join(do(conn), conn.Close(ctx))
}
