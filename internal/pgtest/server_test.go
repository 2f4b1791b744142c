package pgtest

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"
)

func TestStartTakesTheFirstWayThatWorks(t *testing.T) {
	var tried []string
	open := func(name string, err error) way {
		return way{name, func(context.Context, logf) (*server, error) {
			tried = append(tried, name)
			return newServer(url.URL{Host: name}, nil), err
		}}
	}
	refused := errors.New("pull refused")

	srv, err := start(t.Context(), []way{open("a", refused), open("b", nil), open("c", nil)}, t.Logf)
	if err != nil || srv.url.Host != "b" || strings.Join(tried, "") != "ab" {
		t.Fatalf("server %v, error %v, tried %v", srv, err, tried)
	}
}

func TestStartFailsWithAllReasonsAndAllRemedies(t *testing.T) {
	fails := func(name, reason string) way {
		return way{name, func(context.Context, logf) (*server, error) { return nil, errors.New(reason) }}
	}
	_, err := start(t.Context(), []way{fails("one", "not set"), fails("two", "pull refused")}, t.Logf)
	if err == nil {
		t.Fatal("no error without a server")
	}
	for _, want := range []string{
		"one: not set", "two: pull refused", "TEST_DATABASE_URL", "Docker", "POSTGRES_IMAGE", "initdb",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in:\n%v", want, err)
		}
	}
}

func TestNoServerOutsideMain(t *testing.T) {
	_, err := new(cluster).running(t.Context(), t.Logf)
	if err == nil || !strings.Contains(err.Error(), "TestMain") {
		t.Fatalf("error %v", err)
	}
}
