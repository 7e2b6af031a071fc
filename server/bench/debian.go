package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// A debian is a Debian package, unpacked with what it needs and this machine
// lacks, and installed nowhere.
type debian struct{ root string }

// unpack returns the packages names, from the user's cache or the archive.
func unpack(ctx context.Context, names ...string) (debian, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return debian{}, err
	}
	root := filepath.Join(cache, "posko", "bench", names[0])
	if _, err := os.Stat(root); err == nil {
		return debian{root}, nil
	}
	fmt.Fprintf(os.Stderr, "bench: fetching the Debian package %s into %s\n", names[0], root)
	fetched := root + ".new"
	if err := os.RemoveAll(fetched); err != nil {
		return debian{}, err
	}
	if err := os.MkdirAll(fetched, 0o755); err != nil {
		return debian{}, err
	}
	out, err := run(ctx, fetched, "apt-get", append([]string{"install", "--simulate", "--no-install-recommends"}, names...)...)
	if err != nil {
		return debian{}, err
	}
	var missing []string
	for line := range strings.Lines(out) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "Inst" {
			missing = append(missing, fields[1])
		}
	}
	if len(missing) == 0 {
		return debian{"/"}, nil // the machine has it
	}
	if _, err := run(ctx, fetched, "apt-get", append([]string{"download", "--quiet"}, missing...)...); err != nil {
		return debian{}, err
	}
	debs, err := filepath.Glob(filepath.Join(fetched, "*.deb"))
	if err != nil {
		return debian{}, err
	}
	for _, deb := range debs {
		if _, err := run(ctx, fetched, "dpkg-deb", "--extract", deb, "."); err != nil {
			return debian{}, err
		}
		if err := os.Remove(deb); err != nil {
			return debian{}, err
		}
	}
	return debian{root}, os.Rename(fetched, root)
}

// path returns where a file of the package is.
func (d debian) path(name string) string { return filepath.Join(d.root, name) }

// env lets a program of the package find the libraries beside it.
func (d debian) env() []string {
	dirs, _ := filepath.Glob(d.path("usr/lib/*-linux-gnu*"))
	more, _ := filepath.Glob(d.path("lib/*-linux-gnu*"))
	return []string{"LD_LIBRARY_PATH=" + strings.Join(append(dirs, more...), ":")}
}

// run returns what a command says.
func run(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(said.String()))
	}
	return string(out), nil
}
