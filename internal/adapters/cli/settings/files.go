package settings

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"sort"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/joho/godotenv"

	"github.com/pawldata/pawl/internal/domain"
)

// The maximum sizes of files. A maximum is necessary because the user may name any file, even a device that never ends.
const (
	maxEnvFileBytes = 1 << 20
	maxSecretBytes  = 64 << 10
)

// DefaultEnvFile is the .env file that pawl reads if no flag names another one.
const DefaultEnvFile = ".env"

// envFileFlag is the flag that names the .env file.
const envFileFlag = "env-file"

// envFilePath returns the path of the .env file, and whether the command line names this path.
func envFilePath(c *kong.Context) (path string, isNamed bool) {
	for _, flag := range c.Flags() {
		if flag.Name == envFileFlag {
			if path, ok := c.FlagValue(flag).(string); ok && path != "" {
				return path, true
			}
		}
	}
	return DefaultEnvFile, false
}

// addFile adds the variables of a .env file to e, except those of settings that are set in e. A setting may have several variables: two
// names, or NAME for the value of a secret and NAME_FILE for its file. If one of them is set in e, addFile adds none of them. A missing file is an error only if isNamed is true: the
// command line names the file.
func (e Environment) addFile(path string, isNamed bool) error {
	variables, err := readEnvFile(path)
	if errors.Is(err, fs.ErrNotExist) && !isNamed {
		return nil
	}
	if failure := domain.AsError(err); failure != nil && isNamed {
		failure.Op = "--" + envFileFlag + " " + path
	}
	if err != nil {
		return err
	}
	for name := range variables {
		isSet := func(name string) bool { return e[name].value != "" }
		if slices.ContainsFunc(variablesOf(name), isSet) {
			delete(variables, name)
		}
	}
	for name, value := range variables { // a second loop, so that a file with both NAME and NAME_FILE sets both
		e[name] = variable{value: value, source: path}
	}
	return nil
}

// variablesOf returns all variables of the setting that has this variable.
func variablesOf(name string) []string {
	names := []string{name, otherVariable(name)}
	for _, n := range names[:2] {
		if setting, err := Find(n); err == nil {
			names = append(names, setting.EnvNames...)
		}
	}
	return names
}

// otherVariable returns the other variable for the same secret: NAME_FILE for NAME, and NAME for NAME_FILE.
func otherVariable(name string) string {
	if secret, isFile := strings.CutSuffix(name, "_FILE"); isFile {
		return secret
	}
	return name + "_FILE"
}

// byteOrderMark is a character that some editors write at the beginning of a file.
const byteOrderMark = "\ufeff"

// readEnvFile returns the variables of a .env file by name.
func readEnvFile(path string) (map[string]string, error) {
	content, err := readFile(path, maxEnvFileBytes)
	if err != nil {
		return nil, envFileError(path, fmt.Errorf("it cannot be read: %w", err))
	}
	return parseEnvFile(path, content)
}

// parseEnvFile returns the variables in the content of a .env file by name. The path is only for errors.
func parseEnvFile(path string, content []byte) (map[string]string, error) {
	content = bytes.TrimPrefix(content, []byte(byteOrderMark))
	variables, err := parseEnv(content, 0)
	if err != nil { // err is not wrapped, because it quotes the file and so perhaps a secret
		return nil, envFileError(path, fmt.Errorf("line %d is not NAME=value", wrongLine(content)))
	}
	if line := lineWithDollar(content, variables); line > 0 {
		return nil, envFileError(path, fmt.Errorf("line %d has a $ that is not in single quotes: NAME='value'", line))
	}
	return variables, nil
}

// The texts that parseEnv puts in the place of a $.
const (
	ordinary = "\x00"             // a character that the library leaves as it is
	unset    = "$PAWL_NOT_A_NAME" // a variable that is not set
)

var errNotPair = errors.New("a line has no name, or a NUL")

// parseEnv returns the variables of a .env file by name. The library would replace $NAME in some values, and a password would silently lose
// a part. So it reads an ordinary character in place of each $, and parseEnv puts the $ back. But in the first lines, as many as expanded, it
// reads the name of a variable that is not set: a $ there is missing from the values in which the library replaces variables.
func parseEnv(content []byte, expanded int) (map[string]string, error) {
	var b bytes.Buffer
	n := 0
	for line := range bytes.Lines(content) {
		replacement := ordinary
		if n < expanded {
			replacement = unset
		}
		b.Write(bytes.ReplaceAll(line, []byte("$"), []byte(replacement)))
		n++
	}
	variables, err := godotenv.UnmarshalBytes(b.Bytes())
	_, isNameless := variables[""] // the library accepts a last line without NAME=
	if err == nil && (isNameless || bytes.Contains(content, []byte(ordinary))) {
		err = errNotPair
	}
	if err != nil {
		return nil, err
	}
	dollar := strings.NewReplacer(ordinary, "$", unset, "$")
	for name, value := range variables {
		variables[name] = dollar.Replace(value)
	}
	return variables, nil
}

// wrongLine returns the number of the first line at which a .env file is not valid, from 1. It searches by halves, because the file may be
// long. In a file with values of several lines, it may return one of these lines.
func wrongLine(content []byte) int {
	lines := bytes.SplitAfter(content, []byte("\n"))
	return 1 + sort.Search(len(lines)-1, func(i int) bool {
		_, err := parseEnv(bytes.Join(lines[:i+1], nil), 0)
		return err != nil
	})
}

// lineWithDollar returns the number of the first line with a $ that the library takes for a variable, from 1: it is neither in single quotes
// nor written \$ in double quotes. It returns 0 if there is none. variables are those of the file, with every $ kept.
func lineWithDollar(content []byte, variables map[string]string) int {
	lines := bytes.Count(content, []byte("\n")) + 1
	n := sort.Search(lines+1, func(n int) bool {
		expanded, err := parseEnv(content, n)
		return err != nil || !maps.Equal(expanded, variables)
	})
	if n > lines {
		return 0
	}
	return n
}

func envFileError(path string, err error) error {
	return &domain.Error{
		Kind: domain.Invalid, Code: domain.CodeEnvFileInvalid, Op: path, Err: err, Hint: "`pawl help settings` shows what it may contain",
	}
}

// readSecret returns the content of a file without the white space around it. The file may be empty.
func readSecret(path string) (string, error) {
	content, err := readFile(path, maxSecretBytes)
	return strings.TrimSpace(string(content)), err
}

// readFile returns the content of a file. It is an error if the file is larger than limit bytes.
func readFile(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // the user names the file
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // the file was only read
	content, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(content)) > limit {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, limit)
	}
	return content, nil
}
