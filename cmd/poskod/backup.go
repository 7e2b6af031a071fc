package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"posko/server"
	"posko/server/store"
)

// standardStream is the name of a backup that is not a file.
const standardStream = "-"

func (p *program) backupCommand() *cobra.Command {
	return &cobra.Command{
		Use: "backup FILE", Short: "write all accounts, messages, files and certificates to a file",
		Long: `Writes a backup of the state directory to FILE (mode 0600), or to standard
output if it is "-". The daemon may be running: every message that was
acknowledged before the command started is in the backup, and a file that is
replaced meanwhile is in it whole, old or new. FILE is there whole or not at
all; one that is there already is replaced. The configuration is not part of it.

A backup holds password hashes and private keys: keep it as safe as the server.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := p.load()
			if err != nil {
				return err
			}
			if args[0] == standardStream {
				return p.backup(cmd, s)
			}
			return p.backupTo(cmd, args[0])
		},
	}
}

// backup writes a backup to standard output, as the state directory's owner.
func (p *program) backup(cmd *cobra.Command, s settings) error {
	if err := becomeOwner(s.dir); err != nil {
		return err
	}
	ctx, stop := interruptible(cmd)
	defer stop()
	n, err := server.Backup(ctx, s.dir, store.Copy, cmd.OutOrStdout())
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("nothing to back up: %w", err)
	}
	if err != nil {
		return allowed(err)
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%d files backed up from %s\n", n, s.dir)
	return nil
}

// backupTo writes a backup to a file, which the owner of the state directory
// need not be allowed to write: what reads the state is a process of its own.
func (p *program) backupTo(cmd *cobra.Command, path string) (err error) {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(file.Name())
		}
		file.Close()
	}()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	args := []string{"backup", standardStream}
	if p.config != "" {
		args = append(args, "--config", p.config)
	}
	ctx, stop := interruptible(cmd)
	defer stop()
	reader := exec.CommandContext(ctx, self, args...)
	reader.Stdout, reader.Stderr = file, cmd.ErrOrStderr()
	if err := reader.Run(); err != nil {
		return fmt.Errorf("%s is not written: %w", path, err)
	}
	if err := file.Sync(); err != nil {
		return err
	}
	if err := os.Rename(file.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// interruptible lets a command that is interrupted clean up behind itself. A
// second signal ends it at once.
func interruptible(cmd *cobra.Command) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

func (p *program) restoreCommand() *cobra.Command {
	return &cobra.Command{
		Use: "restore FILE", Short: "put a backup into the place of what the state directory holds",
		Long: `Puts the backup FILE, or what comes on standard input if it is "-", into the
place of all accounts, messages, files and certificates. Nothing has changed
before the backup has proved to be whole, and a crash leaves the old state or
the restored one. The daemon must be down, with its sockets:

  systemctl stop poskod.service poskod-chat.socket poskod-files.socket

What was there before is kept within the state directory and named, for you to
delete.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := p.load()
			if err != nil {
				return err
			}
			from := cmd.InOrStdin()
			if args[0] != standardStream {
				file, err := os.Open(args[0]) // as whoever has called, before that is given up
				if err != nil {
					return err
				}
				defer file.Close()
				from = file
			}
			return restore(cmd, s.dir, from)
		},
	}
}

func restore(cmd *cobra.Command, dir string, from io.Reader) error {
	if err := becomeOwner(dir); err != nil {
		return err
	}
	ctx, stop := interruptible(cmd)
	defer stop()
	lock, err := store.Lock(dir)
	if errors.Is(err, store.ErrInUse) {
		return fmt.Errorf("%w\nstop it first: see \"poskod restore --help\"", err)
	}
	if err != nil {
		return allowed(err)
	}
	defer lock.Unlock()
	files, old, err := server.Restore(ctx, dir, store.Check, from)
	if err != nil {
		return allowed(err)
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%d files restored to %s\nwhat was there before is in %s\n", files, dir, old)
	return nil
}
