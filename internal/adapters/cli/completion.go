package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

type completionCommand struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// Help returns the details for `pawl completion --help`. kong calls it.
func (c *completionCommand) Help() string {
	return "Load it in bash or zsh with: source <(pawl completion bash). In fish with: pawl completion fish | source."
}

// toleratesWrongSettings implements settingsTolerant. A shell that starts runs the command in any folder, and the folder's .env may
// be wrong.
func (c *completionCommand) toleratesWrongSettings() {}

// Run executes `pawl completion`. kong calls it.
func (c *completionCommand) Run(s *session, k *kong.Context) error {
	write := writeBashCompletion
	switch c.Shell {
	case "zsh":
		write = writeZshCompletion
	case "fish":
		write = writeFishCompletion
	}
	var script strings.Builder
	write(&script, completionNodes(k.Model.Node, nil))
	_, err := io.WriteString(s.Stdout, script.String())
	return outputError(err)
}

// A completionNode is pawl itself or one of its commands, with the words that can follow it.
type completionNode struct {
	path     []string     // the words of the command, for example dlq and list; empty for pawl itself
	commands []*kong.Node // the direct subcommands
	values   []string     // the possible values of the first argument; empty if any value is possible
	flags    []*kong.Flag // the node's own flags; for pawl itself, the flags that every command takes
}

// completionNodes returns the completionNode of node, followed by those of all commands below node. path is the path of node.
func completionNodes(node *kong.Node, path []string) []completionNode {
	self := completionNode{path: path}
	for _, flag := range node.Flags {
		if !flag.Hidden {
			self.flags = append(self.flags, flag)
		}
	}
	if len(node.Positional) > 0 && node.Positional[0].Enum != "" {
		self.values = node.Positional[0].EnumSlice()
	}
	var below []completionNode
	for _, child := range node.Children {
		if child.Type == kong.CommandNode && !child.Hidden {
			self.commands = append(self.commands, child)
			below = append(below, completionNodes(child, append(slices.Clone(path), child.Name))...)
		}
	}
	return append([]completionNode{self}, below...)
}

// flagValues returns the values that a flag can have, or nil if any value is possible. The values of a command's flag are in its
// tag enum, which kong checks. Those of a setting are in its tag choices, which package settings checks.
func flagValues(flag *kong.Flag) []string {
	if flag.Enum != "" {
		return flag.EnumSlice()
	}
	if choices := flag.Tag.Get("choices"); choices != "" {
		return strings.Split(choices, ",")
	}
	return nil
}

// candidates returns the words that can follow the node's command, separated by spaces. It leaves out the flags that every command
// takes.
func (n completionNode) candidates() string {
	words := slices.Clone(n.values)
	for _, command := range n.commands {
		words = append(words, command.Name)
	}
	if len(n.path) > 0 {
		words = append(words, n.flagNames()...)
	}
	return strings.Join(words, " ")
}

// flagNames returns the names of the node's flags with their dashes.
func (n completionNode) flagNames() (names []string) {
	for _, flag := range n.flags {
		names = append(names, "--"+flag.Name)
	}
	return names
}

// A flagGroup is a set of flags that take the same values.
type flagGroup struct {
	flags  []string // the names with their dashes
	values []string // the possible values; empty if any value is possible
	isFile bool     // the value is the name of a file
}

// groupValueFlags returns the flags of all nodes that take a value, grouped by their possible values. A name that several nodes have
// occurs only once in a group.
func groupValueFlags(nodes []completionNode) (groups []flagGroup) {
	for _, n := range nodes {
		for _, flag := range n.flags {
			if flag.IsBool() {
				continue
			}
			values, isFile, name := flagValues(flag), isFileFlag(flag), "--"+flag.Name
			i := slices.IndexFunc(groups, func(g flagGroup) bool { return slices.Equal(g.values, values) && g.isFile == isFile })
			if i < 0 { // no group has these values yet
				i = len(groups)
				groups = append(groups, flagGroup{values: values, isFile: isFile})
			}
			if !slices.Contains(groups[i].flags, name) {
				groups[i].flags = append(groups[i].flags, name)
			}
		}
	}
	return groups
}

// isFileFlag reports whether the flag's value is the name of a file. The placeholder of such a flag is FILE.
func isFileFlag(flag *kong.Flag) bool { return flag.PlaceHolder == "FILE" }

// valueFlagPattern returns a shell pattern that matches every flag of the groups.
func valueFlagPattern(groups []flagGroup) string {
	var all []string
	for _, g := range groups {
		all = append(all, g.flags...)
	}
	return strings.Join(all, "|")
}

// pathPattern returns a shell pattern that matches the words of the node's command. If the command has no subcommands, the pattern
// also matches these words with arguments after them.
func (n completionNode) pathPattern() string {
	pattern := fmt.Sprintf("%q", strings.Join(n.path, " "))
	if len(n.commands) == 0 {
		pattern += "*"
	}
	return pattern
}

