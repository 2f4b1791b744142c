package embeddedpg

import (
	"context"
	"errors"
)

const programsFolder = "programs"

func libraryRepository() (string, error) { return "", errors.New("none") }

func (o setup) fetch(ctx context.Context, h *home, major string, say func(string)) (programs, error) {
	return programs{}, h.op.invalid(errors.New("no PostgreSQL"), "")
}
