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

// A proxy stands between pawl and one of its neighbours. It lets everything through until it is told otherwise.
type proxy struct {
	t    *testing.T
	toxi *toxiproxy.Proxy
}

// newProxy listens until the test ends.
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

// inFrontOf puts a proxy before the server of a URL and gives the URL that leads through it.
func newProxyFor(t *testing.T, name, serverURL string) (p *proxy, through string) {
	t.Helper()
	u, err := url.Parse(serverURL)
	if err != nil {
		t.Fatal(err)
	}
	p = newProxy(t, name, u.Host)
	u.Host = p.toxi.Listen
	return p, u.String()
}

// cut ends every connection; new ones are taken again at once.
func (p *proxy) cut() {
	p.t.Helper()
	p.stop()
	p.restart()
}

// leave ends every connection and refuses new ones until comeBack.
func (p *proxy) stop() { p.toxi.Stop() }

func (p *proxy) restart() {
	p.t.Helper()
	eventually(p.t, "the proxy listens again", func() bool { return p.toxi.Start() == nil })
}

// swallowAnswers keeps what the server sends from the client, on every connection, until heal.
func (p *proxy) dropAnswers() {
	p.t.Helper()
	p.addToxic(`{"type": "timeout", "stream": "downstream", "attributes": {"timeout": 0}}`)
}

// limitAnswers ends each connection after so many more bytes from the server, until heal.
func (p *proxy) limitAnswers(bytes int) {
	p.t.Helper()
	p.addToxic(fmt.Sprintf(`{"type": "limit_data", "stream": "downstream", "attributes": {"bytes": %d}}`, bytes))
}

// heal lets everything through again, but ends the connections that have lost an answer: it cannot be given back.
func (p *proxy) reset() { p.toxi.Toxics.ResetToxics(p.t.Context()) }

func (p *proxy) addToxic(toxic string) {
	p.t.Helper()
	if _, err := p.toxi.Toxics.AddToxicJson(strings.NewReader(toxic)); err != nil {
		p.t.Fatalf("%s: %v", toxic, err)
	}
}
