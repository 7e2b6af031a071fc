package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"posko"
)

func (p *program) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "show how the daemon does; fails if it is down", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := p.load()
			if s.socket == "" {
				return err
			}
			answer, err := ask(s.socket, "STATUS")
			if err != nil {
				return err
			}
			return table(cmd, "", answer.Rows)
		},
	}
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "print the version", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), "poskod", posko.Version)
			return err
		},
	}
}
