//go:build e2e

package e2e

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// A proxy forwards connections between pawl and the API or the database. A test can make the proxy close connections or drop
// answers.
type proxy struct {
	t    *testing.T
	toxi *toxiproxy.Proxy
}

// newProxy starts a proxy in front of the address upstream. It listens until the test ends.
func newProxy(t *testing.T, name, upstream string) *proxy {
	t.Helper()
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	p := &proxy{t, toxiproxy.NewProxy(server, name, "127.0.0.1:0", upstream)}
	if err := p.toxi.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.toxi.Stop)
	return p
}

// newProxyFor starts a proxy in front of the server of serverURL. proxiedURL is serverURL with the proxy's address.
func newProxyFor(t *testing.T, name, serverURL string) (p *proxy, proxiedURL string) {
	t.Helper()
	u, err := url.Parse(serverURL)
	if err != nil {
		t.Fatal(err)
	}
	p = newProxy(t, name, u.Host)
	u.Host = p.toxi.Listen
	return p, u.String()
}

// cut closes every connection. The proxy accepts new connections at once.
func (p *proxy) cut() {
	p.t.Helper()
	p.stop()
	p.restart()
}

// stop closes every connection and refuses new connections until restart is called.
func (p *proxy) stop() { p.toxi.Stop() }

// restart makes the proxy accept connections again after stop.
func (p *proxy) restart() {
	p.t.Helper()
	eventually(p.t, "the proxy listens again", func() bool { return p.toxi.Start() == nil })
}

// dropAnswers drops all data that the server sends, on every connection, until removeFaults is called. In toxiproxy, this is a
// timeout of 0.
func (p *proxy) dropAnswers() {
	p.t.Helper()
	p.addToxic(`{"type": "timeout", "stream": "downstream", "attributes": {"timeout": 0}}`)
}

// limitAnswers closes each connection after it has forwarded this many more bytes of answers, until removeFaults is called.
func (p *proxy) limitAnswers(bytes int) {
	p.t.Helper()
	p.addToxic(fmt.Sprintf(`{"type": "limit_data", "stream": "downstream", "attributes": {"bytes": %d}}`, bytes))
}

// removeFaults ends dropAnswers and limitAnswers. toxiproxy then closes each connection that has lost data.
func (p *proxy) removeFaults() { p.toxi.Toxics.ResetToxics(p.t.Context()) }

func (p *proxy) addToxic(toxic string) {
	p.t.Helper()
	if _, err := p.toxi.Toxics.AddToxicJson(strings.NewReader(toxic)); err != nil {
		p.t.Fatalf("%s: %v", toxic, err)
	}
}
