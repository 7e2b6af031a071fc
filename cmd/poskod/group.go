package main

import "github.com/spf13/cobra"

func (p *program) groupCommand() *cobra.Command {
	add := withPassword(named("add", "make a group", func(cmd *cobra.Command, name string) error {
		owner, err := cmd.Flags().GetString("owner")
		if err != nil {
			return err
		}
		return p.tellPassword(cmd, name, "GROUPADD", name, owner)
	}))
	add.Flags().String("owner", "", "the account `USER` owns it")
	add.MarkFlagRequired("owner")
	list := listing("list the groups", func(cmd *cobra.Command) error {
		if dropped, err := cmd.Flags().GetBool("dropped"); err != nil {
			return err
		} else if dropped {
			return p.show(cmd, "ID\tNAME\tDROPPED\tKEPT UNTIL", "GROUPDROPPED")
		}
		return p.show(cmd, "NAME\tOWNER\tMEMBERS\tMESSAGES\tMADE", "GROUPLIST")
	})
	list.Flags().Bool("dropped", false, "list the dropped groups that can be restored instead")
	return family("group", "manage groups",
		add,
		withPassword(named("passwd", "change a group's password", func(cmd *cobra.Command, name string) error {
			return p.tellPassword(cmd, name, "GROUPPASSWD", name)
		})),
		list,
		named("show", "show a group: its members, who is banned or muted, and what was done in it lately", func(cmd *cobra.Command, name string) error {
			return p.show(cmd, "", "GROUPSHOW", name)
		}),
		withConfirmation(named("drop", "drop a group; its name is free at once", func(cmd *cobra.Command, name string) error {
			if err := confirm(cmd, "Drop the group "+name+"?"); err != nil {
				return err
			}
			return p.tell(cmd, "GROUPDROP", name)
		})),
		about("ID", "restore", "bring a dropped group back, within files.trash", func(cmd *cobra.Command, id string) error {
			return p.tell(cmd, "GROUPRESTORE", id)
		}),
	)
}
