package datasync_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/pawldata/pawl/internal/adapters/datasync"
	"github.com/pawldata/pawl/internal/domain"
)

// hostileText has control characters that change what a terminal shows, characters that reverse the text after them, a C1 control
// character, and bytes that are not UTF-8.
const hostileText = "\x1b[2J\x1b]0;title\x07\r\u202e\u2066\u009b\x7f\xff\xfe"

// TestFetchPage_CleanErrors checks that no text of the server reaches an error with characters other than printable ASCII, or with the
// API key, or at a length that floods a log.
func TestFetchPage_CleanErrors(t *testing.T) {
	t.Parallel()
	const maxLength = 1000
	const page = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
	body := func(text string) string { return "Content-Length: 1000000\r\n\r\n" + text }
	long := strings.Repeat("x", 60<<10)
	for name, answer := range map[string]string{
		"status line":                "HTTP/1.1 2\x1b0 " + hostileText + apiKey + "\r\n\r\n",
		"no HTTP":                    hostileText + apiKey + "\r\n\r\n",
		"header without a colon":     page + hostileText + apiKey + "\r\n\r\n",
		"long header":                page + long + apiKey + "\r\n\r\n",
		"name of a header":           page + apiKey + "\x1b[2J: x\r\n\r\n",
		"continued header":           page + " \x1b[2J" + apiKey + "\r\n\r\n",
		"length":                     page + "Content-Length: \x1b[2J" + apiKey + "\r\n\r\n",
		"two lengths":                page + "Content-Length: 1\r\nContent-Length: 2" + apiKey + "\r\n\r\n",
		"transfer encoding":          page + "Transfer-Encoding: \x1b[2J" + apiKey + "\r\n\r\n",
		"chunk":                      page + "Transfer-Encoding: chunked\r\n\r\n" + "\x1b[2J" + apiKey + "\r\n",
		"trailer":                    page + "Transfer-Encoding: chunked\r\n\r\n" + "2\r\n{}\r\n0\r\n\x1b[2J" + apiKey + "\r\n\r\n",
		"content encoding":           page + "Content-Encoding: \u009b2J\u202e" + apiKey + "\r\n" + body("{"),
		"reason of a fault":          page + "X-Chaos-Applied: \u009b2J\u202e" + apiKey + "\r\n\r\n{}",
		"request id":                 page + "X-Request-ID: \u009b2J\u202e" + apiKey + "\r\n\r\n{}",
		"request id of an error":     "HTTP/1.1 500 x\r\nX-Request-ID: \u009b2J\u202e" + apiKey + "\r\n\r\n{}",
		"name in the envelope":       page + "\r\n" + `{"` + hostileText + apiKey + `":1,"` + hostileText + apiKey + `":1}`,
		"name beyond an excerpt":     page + "\r\n" + `{"` + long[:25] + apiKey + `":1,"` + long[:25] + apiKey + `":1}`,
		"request id in the envelope": page + "\r\n" + `{"data":null,"meta":{"requestId":"` + hostileText + apiKey + `"}}`,
		"cursor":                     page + "\r\n" + `{"data":[],"hasMore":true,"nextCursor":"` + hostileText + apiKey + `"}`,
		"message of an error":        "HTTP/1.1 400 x\r\n\r\n" + `{"message":"\u001b[2J\r\u202e` + hostileText + apiKey + `"}`,
		"code of an error":           "HTTP/1.1 400 x\r\n\r\n" + `{"code":"\u001b[2J\u009b` + apiKey + `"}`,
		"reason of a status":         "HTTP/1.1 401 " + hostileText + apiKey + "\r\n\r\n",
		"location":                   "HTTP/1.1 302 x\r\nLocation: https://h/\u202e" + apiKey + "/events\r\n\r\n",
		"location with control":      "HTTP/1.1 302 x\r\nLocation: https://h/\u009b2J\u202e" + apiKey + "\r\n\r\n",
		"location's host":            "HTTP/1.1 302 x\r\nLocation: https://\u202eh" + apiKey + "/events\r\n\r\n",
		"long location":              "HTTP/1.1 302 x\r\nLocation: https://h/" + long + "/events\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := newClient(t, func(c *datasync.Config) { c.BaseURL, c.Transport = serveRaw(t, answer), nil })
			_, err := client.FetchPage(t.Context(), domain.PageRequest{})
			checkClean(t, err, maxLength)
		})
	}
	t.Run("certificate", func(t *testing.T) {
		t.Parallel()
		names := []string{"\x1b[2J", apiKey}
		untrusted := &tls.CertificateVerificationError{
			Err: x509.HostnameError{Host: "api.test", Certificate: &x509.Certificate{DNSNames: names}},
		}
		client := newClient(t, func(c *datasync.Config) {
			c.Transport = roundTripFunc(func(*http.Request) (*http.Response, error) { return nil, untrusted })
		})
		_, err := client.FetchPage(t.Context(), domain.PageRequest{})
		checkClean(t, err, maxLength)
		if domain.KindOf(err) != domain.Invalid {
			t.Errorf("got error %v, want Invalid", err)
		}
	})
}

// checkClean checks the text of an error and of its hint.
func checkClean(t *testing.T, err error, maxLength int) {
	t.Helper()
	if err == nil {
		t.Fatal("got no error, want one")
	}
	text := err.Error() + domain.HintOf(err)
	isUnclean := func(r rune) bool { return (r < ' ' || r > '~') && r != '…' }
	if strings.ContainsFunc(text, isUnclean) {
		t.Errorf("got error %q, want printable ASCII only", text)
	}
	if beginningOfKey := apiKey[:10]; strings.Contains(text, beginningOfKey) {
		t.Errorf("got error %q, want it without the API key", text)
	}
	if len(text) > maxLength {
		t.Errorf("got an error of %d bytes, want at most %d", len(text), maxLength)
	}
}

// TestFetchPage_EscapedKey checks that the key does not reach an error if an excerpt or a URL escapes its characters.
func TestFetchPage_EscapedKey(t *testing.T) {
	t.Parallel()
	const key = `k"e\y%/^{}0123456789`
	const encoded = `k"e\\y%/^{}0123456789`
	for name, answer := range map[string]string{
		"message":  "HTTP/1.1 400 x\r\n\r\n" + `{"message":"` + strings.ReplaceAll(encoded, `"`, `\"`) + `"}`,
		"location": "HTTP/1.1 302 x\r\nLocation: https://h/k%22e%5Cy%25%2F%5E%7B%7D0123456789/x\r\n\r\n",
		"header":   "HTTP/1.1 200 OK\r\n" + key + "\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := newClient(t, func(c *datasync.Config) { c.BaseURL, c.APIKey, c.Transport = serveRaw(t, answer), key, nil })
			_, err := client.FetchPage(t.Context(), domain.PageRequest{})
			if err == nil || !strings.Contains(err.Error(), "API") || strings.Contains(err.Error(), "0123456789") {
				t.Errorf("got error %v, want one without the key", err)
			}
		})
	}
}

// serveRaw starts a server that sends these bytes to each connection and closes it. It serves until the test ends.
func serveRaw(t *testing.T, answer string) (baseURL string) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	t.Cleanup(func() {
		_ = listener.Close()
		<-ended
	})
	go func() {
		defer close(ended)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 4096)) // the request, which is shorter
			_, _ = io.WriteString(conn, answer)
			_ = conn.Close()
		}
	}()
	return "http://" + listener.Addr().String()
}
