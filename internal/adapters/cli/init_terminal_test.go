package cli_test

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/adapters/cli"
)

// A dialogue answers the questions that pawl asks on a terminal.
type dialogue struct {
	t      *testing.T
	master *os.File
	shown  bytes.Buffer // what the terminal has shown
	seen   int          // how much of shown is before the end of the last question
}

// answer waits until the terminal shows the question, and then types the answer.
func (d *dialogue) answer(question, answer string) {
	d.t.Helper()
	const patience = 20 * time.Second
	if err := d.master.SetReadDeadline(time.Now().Add(patience)); err != nil {
		d.t.Fatal(err)
	}
	buffer := make([]byte, 4096)
	for !bytes.Contains(d.shown.Bytes()[d.seen:], []byte(question)) {
		n, err := d.master.Read(buffer)
		if err != nil {
			d.t.Fatalf("waiting for %q: %v after %q", question, err, d.shown.String())
		}
		d.shown.Write(buffer[:n])
	}
	d.seen += bytes.Index(d.shown.Bytes()[d.seen:], []byte(question)) + len(question)
	if _, err := d.master.WriteString(answer); err != nil {
		d.t.Fatal(err)
	}
}

// startInit starts `pawl init` on a terminal. end waits until it ends, and returns its exit code and its output.
func startInit(ctx context.Context, t *testing.T, environ ...string) (d *dialogue, end func() (int, string)) {
	t.Helper()
	t.Chdir(t.TempDir())
	master, slave := openTerminal(t)
	ended := make(chan int, 1)
	var stdout bytes.Buffer
	go func() {
		process := cli.Process{Args: []string{"init"}, Environ: environ, Stdin: slave, Stdout: &stdout, Stderr: slave}
		ended <- cli.Main(ctx, process, newInitWiring(t, newInitPage(unchanged)))
	}()
	d = &dialogue{t: t, master: master}
	return d, func() (int, string) {
		code := <-ended
		d.shown.WriteString(readTerminal(t, master, slave))
		return code, stdout.String()
	}
}

// TestInit_Terminal checks the questions on a terminal: what was wrong is asked again, the key is not shown, and return keeps a value.
func TestInit_Terminal(t *testing.T) {
	d, end := startInit(t.Context(), t, "API_BASE_URL=https://api.example/v1")
	d.answer("API's base URL, like https://host/api/v1 [https://api.example/v1]: ", "https://new.example/v1\n")
	d.answer("API's key (it is not shown): ", "wrong-key\n")
	d.answer("pawl: fetch page: refused", "")
	d.answer("[https://new.example/v1]: ", "\n")
	d.answer("API's key (it is not shown) [********]: ", initKey+"\n")
	d.answer("embedded:DIR [embedded:.pawl/data]: ", "postgres://other/db\n")
	d.answer("pawl: connect: no server", "")
	d.answer("[postgres://other/db]: ", initDatabase+"\n")
	code, stdout := end()
	if code != cli.ExitDone || !strings.Contains(stdout, "about 19 min") {
		t.Errorf("got exit %d and output %s, want 0 and the time", code, stdout)
	}
	shown := d.shown.String()
	if strings.Contains(shown, "-key\r") {
		t.Errorf("the terminal shows the key: %q", shown)
	}
	if want := "the environment has API_BASE_URL with another value"; !strings.Contains(shown, want) {
		t.Errorf("the terminal shows %q, want %q in it", shown, want)
	}
	checkEnvFile(t, []string{"API_BASE_URL=https://new.example/v1", "API_KEY=" + initKey, "DATABASE_URL=" + initDatabase})
}

// TestInit_EndOfInput checks that the end of the input ends the questions.
func TestInit_EndOfInput(t *testing.T) {
	d, end := startInit(t.Context(), t)
	d.answer("base URL", "\x04")
	if code, _ := end(); code != cli.ExitSettings || !strings.Contains(d.shown.String(), "the input has ended") {
		t.Errorf("got exit %d and %q, want exit %d and the reason", code, d.shown.String(), cli.ExitSettings)
	}
}

// TestInit_Stopped checks that a signal ends the question for the key at once, and that the terminal then shows again what the user types.
func TestInit_Stopped(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	d, end := startInit(ctx, t)
	d.answer("base URL", "https://api.example/v1\n")
	d.answer("not shown", "")
	stop()
	code, _ := end()
	if code != cli.ExitAgain || !strings.Contains(d.shown.String(), "it has written no .env") {
		t.Errorf("got exit %d and %q, want exit %d and that nothing is written", code, d.shown.String(), cli.ExitAgain)
	}
	d.answer("", "typed later\n")
	d.answer("typed later\r\n", "")
	checkEnvFile(t, nil)
}
