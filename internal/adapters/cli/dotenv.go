package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/joho/godotenv"

	"github.com/pawldata/pawl/internal/domain"
)

// byteOrderMark begins a file that some editors write.
const byteOrderMark = "\ufeff"

// maxEnvFileBytes bounds what is read of a .env file.
const maxEnvFileBytes = 1 << 20

// addFile puts the variables of a .env file under the environment's own: what is set there stays, be it a secret or the
// file that holds it. A file that nobody named may be missing.
func (e environment) addFile(path string, named bool) error {
	variables, err := readEnvFile(path)
	switch {
	case err == nil:
	case errors.Is(err, fs.ErrNotExist) && !named:
		return nil
	default:
		return err
	}
	for name := range variables {
		if e[name].value != "" || e[otherForm(name)].value != "" {
			delete(variables, name)
		}
	}
	for name, value := range variables {
		e[name] = variable{value, path}
	}
	return nil
}

// otherForm is the other way to give the same secret: itself, or a file that holds it.
func otherForm(name string) string {
	if secret, isFile := strings.CutSuffix(name, "_FILE"); isFile {
		return secret
	}
	return name + "_FILE"
}

func readEnvFile(path string) (map[string]string, error) {
	content, err := readBounded(path, maxEnvFileBytes)
	if err != nil {
		return nil, envFileError(fmt.Errorf("%s cannot be read: %w", path, err))
	}
	variables, err := godotenv.UnmarshalBytes(bytes.TrimPrefix(content, []byte(byteOrderMark)))
	if err != nil { // the parser's error quotes the file, and with it perhaps a secret
		return nil, envFileError(fmt.Errorf("%s is not a file of NAME=value lines", path))
	}
	return variables, nil
}

func envFileError(err error) error {
	return &domain.Error{
		Kind: domain.Invalid, Op: "--env-file", Err: err,
		Hint: "it should look like .env.example",
	}
}

// envFile is the file that the command line names, or the one that is looked for without being named.
func envFile(c *kong.Context) (path string, named bool) {
	for _, flag := range c.Flags() {
		if flag.Name == envFileFlag {
			if path, ok := c.FlagValue(flag).(string); ok && path != "" {
				return path, true
			}
		}
	}
	return ".env", false
}

// envFileFlag is the one knob that says where the others are.
const envFileFlag = "env-file"
