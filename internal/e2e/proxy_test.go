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

// A proxy forwards connections between pawl and the API or the database. A test can make it cut and damage them.
type proxy struct {
	t    *testing.T
	toxi *toxiproxy.Proxy
}

// newProxy starts a proxy. It listens until the test ends.
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

// newProxyFor starts a proxy for the server of serverURL. It returns the proxy and the URL that leads through it.
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

// cut closes every connection and accepts new ones at once.
func (p *proxy) cut() {
	p.t.Helper()
	p.stop()
	p.restart()
}

// stop closes every connection and refuses new ones until restart.
func (p *proxy) stop() { p.toxi.Stop() }

// restart accepts connections again after stop.
func (p *proxy) restart() {
	p.t.Helper()
	eventually(p.t, "the proxy listens again", func() bool { return p.toxi.Start() == nil })
}

// dropAnswers withholds from the client everything that the server sends, on every connection, until reset.
func (p *proxy) dropAnswers() {
	p.t.Helper()
	p.addToxic(`{"type": "timeout", "stream": "downstream", "attributes": {"timeout": 0}}`)
}

// limitAnswers closes each connection after the server has sent this many more bytes, until reset.
func (p *proxy) limitAnswers(bytes int) {
	p.t.Helper()
	p.addToxic(fmt.Sprintf(`{"type": "limit_data", "stream": "downstream", "attributes": {"bytes": %d}}`, bytes))
}

// reset forwards everything again. It closes the connections that have lost an answer, since the answer is gone.
func (p *proxy) reset() { p.toxi.Toxics.ResetToxics(p.t.Context()) }

func (p *proxy) addToxic(toxic string) {
	p.t.Helper()
	if _, err := p.toxi.Toxics.AddToxicJson(strings.NewReader(toxic)); err != nil {
		p.t.Fatalf("%s: %v", toxic, err)
	}
}
