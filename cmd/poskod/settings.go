package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"posko/server"
)

// settings are a configuration and the places that follow from it.
type settings struct {
	server.Config
	path   string // of the file, absolute; "" for the built-in defaults
	dir    string // the state directory
	socket string // the operator's
}

// load reads the configuration. Along with an error about it comes the socket
// where its place is known all the same: a daemon that runs can be talked to
// while its configuration is being edited.
func (p *program) load() (settings, error) {
	s := settings{Config: server.Defaults()}
	var err error
	if s.path, err = p.configPath(); err != nil {
		return settings{}, err
	}
	if s.path != "" {
		s.Config, err = server.LoadConfig(s.path)
	}
	if err != nil && s.path == server.DefaultConfigPath {
		return settings{socket: server.AdminSocket(s.path, "")}, allowed(err)
	}
	if err != nil {
		return settings{}, allowed(err)
	}
	if s.dir, err = server.StateDir(s.Config, s.path, os.Getenv); err != nil {
		return settings{}, err
	}
	s.socket = server.AdminSocket(s.path, s.dir)
	return s, nil
}

// configPath is the absolute path of the configuration, or "" for none. One
// that is there and can't be read is no reason to do without it.
func (p *program) configPath() (string, error) {
	if p.config != "" {
		return filepath.Abs(p.config)
	}
	if _, err := os.Stat(server.DefaultConfigPath); errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return server.DefaultConfigPath, nil
}

// allowed adds to an error for want of permission what to do about it.
func allowed(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w\nuse sudo, or be the user that poskod runs as", err)
	}
	return err
}

// becomeOwner gives up being root in favour of the owner of dir, so that no
// file there can end up root's. What is not there yet will be root's own.
func becomeOwner(dir string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	owner := info.Sys().(*syscall.Stat_t)
	if owner.Uid == 0 {
		return nil
	}
	for _, give := range []func() error{
		func() error { return syscall.Setgroups(nil) },
		func() error { return syscall.Setgid(int(owner.Gid)) },
		func() error { return syscall.Setuid(int(owner.Uid)) },
	} {
		if err := give(); err != nil {
			return fmt.Errorf("becoming the owner of %s: %w", dir, err)
		}
	}
	return nil
}
