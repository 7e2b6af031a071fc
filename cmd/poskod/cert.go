package main

import (
	"github.com/spf13/cobra"
)

func (p *program) certCommand() *cobra.Command {
	return &cobra.Command{
		Use: "cert", Short: "show the server's certificates", Args: cobra.NoArgs,
		Long: `Shows each certificate that is being served, or would be while the daemon is
down: its names, whether all is well and, if it is not, what to do; where it
comes from, when it ends, and what became of the last try to renew it.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.show(cmd, "", "CERT") },
	}
}
