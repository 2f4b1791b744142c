package mockapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"time"
)

// A Service is a mock that listens.
type Service struct {
	URL string // the beginning of all URLs, without a final slash
	// Stop ends the service and waits for the end. It interrupts responses that last longer than five seconds.
	Stop func()
}

// Serve listens on an address and serves api until Stop is called. When ctx ends, the responses that wait for their latency, a journal
// entry or a fault end at once. Serve writes the errors of connections to errorLog.
func Serve(ctx context.Context, api http.Handler, address string, errorLog io.Writer) (Service, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return Service{}, err
	}
	requestCtx, cancelRequests := context.WithCancel(ctx)
	// There is no ReadTimeout, because it would end a long poll of the journal. There is no WriteTimeout, because a Server sets a
	// deadline for each response.
	server := &http.Server{
		Handler:           api,
		BaseContext:       func(net.Listener) context.Context { return requestCtx },
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          log.New(errorLog, "mockapi: ", 0),
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	stop := func() {
		cancelRequests()
		const grace = 5 * time.Second
		shutdownCtx, cancelShutdown := context.WithTimeout(context.WithoutCancel(ctx), grace) // ctx may have ended
		defer cancelShutdown()
		if server.Shutdown(shutdownCtx) != nil { // a response lasts longer than grace
			_ = server.Close()
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			_, _ = fmt.Fprintf(errorLog, "mockapi: %v\n", err)
		}
	}
	return Service{URL: "http://" + connectAddress(listener.Addr()), Stop: stop}, nil
}

// connectAddress returns the address to which a client connects. This is addr, but with the host 127.0.0.1 if the service
// listens on all interfaces.
func connectAddress(addr net.Addr) string {
	if tcp, ok := addr.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		return net.JoinHostPort("127.0.0.1", strconv.Itoa(tcp.Port))
	}
	return addr.String()
}
