package datasync

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

const (
	maxHeaderBytes = 64 << 10
	// maxIdleConnection is how long the transport keeps a connection that no request uses. Load balancers close such a connection after a
	// minute, and a request that is sent at that moment is lost. A window of the rate limit often has that length too.
	maxIdleConnection = 30 * time.Second
)

var errProxy = errors.New("the proxy setting in the environment cannot be used")

// A proxyError is the error of a proxy that opens no connection to the API. Its value is the proxy's HTTP status.
type proxyError int

func (p proxyError) Error() string {
	return fmt.Sprintf("the proxy in the environment opens no connection to the API: HTTP %d %s", int(p), http.StatusText(int(p)))
}

// newTransport returns a copy of http.DefaultTransport, so that later changes to http.DefaultTransport do not affect it.
func newTransport() *http.Transport {
	defaults, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		defaults = &http.Transport{}
	}
	transport := defaults.Clone()
	transport.MaxResponseHeaderBytes = maxHeaderBytes
	transport.IdleConnTimeout = maxIdleConnection
	// The transport does not use HTTP/2: over HTTP/2, net/http sends a request again by itself if the server has refused it, and the
	// governor would not count that request. HTTP/2 is no faster for one request at a time.
	transport.Protocols = &http.Protocols{}
	transport.Protocols.SetHTTP1(true)
	transport.Proxy = proxyFromEnvironment
	// Without this function, the error of net/http has only the text that the proxy sent, and not its status.
	transport.OnProxyConnectResponse = func(_ context.Context, _ *url.URL, _ *http.Request, response *http.Response) error {
		if response.StatusCode != http.StatusOK {
			return proxyError(response.StatusCode)
		}
		return nil
	}
	return transport
}

// proxyFromEnvironment returns the proxy for a request, as http.ProxyFromEnvironment does, or nil if there is none. Its error does not
// repeat the setting, which may have a password.
func proxyFromEnvironment(r *http.Request) (*url.URL, error) {
	proxy, err := http.ProxyFromEnvironment(r)
	if err != nil {
		return nil, errProxy
	}
	// http.ProxyFromEnvironment ignores a setting that it cannot read. Then pawl would go around a proxy that the user wants.
	host := r.URL.Hostname()
	isLocal := host == "localhost" || net.ParseIP(host).IsLoopback() // never reached through a proxy
	name := strings.ToUpper(r.URL.Scheme) + "_PROXY"
	setting := cmp.Or(os.Getenv(name), os.Getenv(strings.ToLower(name)))
	if proxy == nil && !isLocal && isMalformedProxy(setting) {
		return nil, errProxy
	}
	return proxy, nil
}

// isMalformedProxy reports whether http.ProxyFromEnvironment cannot read the setting of a proxy. The setting may be a URL, or a host and
// a port.
func isMalformedProxy(setting string) bool {
	_, errAsURL := url.Parse(setting)
	_, errAsHost := url.Parse("http://" + setting)
	return errAsURL != nil && errAsHost != nil
}
