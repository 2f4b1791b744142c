package cli

import (
	"fmt"
	"io"
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
	content, err := readBounded(file, maxSecretBytes)
	return strings.TrimSpace(string(content)), err
}

// readBounded reads a file whole, or not at all if it is larger than most bytes.
func readBounded(file string, most int64) ([]byte, error) {
	f, err := os.Open(file) //nolint:gosec // the user names the file
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	content, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(content)) > most {
		err = fmt.Errorf("%s is larger than %d bytes", file, most)
	}
	return content, err
}
