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
	dir      string    // the temporary folder of the benchmark
	self     string    // the path of this program
	programs []program // pawl of the working tree, and with -against the other revision
	db       *database
}

// workingTree returns pawl of the working tree.
func (b *bench) workingTree() program { return b.programs[0] }

// A program is one build of pawl.
type program struct {
	name, path string
}

// runBenchmark builds the programs, starts PostgreSQL, runs the cases, and writes the result of each case to out. If a case fails, the
// others still run.
func runBenchmark(ctx context.Context, opts options, out io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "pawl-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)                      //nolint:errcheck // a leftover in the temporary folder harms nobody
	if err := os.Chmod(dir, 0o755); err != nil { // if the user is root, PostgreSQL runs as another user
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
	defer func() { err = errors.Join(err, b.db.Close()) }() //nolint:contextcheck // Close must stop the server even if ctx has ended
	if err := b.prepareTemplate(ctx); err != nil {
		return err
	}
	measuredAt, err := describeOrigin(ctx, b.db)
	if err != nil {
		return err
	}
	var errs []error
	for _, c := range opts.cases {
		if ctx.Err() != nil {
			return errors.Join(append(errs, ctx.Err())...)
		}
		errs = append(errs, b.runCase(ctx, c, measuredAt, out))
	}
	return errors.Join(errs...)
}

// runCase runs one case and writes its result to out. With -write, it also writes the result into docs.
func (b *bench) runCase(ctx context.Context, c benchCase, measuredAt origin, out io.Writer) error {
	fmt.Fprintf(os.Stderr, "%s: %s\n", c.name, c.about)
	res := result{Case: c.name, Origin: measuredAt}
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

// build builds mockapi and pawl of the working tree, and with -against also pawl of that revision. It returns the builds of pawl.
func (b *bench) build(ctx context.Context) ([]program, error) {
	if err := command(ctx, ".", "go", "build", "-o", b.dir+"/", "./cmd/pawl", "./cmd/mockapi"); err != nil {
		return nil, err
	}
	programs := []program{{name: pawlName, path: filepath.Join(b.dir, "pawl")}}
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
	return append(programs, program{name: pawlName + " " + b.opts.against, path: path}), nil
}

// prepareTemplate creates the database template, with pawl's schema.
func (b *bench) prepareTemplate(ctx context.Context) error {
	if err := b.db.exec(ctx, "CREATE DATABASE "+template); err != nil {
		return err
	}
	cmd := b.pawlCommand(ctx, b.workingTree(), template, "", "migrate")
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("pawl migrate: %w: %s", err, text)
	}
	return nil
}

// pawlCommand returns a command that runs pawl on a database. It runs without the environment and the .env file of the user.
func (b *bench) pawlCommand(ctx context.Context, p program, db, apiURL string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, p.path, args...)
	cmd.Env = []string{"DATABASE_URL=" + b.db.url(db), "API_BASE_URL=" + apiURL, "API_KEY=" + apiKey}
	cmd.Dir = b.dir // a folder without a .env file
	return cmd
}
