package main

import (
	"strconv"

	"github.com/spf13/cobra"
)

// named makes a command about one account or group.
func named(verb, short string, run func(cmd *cobra.Command, name string) error) *cobra.Command {
	return &cobra.Command{
		Use: verb + " NAME", Short: short, Args: cobra.ExactArgs(1),
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
	set := named("set", "change the settings of an account", func(cmd *cobra.Command, name string) error {
		admin, err := cmd.Flags().GetBool("admin")
		if err != nil {
			return err
		}
		return p.tell(cmd, "USERSET", name, "admin="+strconv.FormatBool(admin))
	})
	set.Flags().Bool("admin", false, "whether the account may broadcast: --admin=true or --admin=false")
	set.MarkFlagRequired("admin")
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
		listing("list the accounts", func(cmd *cobra.Command) error {
			return p.show(cmd, "NAME\tSTATE\tADMIN\tPRESENCE\tMADE", "USERLIST")
		}),
		named("show", "show an account", func(cmd *cobra.Command, name string) error {
			return p.show(cmd, "", "USERSHOW", name)
		}),
		set,
	)
}

// tellPassword does a command whose last argument is a password.
func (p *program) tellPassword(cmd *cobra.Command, of, verb string, args ...string) error {
	secret, err := password(cmd, of)
	if err != nil {
		return err
	}
	return p.tell(cmd, verb, append(args, secret)...)
}
