package main

import (
	"strconv"

	"github.com/spf13/cobra"

	"posko/server"
)

// named makes a command about one account or group.
func named(verb, short string, run func(cmd *cobra.Command, name string) error) *cobra.Command {
	return about("NAME", verb, short, run)
}

// about makes a command about one thing, which the argument says.
func about(argument, verb, short string, run func(cmd *cobra.Command, which string) error) *cobra.Command {
	return &cobra.Command{
		Use: verb + " " + argument, Short: short, Args: cobra.ExactArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(cmd *cobra.Command, args []string) error { return run(cmd, args[0]) },
	}
}

// listing makes a command that lists.
func listing(short string, run func(cmd *cobra.Command) error) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: short, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd) },
	}
}

func (p *program) userCommand() *cobra.Command {
	return family("user", "manage accounts",
		withPassword(named("add", "make an account", func(cmd *cobra.Command, name string) error {
			return p.tellPassword(cmd, name, "USERADD", name)
		})),
		withPassword(named("passwd", "change an account's password; its sessions end", func(cmd *cobra.Command, name string) error {
			return p.tellPassword(cmd, name, "USERPASSWD", name)
		})),
		named("disable", "shut an account out; its sessions end", func(cmd *cobra.Command, name string) error {
			return p.tell(cmd, "USERDISABLE", name)
		}),
		named("enable", "let a disabled account in again", func(cmd *cobra.Command, name string) error {
			return p.tell(cmd, "USERENABLE", name)
		}),
		withConfirmation(named("del", "delete an account with its files; its sessions end", func(cmd *cobra.Command, name string) error {
			if err := confirm(cmd, "Delete the account "+name+" and all of its files?"); err != nil {
				return err
			}
			return p.tell(cmd, "USERDEL", name)
		})),
		p.userCertCommand(),
		listing("list the accounts", func(cmd *cobra.Command) error {
			return p.show(cmd, "NAME\tSTATE\tADMIN\tPRESENCE\tMADE", "USERLIST")
		}),
		named("show", "show an account", func(cmd *cobra.Command, name string) error {
			return p.show(cmd, "", "USERSHOW", name)
		}),
		setCommand(p),
	)
}

// settable are the settings of an account, as flags and in the operator's
// protocol.
var settable = []string{"admin", "files", "quota", "rate"}

func setCommand(p *program) *cobra.Command {
	set := named("set", "change settings of an account", func(cmd *cobra.Command, name string) error {
		args := []string{name}
		for _, setting := range settable {
			if f := cmd.Flags().Lookup(setting); f.Changed {
				args = append(args, setting+"="+f.Value.String())
			}
		}
		return p.tell(cmd, "USERSET", args...)
	})
	set.Long = `Changes settings of an account, at once also for its sessions. An upload under
way is refused at its end if the account may not make it any more.

--files=read: the account may read files, and change nothing. --files=upload: it
may read, make directories and store files under new names, but neither replace,
rename nor remove what is there. Both hold in its groups' folders, too.

--quota and --rate are in the place of files.quota and files.rate of the
configuration; the value "default" gives the account those again, 0 is no limit.`
	set.Flags().Bool("admin", false, "whether the account may broadcast: --admin=true or --admin=false")
	set.Flags().String("files", "", "what it may do with files, as `MODE`: full, read or upload")
	set.Flags().Var(new(bound), "quota", "its files may take `SIZE` together, as in 5GiB")
	set.Flags().Var(new(bound), "rate", "its transfers may move `SIZE` a second together, as in 2MiB")
	set.MarkFlagsOneRequired(settable...)
	set.RegisterFlagCompletionFunc("files", cobra.FixedCompletions([]cobra.Completion{"full", "read", "upload"}, cobra.ShellCompDirectiveNoFileComp))
	return set
}

// A bound is the value of a flag: a size, or "default". It is written as the
// operator's protocol takes it.
type bound string

func (b *bound) String() string { return string(*b) }
func (b *bound) Type() string   { return "SIZE" }

func (b *bound) Set(text string) error {
	var size server.Size
	if text != "default" {
		if err := size.UnmarshalText([]byte(text)); err != nil {
			return err
		}
		text = strconv.FormatInt(int64(size), 10)
	}
	*b = bound(text)
	return nil
}

// tellPassword does a command whose last argument is a password.
func (p *program) tellPassword(cmd *cobra.Command, of, verb string, args ...string) error {
	secret, err := password(cmd, of)
	if err != nil {
		return err
	}
	return p.tell(cmd, verb, append(args, secret)...)
}

func (p *program) userCertCommand() *cobra.Command {
	change := func(verb, short, row string) *cobra.Command {
		return &cobra.Command{
			Use: verb + " NAME FINGERPRINT", Short: short, Args: cobra.ExactArgs(2),
			ValidArgsFunction: cobra.NoFileCompletions,
			RunE:              func(cmd *cobra.Command, args []string) error { return p.tell(cmd, row, args...) },
		}
	}
	return family("cert", "manage the client certificates of an account",
		change("add", "bind a certificate to an account, by its SHA-256 fingerprint", "USERCERTADD"),
		change("del", "take a certificate away from an account for good; its sessions end", "USERCERTDEL"),
		named("list", "list an account's certificates", func(cmd *cobra.Command, name string) error {
			return p.show(cmd, "FINGERPRINT\tSTATE\tSINCE", "USERCERTLIST", name)
		}),
	)
}
