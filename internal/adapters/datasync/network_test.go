package datasync_test

import (
	"compress/flate"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/pawldata/pawl/internal/adapters/datasync"
	"github.com/pawldata/pawl/internal/domain"
)

func TestNetworkErrors(t *testing.T) {
	t.Parallel()
	dial := func(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Err: err} }
	tests := []struct {
		name string
		err  error
		want domain.Kind
		hint string
	}{
		{"refused", dial(os.NewSyscallError("connect", syscall.ECONNREFUSED)), domain.Transient, ""},
		{"reset", &net.OpError{Op: "read", Err: syscall.ECONNRESET}, domain.Transient, ""},
		{"closed without a word", io.EOF, domain.Transient, ""},
		{"cut", io.ErrUnexpectedEOF, domain.Transient, ""},
		{"broken pipe", syscall.EPIPE, domain.Transient, ""},
		{"a timeout below", dial(os.ErrDeadlineExceeded), domain.Transient, ""},
		{"a deadline of somebody else's", context.DeadlineExceeded, domain.Transient, ""},
		{"a name server that fails", dial(&net.DNSError{Err: "server misbehaving", Name: "api.test", IsTemporary: true}), domain.Transient, ""},
		{"a host nobody knows", dial(&net.DNSError{Err: "no such host", Name: "api.test", IsNotFound: true}), domain.Transient, "API_BASE_URL"},
		{"an unknown authority", &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}, domain.Invalid, "certificate"},
		{"another host's certificate", fmt.Errorf("x: %w", &tls.CertificateVerificationError{Err: x509.HostnameError{Host: "h", Certificate: &x509.Certificate{}}}), domain.Invalid, "API_BASE_URL"},
		{"plain HTTP behind https", tls.RecordHeaderError{RecordHeader: [5]byte([]byte("HTTP/"))}, domain.Invalid, "http://"},
		{"neither TLS nor HTTP", tls.RecordHeaderError{RecordHeader: [5]byte([]byte("SSH-2"))}, domain.Transient, ""},
		{"corrupt gzip", gzip.ErrChecksum, domain.BadPage, ""},
		{"no gzip", gzip.ErrHeader, domain.BadPage, ""},
		{"corrupt deflate", flate.CorruptInputError(7), domain.BadPage, ""},
		{"anything else", errors.New("malformed HTTP response"), domain.Transient, ""},
		{"an error that tells the key", fmt.Errorf("bad header X-API-Key: %s", key), domain.Transient, ""},
	}
	for _, tt := range tests {
		for place, trip := range map[string]roundTrip{
			"on the way there": func(*http.Request) (*http.Response, error) { return nil, tt.err },
			"in the body": func(*http.Request) (*http.Response, error) {
				body := io.MultiReader(strings.NewReader(`{"data":`), readerFunc(func([]byte) (int, error) { return 0, notEOF(tt.err) }))
				return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(body), ContentLength: -1}, nil
			},
		} {
			t.Run(tt.name+" "+place, func(t *testing.T) {
				t.Parallel()
				client := newClient(t, func(c *datasync.Config) { c.Transport = trip })
				_, err := client.FetchPage(t.Context(), domain.PageRequest{Cursor: "asked"})
				failure := domain.AsError(err)
				if failure == nil || failure.Kind != tt.want || failure.Unsent || !strings.Contains(failure.Hint, tt.hint) {
					t.Fatalf("%v, hint %q, want %s", err, domain.HintOf(err), tt.want)
				}
				if tt.hint == "" && failure.Hint != "" {
					t.Errorf("hint %q", failure.Hint)
				}
				if strings.Contains(err.Error(), key) || strings.Contains(err.Error(), "asked") || !strings.Contains(err.Error(), "/events") {
					t.Errorf("error %q", err)
				}
			})
		}
	}
}

// notEOF is err as a body gives it: there io.EOF is the regular end.
func notEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
