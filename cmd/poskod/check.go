package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"posko/server"
	"posko/tlsutil"
)

func (p *program) checkCommand() *cobra.Command {
	return &cobra.Command{
		Use: "check", Short: "check the configuration",
		Long: `Prints every complaint about the configuration, and what else would keep the
daemon from starting: certificates, the state directory. Nothing is changed, and
the daemon may run meanwhile. Whether addresses are free only shows at the start.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := p.check(); err != nil {
				return err
			}
			_, err := fmt.Fprintln(cmd.OutOrStdout(), "configuration is good")
			return err
		},
	}
}

func (p *program) check() error {
	s, err := p.load()
	if err != nil {
		return err
	}
	// What the daemon can't read is no good, though root can.
	if err := becomeOwner(s.dir); err != nil {
		return err
	}
	return errors.Join(checkTLS(s.TLS), checkDir(s.dir), checkXferlog(s.Log.Xferlog))
}

func checkTLS(c server.TLS) (err error) {
	if c.ClientCA != "" {
		_, err = tlsutil.ReadCAs(c.ClientCA)
	}
	if c.Mode == server.ModeFiles {
		return errors.Join(err, checkPairs(c))
	}
	_, badNames := tlsutil.ParseNames(c.Names)
	err = errors.Join(err, badNames)
	if c.Mode == server.ModeACME {
		err = errors.Join(err, checkACME(c.ACME))
	}
	return err
}

func checkPairs(c server.TLS) error {
	pairs, err := pairsOf(c)
	if errors.Is(err, errNoCredentials) {
		return nil // only the daemon can see them
	}
	if err != nil {
		return err
	}
	_, err = tlsutil.OpenFiles(pairs, slog.New(slog.DiscardHandler))
	return err
}

// checkACME looks at the files that are named. Those that the user of
// poskod-acme.service alone may see are left to that service.
func checkACME(c server.ACME) error {
	_, roots := rootsOf(c.CARoot)
	var secret, hook error
	if c.EABKeyFile != "" {
		_, secret = findSecret(c.EABKeyFile)
	}
	if c.DNSHook != "" {
		hook = checkProgram(c.DNSHook)
	}
	if errors.Is(secret, errNoCredentials) || errors.Is(secret, fs.ErrPermission) {
		secret = nil
	}
	return errors.Join(roots, secret, hook)
}

func checkProgram(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return nil
	case err != nil:
		return fmt.Errorf("tls.acme.dns_hook: %w", err)
	case !info.Mode().IsRegular() || info.Mode()&0o111 == 0:
		return fmt.Errorf("tls.acme.dns_hook: %s is no program", path)
	}
	return nil
}

// checkXferlog says why the file of that name can't be written, or made.
func checkXferlog(path string) error {
	if path == "" {
		return nil
	}
	at := path
	info, err := os.Lstat(at)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		at = filepath.Dir(at)
	case err == nil && !info.Mode().IsRegular():
		return fmt.Errorf("log.xferlog: %s is not a regular file", path)
	}
	if err := unix.Access(at, unix.W_OK); err != nil {
		return fmt.Errorf("log.xferlog: %s: %w", at, err)
	}
	return nil
}

// checkDir says why the state directory can't be used, or made where it is
// missing.
func checkDir(dir string) error {
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) && dir != filepath.Dir(dir) {
		return checkDir(filepath.Dir(dir))
	}
	switch {
	case err != nil:
		return fmt.Errorf("state directory: %w", err)
	case !info.IsDir():
		return fmt.Errorf("state directory: %s is not a directory", dir)
	}
	if err := unix.Access(dir, unix.R_OK|unix.W_OK|unix.X_OK); err != nil {
		return fmt.Errorf("state directory: %s: %w", dir, err)
	}
	return nil
}
