package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// maxPasswordLine bounds what --stdin reads, in bytes: longer ones are refused
// in any case.
const maxPasswordLine = 1024

var (
	errNoTerminal = errors.New("standard input is no terminal: add --stdin to read the password from it")
	errNoPassword = errors.New("no password was given")
	errDiffer     = errors.New("the two passwords differ")
	errNotSure    = errors.New("standard input is no terminal: add --yes to do it without being asked")
	errDeclined   = errors.New("nothing was done")
)

// withPassword adds --stdin to a command that needs a password.
func withPassword(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().Bool("stdin", false, "read the password from standard input, one line, instead of asking for it twice")
	return cmd
}

// password reads a new password, which is never an argument: every user of the
// machine can see those.
func password(cmd *cobra.Command, of string) (string, error) {
	if stdin, _ := cmd.Flags().GetBool("stdin"); stdin {
		return passwordLine(cmd.InOrStdin())
	}
	fd := int(os.Stdin.Fd())
	if !term.IsTerminal(fd) {
		return "", errNoTerminal
	}
	first, err := prompt(cmd, fd, "Password of "+of+": ")
	if err != nil {
		return "", err
	}
	again, err := prompt(cmd, fd, "Once more: ")
	switch {
	case err != nil:
		return "", err
	case first != again:
		return "", errDiffer
	case first == "":
		return "", errNoPassword
	}
	return first, nil
}

func passwordLine(from io.Reader) (string, error) {
	text, err := bufio.NewReader(io.LimitReader(from, maxPasswordLine)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	text = strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r")
	if text == "" {
		return "", errNoPassword
	}
	return text, nil
}

// prompt asks without echo. An interrupt puts the echo back before it ends the
// program.
func prompt(cmd *cobra.Command, fd int, question string) (string, error) {
	before, err := term.GetState(fd)
	if err != nil {
		return "", err
	}
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, syscall.SIGINT, syscall.SIGTERM)
	answered := make(chan struct{})
	go func() {
		select {
		case <-interrupted:
			term.Restore(fd, before)
			fmt.Fprintln(cmd.ErrOrStderr())
			os.Exit(exitFailed)
		case <-answered:
		}
	}()
	defer close(answered)
	defer signal.Stop(interrupted)
	fmt.Fprint(cmd.ErrOrStderr(), question)
	text, err := term.ReadPassword(fd)
	fmt.Fprintln(cmd.ErrOrStderr())
	return string(text), err
}

// withConfirmation adds --yes to a command that can't be undone.
func withConfirmation(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().BoolP("yes", "y", false, "do not ask whether it is meant")
	return cmd
}

// confirm asks whether it is meant, unless --yes says so.
func confirm(cmd *cobra.Command, question string) error {
	if yes, _ := cmd.Flags().GetBool("yes"); yes {
		return nil
	}
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		return errNotSure
	}
	fmt.Fprint(cmd.ErrOrStderr(), question+" [y/N] ")
	answer, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return errDeclined
}
