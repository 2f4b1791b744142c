package postgres_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// startProxy starts a proxy and returns the database's URL through it. serve is called for each connection, with the address of
// the database server.
func startProxy(t *testing.T, databaseURL string, serve func(client net.Conn, server string)) string {
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

// servePooler behaves like a connection pooler: it reports a process id that is not the server's.
func servePooler(client net.Conn, target string) {
	server, err := (&net.Dialer{}).Dial("tcp", target)
	if err != nil {
		_ = client.Close()
		return
	}
	go func() {
		_, _ = io.Copy(server, client)
		_ = server.Close()
	}()
	defer client.Close() //nolint:errcheck // a test's connection
	buf := make([]byte, 64<<10)
	for {
		n, err := server.Read(buf)
		// BackendKeyData: 'K', length 12, process id, secret.
		if start := strings.Index(string(buf[:n]), "K\x00\x00\x00\x0c"); start >= 0 && start+9 <= n {
			buf[start+8] ^= 0xff
		}
		if _, werr := client.Write(buf[:n]); err != nil || werr != nil {
			return
		}
	}
}

// A commitCutter is a proxy that cuts the connection at the next COMMIT: before the server receives it, or, with delivers,
// after the server has carried it out and before the client receives the answer.
type commitCutter struct {
	armed    atomic.Bool
	delivers bool // the COMMIT itself, not its answer
}

func (c *commitCutter) serve(client net.Conn, target string) {
	defer client.Close() //nolint:errcheck // a test's connection
	server, err := (&net.Dialer{}).Dial("tcp", target)
	if err != nil {
		return
	}
	defer server.Close() //nolint:errcheck // a test's connection
	answers := make(chan struct{})
	var swallowAnswer atomic.Bool
	go func() {
		defer client.Close() //nolint:errcheck // the server hung up, or is cut off
		defer close(answers)
		buf := make([]byte, 64<<10)
		for {
			n, err := server.Read(buf)
			if n > 0 && !swallowAnswer.Load() {
				_, err = client.Write(buf[:n])
			}
			if err != nil || (n > 0 && swallowAnswer.Load()) { // the server has carried out the COMMIT
				return
			}
		}
	}()
	buf := make([]byte, 64<<10)
	for {
		n, err := client.Read(buf)
		if err != nil {
			return
		}
		cut := bytes.Contains(buf[:n], []byte("commit\x00")) && c.armed.CompareAndSwap(true, false)
		if cut && !c.delivers {
			return
		}
		swallowAnswer.Store(cut)
		if _, err := io.Copy(server, bytes.NewReader(buf[:n])); err != nil {
			return
		}
		if cut {
			<-answers
			return
		}
	}
}

// serveDistant passes on each chunk after a delay, as if the server was in another region, and counts what the client sends.
func serveDistant(oneWay time.Duration, count *requestCounter) func(client net.Conn, target string) {
	return func(client net.Conn, target string) {
		server, err := (&net.Dialer{}).Dial("tcp", target)
		if err != nil {
			_ = client.Close()
			return
		}
		reader, writer := io.Pipe()
		go count.read(reader)
		go func() {
			copyDelayed(server, io.TeeReader(client, writer), oneWay)
			_ = writer.Close()
		}()
		copyDelayed(client, server, oneWay)
	}
}

func copyDelayed(to io.WriteCloser, from io.Reader, delay time.Duration) {
	type chunk struct {
		bytes []byte
		due   time.Time
	}
	chunks := make(chan chunk, 10_000)
	go func() {
		defer to.Close() //nolint:errcheck // a test's connection
		for c := range chunks {
			<-time.After(time.Until(c.due)) // the delay of the network
			if _, err := to.Write(c.bytes); err != nil {
				return
			}
		}
	}()
	defer close(chunks)
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		chunks <- chunk{append([]byte(nil), buf[:n]...), time.Now().Add(delay)}
	}
}

// A requestCounter counts what clients send to the server. The statements of a pipeline take one round trip.
type requestCounter struct{ statements, roundTrips atomic.Int64 }

// read counts the messages of one connection until it ends.
func (c *requestCounter) read(client *io.PipeReader) {
	defer func() { _, _ = io.Copy(io.Discard, client) }() // pass the rest on without counting
	backend := pgproto3.NewBackend(client, io.Discard)
	for started := false; !started; {
		message, err := backend.ReceiveStartupMessage()
		if err != nil {
			return
		}
		_, started = message.(*pgproto3.StartupMessage)
	}
	if backend.SetAuthType(pgproto3.AuthTypeGSS) != nil { // lets the answers to an authentication request be any bytes
		return
	}
	for {
		message, err := backend.Receive()
		if err != nil {
			return
		}
		switch m := message.(type) {
		case *pgproto3.Query:
			c.statements.Add(1)
			c.roundTrips.Add(1)
		case *pgproto3.Execute:
			c.statements.Add(1)
		case *pgproto3.Bind: // of a prepared statement
			if m.PreparedStatement != "" {
				c.roundTrips.Add(1)
			}
		case *pgproto3.Describe: // of a Prepare; one without a name precedes a pipeline, which takes a round trip too
			if m.ObjectType == 'S' {
				c.roundTrips.Add(1)
			}
			if m.ObjectType == 'S' && m.Name == "" {
				c.roundTrips.Add(1)
			}
		}
	}
}

func (c *requestCounter) reset() {
	c.statements.Store(0)
	c.roundTrips.Store(0)
}

func (c *requestCounter) String() string {
	return fmt.Sprintf("%d statements in %d round trips", c.statements.Load(), c.roundTrips.Load())
}
