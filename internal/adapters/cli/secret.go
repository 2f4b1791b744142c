package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

// maxSecretBytes bounds what is read from a secret's file: it may be anything, a device too.
const maxSecretBytes = 64 << 10

// secret is the value itself or the content of its file, the white space around it cut off: editors end files with a
// newline.
func (c *checker) secret(name, value, file string) string {
	switch {
	case file == "":
		return value
	case value != "":
		c.failNamed(name, fmt.Sprintf("set it or %s_FILE, not both", name))
		return ""
	}
	content, err := readSecret(file)
	if err != nil {
		c.failNamed(name+"_FILE", fmt.Sprintf("it should name a readable file: %v", err))
		return ""
	}
	if content == "" {
		c.failNamed(name+"_FILE", fmt.Sprintf("the file %s is empty", file))
	}
	return content
}

func readSecret(file string) (string, error) {
	f, err := os.Open(file) //nolint:gosec // the user names the file
	if err != nil {
		if cause := errors.Unwrap(err); cause != nil && errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("%s does not exist", file)
		}
		return "", err
	}
	defer f.Close() //nolint:errcheck // it was only read
	content, err := io.ReadAll(io.LimitReader(f, maxSecretBytes+1))
	if err == nil && len(content) > maxSecretBytes {
		err = fmt.Errorf("%s is larger than %d bytes", file, maxSecretBytes)
	}
	return strings.TrimSpace(string(content)), err
}
