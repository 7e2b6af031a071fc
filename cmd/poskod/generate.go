package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"
)

// generateCommand writes what is made from the tree of commands: the manual
// page and the completions.
func generateCommand() *cobra.Command {
	return &cobra.Command{
		Use: "generate DIR", Short: "write the manual page and the completions", Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return generate(cmd.Root(), args[0]) },
	}
}

func generate(root *cobra.Command, dir string) error {
	defer syscall.Umask(syscall.Umask(0o022)) // unlike all else, this is for everybody
	for name, write := range map[string]func(io.Writer) error{
		"man/poskod.8":            func(w io.Writer) error { return manual(w, root) },
		"completions/poskod.bash": func(w io.Writer) error { return root.GenBashCompletionV2(w, true) },
		"completions/poskod.zsh":  root.GenZshCompletion,
		"completions/poskod.fish": func(w io.Writer) error { return root.GenFishCompletion(w, true) },
	} {
		var text bytes.Buffer
		if err := write(&text); err != nil {
			return err
		}
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, text.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return nil
}
