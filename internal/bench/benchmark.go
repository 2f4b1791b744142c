package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// A bench holds what the cases share.
type bench struct {
	opts     options
	dir      string // everything that is made for the benchmark
	self     string // this program
	programs []program
	db       *database
}

// A program is one build of pawl.
type program struct {
	name, path string
}

// runBenchmark builds the programs, starts PostgreSQL, runs the cases, and prints the result of each. If a case fails, the others
// still run.
func runBenchmark(ctx context.Context, opts options, out io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "pawl-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)                      //nolint:errcheck // a leftover in the temporary folder harms nobody
	if err := os.Chmod(dir, 0o755); err != nil { // PostgreSQL runs as another user if this one is root
		return err
	}
	b := &bench{opts: opts, dir: dir}
	if b.self, err = os.Executable(); err != nil {
		return err
	}
	if b.programs, err = b.build(ctx); err != nil {
		return err
	}
	if b.db, err = startDatabase(ctx, filepath.Join(dir, "postgres")); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.db.Close()) }() //nolint:contextcheck // it must stop the server although ctx has ended
	if err := b.prepareTemplate(ctx); err != nil {
		return err
	}
	at, err := describeOrigin(ctx, b.db)
	if err != nil {
		return err
	}
	var errs []error
	for _, c := range opts.cases {
		if ctx.Err() != nil {
			return errors.Join(append(errs, ctx.Err())...)
		}
		errs = append(errs, b.runCase(ctx, c, at, out))
	}
	return errors.Join(errs...)
}

// runCase runs one case, prints its result and, if the user wants it, writes the result into docs.
func (b *bench) runCase(ctx context.Context, c benchCase, at origin, out io.Writer) error {
	fmt.Fprintf(os.Stderr, "%s: %s\n", c.name, c.about)
	res := result{Case: c.name, Origin: at}
	var err error
	if c.measure != nil {
		res.Figures, err = c.measure(ctx, b)
	} else {
		res.Lines, err = b.compare(ctx, c.workloads(b.opts.events))
	}
	if err != nil {
		return fmt.Errorf("%s: %w", c.name, err)
	}
	fmt.Fprintf(out, "## %s: %s\n\n%s\n", c.name, c.about, formatTables([]result{res}))
	if b.opts.write {
		return writeResult(docsDir, res)
	}
	return nil
}

// build builds mockapi and pawl of the working tree, and pawl of opts.against.
func (b *bench) build(ctx context.Context) ([]program, error) {
	if err := command(ctx, ".", "go", "build", "-o", b.dir+"/", "./cmd/pawl", "./cmd/mockapi"); err != nil {
		return nil, err
	}
	programs := []program{{pawlName, filepath.Join(b.dir, "pawl")}}
	if b.opts.against == "" {
		return programs, nil
	}
	tree := filepath.Join(b.dir, "against")
	if err := command(ctx, ".", "git", "worktree", "add", "--detach", tree, b.opts.against); err != nil {
		return nil, err
	}
	defer command(context.WithoutCancel(ctx), ".", "git", "worktree", "remove", "--force", tree) //nolint:errcheck // git prune removes it
	path := filepath.Join(b.dir, "pawl-against")
	if err := command(ctx, tree, "go", "build", "-o", path, "./cmd/pawl"); err != nil {
		return nil, err
	}
	return append(programs, program{pawlName + " " + b.opts.against, path}), nil
}

// prepareTemplate creates the database that has pawl's schema.
func (b *bench) prepareTemplate(ctx context.Context) error {
	if err := b.db.exec(ctx, "CREATE DATABASE "+template); err != nil {
		return err
	}
	cmd := b.pawlCommand(ctx, b.programs[0], template, "", "migrate")
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("pawl migrate: %w: %s", err, text)
	}
	return nil
}

// pawlCommand returns a command that runs pawl on a database. Settings of the user do not reach it.
func (b *bench) pawlCommand(ctx context.Context, p program, db, apiURL string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, p.path, args...)
	cmd.Env = []string{"DATABASE_URL=" + b.db.url(db), "API_BASE_URL=" + apiURL, "API_KEY=" + apiKey}
	cmd.Dir = b.dir // it has no .env
	return cmd
}
