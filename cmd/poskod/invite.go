package main

import (
	"errors"
	"strconv"
	"time"

	"github.com/spf13/cobra"
)

func (p *program) inviteCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "invite", Short: "make an invitation and print its code", Args: cobra.NoArgs,
		Long: `Make an invitation and print its code, which is kept nowhere. Whoever has it
makes an account with it, in the chat, also while accounts.signup is false:

  SIGNUP NAME PASSWORD CODE`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			uses, err1 := cmd.Flags().GetInt("uses")
			life, err2 := cmd.Flags().GetDuration("expires")
			group, err3 := cmd.Flags().GetString("group")
			if err := errors.Join(err1, err2, err3); err != nil {
				return err
			}
			args := []string{strconv.Itoa(uses), life.String()}
			if group != "" {
				args = append(args, group)
			}
			return p.tell(cmd, "INVITE", args...)
		},
	}
	cmd.Flags().Int("uses", 1, "how many accounts can be made with it")
	cmd.Flags().Duration("expires", 72*time.Hour, "how long it lasts, at most 8760h")
	cmd.Flags().String("group", "", "the accounts join the group `GROUP`")
	cmd.AddCommand(
		listing("list the invitations that have not expired", func(cmd *cobra.Command) error {
			return p.show(cmd, "ID\tLEFT\tUSES\tGROUP\tMADE\tEXPIRES", "INVITELIST")
		}),
		about("ID", "revoke", "end an invitation", func(cmd *cobra.Command, id string) error {
			return p.tell(cmd, "INVITEREVOKE", id)
		}),
	)
	return cmd
}
