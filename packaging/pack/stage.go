package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// stage makes the files that packages hold and the work tree does not: manual
// pages and the changelog compressed, the notices of what is linked in, and the
// entry for the changelog that both formats keep beside, which says what was
// packaged when.
func stage(version string) error {
	if err := os.MkdirAll(stageDir, 0o755); err != nil {
		return err
	}
	pages, err := filepath.Glob("packaging/man/*.[1-8]")
	if err != nil {
		return err
	}
	for _, page := range pages {
		if err := compressFile(page, filepath.Base(page)); err != nil {
			return err
		}
	}
	if err := compressFile("CHANGELOG.md", "changelog"); err != nil {
		return err
	}
	if err := notices(); err != nil {
		return err
	}
	seconds, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
	if err != nil {
		return fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
	}
	entry := fmt.Sprintf(`- semver: %s
  date: %s
  packager: posko maintainers <maintainers@posko.example>
  deb: {urgency: medium, distributions: [stable]}
  changes:
    - note: New release; changelog.gz beside this file tells what is new.
`, version, time.Unix(seconds, 0).UTC().Format(time.RFC3339))
	return os.WriteFile(filepath.Join(stageDir, "changelog.yaml"), []byte(entry), 0o644)
}

// notices collects the licenses of Go and of every module that the programs
// are linked with; most of them ask for that wherever the program goes.
func notices() error {
	list := exec.Command("go", "list", "-deps", "-f",
		"{{if .Standard}}Go\t{{.Root}}{{else}}{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}}\t{{.Dir}}{{end}}{{end}}{{end}}", "./cmd/...")
	list.Env = append(os.Environ(), "GOOS=linux", "CGO_ENABLED=0")
	list.Stderr = os.Stderr
	out, err := list.Output()
	if err != nil {
		return fmt.Errorf("go list: %w", err)
	}
	modules := strings.FieldsFunc(string(out), func(r rune) bool { return r == '\n' })
	slices.Sort(modules)

	var text bytes.Buffer
	for _, module := range slices.Compact(modules) {
		name, dir, _ := strings.Cut(module, "\t")
		files, err := filepath.Glob(filepath.Join(dir, "[LNC][IO][CTP][EIY]*")) // LICENSE, NOTICE, COPYING
		if err != nil {
			return err
		}
		if len(files) == 0 {
			return fmt.Errorf("%s has no license in %s", name, dir)
		}
		for _, file := range files {
			license, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			fmt.Fprintf(&text, "==== %s: %s\n\n%s\n", name, filepath.Base(file), license)
		}
	}
	return compress(text.Bytes(), "third-party-notices")
}

// compressFile writes the file src to the stage as name.gz.
func compressFile(src, name string) error {
	text, err := os.ReadFile(src)
	if err != nil {
		return err
	}
	return compress(text, name)
}

// compress writes text to the stage as name.gz, without a name or time in it.
func compress(text []byte, name string) error {
	f, err := os.Create(filepath.Join(stageDir, name+".gz"))
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewWriterLevel(f, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := z.Write(text); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	return f.Close()
}