// writeBashCompletion writes a script for bash. nodes[0] is pawl itself. If the word before the cursor is a flag with a value, the
// script offers the values of that flag. Otherwise it finds the command in the words before the cursor, skipping flags and their
// values, and offers the command's candidates. bash passes --flag=value as three words, so the script checks for the word = in each
// step.
func writeBashCompletion(w io.Writer, nodes []completionNode) {
	groups := groupValueFlags(nodes)
	flagsOfAllCommands := strings.Join(nodes[0].flagNames(), " ")
	fmt.Fprintf(w, `# Completes pawl in bash: source <(pawl completion bash)
_pawl() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} path= words= i
	local flags=%q
	if [[ $cur == = ]]; then
		cur=
	elif [[ $prev == = ]]; then
		prev=${COMP_WORDS[COMP_CWORD-2]}
	fi
	COMPREPLY=()
	case $prev in
`, flagsOfAllCommands)
	for _, g := range groups {
		action := ""
		if g.isFile {
			action = `COMPREPLY=($(compgen -f -- "$cur")); `
		} else if len(g.values) > 0 {
			action = fmt.Sprintf(`COMPREPLY=($(compgen -W %q -- "$cur")); `, strings.Join(g.values, " "))
		}
		fmt.Fprintf(w, "\t%s) %sreturn ;;\n", strings.Join(g.flags, "|"), action)
	}
	fmt.Fprintf(w, `	esac
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		%s)
			[[ ${COMP_WORDS[i+1]} == = ]] && ((i++))
			((i++))
			;;
		-*) ;;
		*) path+="${path:+ }${COMP_WORDS[i]}" ;;
		esac
	done
	case $path in
`, valueFlagPattern(groups))
	for _, n := range nodes {
		if words := n.candidates(); words != "" {
			fmt.Fprintf(w, "\t%s) words=%q ;;\n", n.pathPattern(), words)
		}
	}
	fmt.Fprint(w, `	esac
	COMPREPLY=($(compgen -W "$words $flags" -- "$cur"))
}
complete -F _pawl pawl
`)
}

// writeZshCompletion writes a script for zsh. nodes[0] is pawl itself. The script works like that for bash, but zsh passes
// --flag=value as one word. The command compset removes the flag from this word. In the script, %%%% becomes %%.
func writeZshCompletion(w io.Writer, nodes []completionNode) {
	groups := groupValueFlags(nodes)
	flagsOfAllCommands := strings.Join(nodes[0].flagNames(), " ")
	fmt.Fprintf(w, `#compdef pawl
# Completes pawl in zsh: source <(pawl completion zsh)
_pawl() {
	local flag=${words[CURRENT-1]} command_path= i
	local -a flags=(%s)
	if [[ $PREFIX == --*=* ]]; then
		flag=${PREFIX%%%%=*}
		compset -P '*='
	fi
	case $flag in
`, flagsOfAllCommands)
	for _, g := range groups {
		action := ""
		if g.isFile {
			action = "_files; "
		} else if len(g.values) > 0 {
			action = "compadd -- " + strings.Join(g.values, " ") + "; "
		}
		fmt.Fprintf(w, "\t%s) %sreturn ;;\n", strings.Join(g.flags, "|"), action)
	}
	fmt.Fprintf(w, `	esac
	for ((i = 2; i < CURRENT; i++)); do
		case ${words[i]} in
		%s) ((i++)) ;;
		-*) ;;
		*) command_path+="${command_path:+ }${words[i]}" ;;
		esac
	done
	case $command_path in
`, valueFlagPattern(groups))
	for _, n := range nodes {
		if words := n.candidates(); words != "" {
			fmt.Fprintf(w, "\t%s) compadd -- %s ;;\n", n.pathPattern(), words)
		}
	}
	fmt.Fprint(w, `	esac
	compadd -- $flags
}
if [[ $funcstack[1] == _pawl ]]; then
	_pawl "$@"
else
	compdef _pawl pawl
fi
`)
}

// writeFishCompletion writes a script for fish. In such a script each candidate has its own line, with the condition for offering
// it.
func writeFishCompletion(w io.Writer, nodes []completionNode) {
	fmt.Fprint(w, "# Completes pawl in fish: pawl completion fish | source\ncomplete -c pawl -f\n")
	for _, n := range nodes {
		condition := fishCondition(n)
		for _, command := range n.commands {
			fmt.Fprintf(w, "complete -c pawl -n %s -a %s -d %s\n", fishQuote(condition), command.Name, fishQuote(command.Help))
		}
		if len(n.values) > 0 {
			fmt.Fprintf(w, "complete -c pawl -n %s -a %s\n", fishQuote(condition), fishQuote(strings.Join(n.values, " ")))
		}
		if len(n.path) == 0 {
			condition = "true" // every command takes these flags
		}
		for _, flag := range n.flags {
			value := fishValueOptions(flag)
			fmt.Fprintf(w, "complete -c pawl -n %s -l %s%s -d %s\n", fishQuote(condition), flag.Name, value, fishQuote(flag.Help))
		}
	}
}

// fishValueOptions returns the options of fish's command complete that describe the value of a flag. -r says that the flag needs a
// value, and -F offers files. -x says that the flag needs a value and offers only the words of -a.
func fishValueOptions(flag *kong.Flag) string {
	if flag.IsBool() { // the flag takes no value
		return ""
	}
	if isFileFlag(flag) {
		return " -r -F"
	}
	if values := flagValues(flag); len(values) > 0 {
		return " -x -a " + fishQuote(strings.Join(values, " "))
	}
	return " -x"
}

// fishCondition returns fish's test that the words before the cursor contain the node's command and none of its subcommands.
func fishCondition(n completionNode) string {
	if len(n.path) == 0 {
		return "__fish_use_subcommand"
	}
	var tests []string
	for _, name := range n.path {
		tests = append(tests, "__fish_seen_subcommand_from "+name)
	}
	if len(n.commands) > 0 {
		var below []string
		for _, command := range n.commands {
			below = append(below, command.Name)
		}
		tests = append(tests, "not __fish_seen_subcommand_from "+strings.Join(below, " "))
	}
	return strings.Join(tests, "; and ")
}

// fishQuote returns text as a quoted string of fish.
func fishQuote(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(text) + "'"
}
