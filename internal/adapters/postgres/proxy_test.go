package postgres_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/url"
	"regexp"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// startProxy starts a proxy before the database server and returns the URL of the database through the proxy. The proxy calls
// serve for each connection of a client, with the address of the server. The proxy stops when the test ends.
func startProxy(t *testing.T, databaseURL string, serve func(client net.Conn, serverAddress string)) string {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	serverAddress := u.Host
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
			go serve(client, serverAddress)
		}
	}()
	u.Host = listener.Addr().String()
	return u.String()
}

// servePooler behaves like a connection pooler in one respect. The process id that the client gets at the start of a connection
// differs from the process id in the server.
func servePooler(client net.Conn, serverAddress string) {
	server, err := (&net.Dialer{}).Dial("tcp", serverAddress)
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
		// The message BackendKeyData has the type 'K', four bytes with its length 12, four bytes with the process id, and the secret.
		const beforeProcessID, processIDSize = "K\x00\x00\x00\x0c", 4
		start := bytes.Index(buf[:n], []byte(beforeProcessID))
		endOfProcessID := start + len(beforeProcessID) + processIDSize
		if start >= 0 && endOfProcessID <= n {
			buf[endOfProcessID-1] ^= 0xff // changes its last byte
		}
		if _, writeErr := client.Write(buf[:n]); err != nil || writeErr != nil {
			return
		}
	}
}

// A commitCutter is a proxy that cuts the connection once: at the next COMMIT after armed was set. If delivers is false, it cuts
// before the server receives the COMMIT. If delivers is true, it cuts after the server has carried out the COMMIT and before the client
// receives the answer.
type commitCutter struct {
	armed    atomic.Bool
	delivers atomic.Bool // whether the server receives the COMMIT
}

// serve serves one connection, see startProxy.
func (c *commitCutter) serve(client net.Conn, serverAddress string) {
	defer client.Close() //nolint:errcheck // a test's connection
	server, err := (&net.Dialer{}).Dial("tcp", serverAddress)
	if err != nil {
		return
	}
	defer server.Close() //nolint:errcheck // a test's connection
	answersEnded := make(chan struct{})
	var dropsAnswer atomic.Bool
	go func() { // copies the answers of the server to the client
		defer client.Close() //nolint:errcheck // a test's connection
		defer close(answersEnded)
		buf := make([]byte, 64<<10)
		for {
			n, err := server.Read(buf)
			if n > 0 && dropsAnswer.Load() { // this is the answer to COMMIT
				return
			}
			if n > 0 {
				_, err = client.Write(buf[:n])
			}
			if err != nil {
				return
			}
		}
	}()
	var names commitNames
	buf := make([]byte, 64<<10)
	for {
		n, err := client.Read(buf)
		if err != nil {
			return
		}
		cutsHere := names.hasCommit(buf[:n]) && c.armed.CompareAndSwap(true, false)
		if cutsHere && !c.delivers.Load() {
			return
		}
		dropsAnswer.Store(cutsHere)
		if _, err := io.Copy(server, bytes.NewReader(buf[:n])); err != nil {
			return
		}
		if cutsHere {
			<-answersEnded
			return
		}
	}
}

// commitNames are the names under which a client has prepared the statement COMMIT.
type commitNames []string

// hasCommit reports whether the messages execute COMMIT. It remembers the name if they prepare it.
func (names *commitNames) hasCommit(messages []byte) bool {
	// The message of a simple query has the type 'Q', four bytes with its length 11, and the query.
	if bytes.Contains(messages, []byte("Q\x00\x00\x00\x0bcommit\x00")) {
		return true
	}
	for _, name := range *names {
		// The message Bind contains the name after the name of the portal, which is empty. Each name ends with a NUL.
		if bytes.Contains(messages, []byte("\x00"+name+"\x00")) {
			return true
		}
	}
	// The message Parse prepares a statement. It contains the name and the query.
	for _, parse := range regexp.MustCompile("(stmtcache_[0-9a-f]+)\x00commit\x00").FindAllSubmatch(messages, -1) {
		*names = append(*names, string(parse[1]))
	}
	return false
}

// serveDistant returns a function for startProxy. The proxy delays all data by oneWay in each direction, as if the server was in
// another region. count counts the requests of the client.
func serveDistant(oneWay time.Duration, count *requestCounter) func(client net.Conn, serverAddress string) {
	return func(client net.Conn, serverAddress string) {
		server, err := (&net.Dialer{}).Dial("tcp", serverAddress)
		if err != nil {
			_ = client.Close()
			return
		}
		counted, copyForCount := io.Pipe()
		go count.read(counted)
		go func() {
			copyDelayed(server, io.TeeReader(client, copyForCount), oneWay)
			_ = copyForCount.Close()
		}()
		copyDelayed(client, server, oneWay)
	}
}

// copyDelayed copies data until a read or a write fails, and closes the target. It writes each chunk after the delay and reads the
// next chunks meanwhile.
func copyDelayed(target io.WriteCloser, source io.Reader, delay time.Duration) {
	type chunk struct {
		bytes []byte
		due   time.Time
	}
	const maxWaitingChunks = 10_000
	chunks := make(chan chunk, maxWaitingChunks)
	go func() {
		defer target.Close() //nolint:errcheck // a test's connection
		for c := range chunks {
			<-time.After(time.Until(c.due)) // the delay of the network
			if _, err := target.Write(c.bytes); err != nil {
				return
			}
		}
	}()
	defer close(chunks)
	buf := make([]byte, 64<<10)
	for {
		n, err := source.Read(buf)
		if err != nil {
			return
		}
		chunks <- chunk{append([]byte(nil), buf[:n]...), time.Now().Add(delay)}
	}
}

// A requestCounter counts the statements that clients send to the server, and the round trips that these statements take.
type requestCounter struct{ statements, roundTrips atomic.Int64 }

// read counts the messages of one connection until the connection ends. It knows how pgx uses the protocol:
//   - A simple query takes one round trip.
//   - Statements with names that end with one Sync take one round trip.
//   - bisection.try prepares a statement without a name in one round trip. Its pipeline takes another one, however many Syncs it has.
func (c *requestCounter) read(client *io.PipeReader) {
	defer func() { _, _ = io.Copy(io.Discard, client) }() // if read returns early, the writer of the pipe must not wait
	backend := pgproto3.NewBackend(client, io.Discard)
	for started := false; !started; { // a request for TLS may come before the startup message
		message, err := backend.ReceiveStartupMessage()
		if err != nil {
			return
		}
		_, started = message.(*pgproto3.StartupMessage)
	}
	// With this type the backend accepts any bytes as the client's answers to the authentication requests.
	if backend.SetAuthType(pgproto3.AuthTypeGSS) != nil {
		return
	}
	usesNames := false // the messages since the last Sync use statements with names
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
		case *pgproto3.Bind:
			usesNames = usesNames || m.PreparedStatement != ""
		case *pgproto3.Describe:
			const preparedStatement = 'S'
			if m.ObjectType != preparedStatement {
				continue
			}
			if m.Name == "" {
				c.roundTrips.Add(2) // for the preparation and for the pipeline
			} else {
				usesNames = true
			}
		case *pgproto3.Sync:
			if usesNames {
				c.roundTrips.Add(1)
			}
			usesNames = false
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
