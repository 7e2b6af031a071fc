// Command poskod is the daemon and the operator's commands. This package owns
// flags, wiring and signals, and decides nothing: what the daemon does is
// server's to know, what the commands mean server/admin's.
package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

//go:generate go run . generate ../../packaging

// Exit statuses.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	// Whatever is written is the operator's own, from the first moment on.
	syscall.Umask(0o077)
	os.Exit(run())
}

func run() int {
	p := &program{}
	root := p.root()
	cmd, err := root.ExecuteC()
	if err == nil {
		return exitOK
	}
	for text := range strings.SplitSeq(err.Error(), "\n") {
		fmt.Fprintln(os.Stderr, "poskod:", text)
	}
	if p.ran {
		return exitFailed
	}
	fmt.Fprintf(os.Stderr, "Try \"%s --help\".\n", cmd.CommandPath())
	return exitUsage
}

// A program is one run of poskod.
type program struct {
	config string // --config
	noACME bool   // --no-acme, of serve
	ran    bool   // the command line was understood
}

// root makes the tree of commands.
func (p *program) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "poskod",
		Short: "chat and file server for a group of people, over TLS",
		Long: `poskod serves chat and files to a group of people: a team, a class, an
organisation. Everything runs over TLS. People connect with any TLS client,
"openssl s_client -quiet" for one; posko-protocol(7) says what they type there.

"poskod serve" is the daemon; it stays in the foreground. The other commands
talk to it over a Unix socket that only root and its own user can open, or work
on its state directory themselves while it is down; as root they first become
the owner of that directory.`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.PersistentFlags().StringVar(&p.config, "config", "",
		"read the configuration from `FILE` (default: /etc/posko/config.toml if it is there, else built-in defaults)")
	root.AddCommand(
		p.serveCommand(), p.checkCommand(), p.userCommand(), p.groupCommand(), p.inviteCommand(),
		p.backupCommand(), p.restoreCommand(), p.acmeCommand(),
		p.certCommand(), p.statusCommand(), versionCommand(), generateCommand(),
	)
	p.watch(root)
	return root
}

// watch notes when a command begins: errors before that are wrong usage.
func (p *program) watch(cmd *cobra.Command) {
	if begin := cmd.RunE; begin != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			p.ran = true
			return begin(cmd, args)
		}
	}
	for _, sub := range cmd.Commands() {
		p.watch(sub)
	}
}

// family makes a command that does nothing by itself.
func family(use, short string, members ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(members...)
	return cmd
}
