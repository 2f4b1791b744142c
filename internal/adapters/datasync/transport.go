package datasync

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
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
	transport.Proxy = func(r *http.Request) (*url.URL, error) {
		proxy, err := http.ProxyFromEnvironment(r)
		if err != nil {
			return nil, errProxy // err repeats the setting, which may have a password
		}
		return proxy, nil
	}
	// Without this function, the error of net/http has only the text that the proxy sent, and not its status.
	transport.OnProxyConnectResponse = func(_ context.Context, _ *url.URL, _ *http.Request, response *http.Response) error {
		if response.StatusCode != http.StatusOK {
			return proxyError(response.StatusCode)
		}
		return nil
	}
	return transport
}
