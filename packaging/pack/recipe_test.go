package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/goreleaser/nfpm/v2"
)

const top = "../.."

func posko(t *testing.T) (pkg, []build) {
	t.Helper()
	r, err := readRecipe(filepath.Join(top, ".goreleaser.yaml"), "1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(r.Packages, func(p pkg) bool { return p.Name == "posko" })
	builds, err := r.buildsOf(r.Packages[i])
	if err != nil {
		t.Fatal(err)
	}
	return r.Packages[i], builds
}

// TestInfo holds the description and what nfpm makes of it together.
func TestInfo(t *testing.T) {
	p, builds := posko(t)
	if got, want := builds[0].Ldflags, []string{"-s -w -X posko.Version=v1.2.3"}; !slices.Equal(got, want) {
		t.Errorf("ldflags %q, want %q", got, want)
	}
	if want := []string{"deb", "rpm"}; !slices.Equal(p.Formats, want) {
		t.Errorf("formats %q, want %q", p.Formats, want)
	}
	for _, format := range p.Formats {
		info, err := p.info(format, "arm64", "1.2.3", map[string]string{"poskod": "stage/poskod"})
		if err != nil {
			t.Fatal(err)
		}
		got := []string{info.Name, info.Version, info.Release, info.Arch, strings.Join(info.Depends, " ")}
		if diff := cmp.Diff([]string{"posko", "1.2.3", "1", "arm64", "systemd"}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", format, diff)
		}
		sources := sourcesOf(info)
		if got := sources["stage/poskod"]; got != "/usr/bin/poskod" {
			t.Errorf("%s: the program goes to %q", format, got)
		}
		for _, glob := range []string{"systemd/*.service", "systemd/*.socket", "packaging/completions/*", "packaging/man/*"} {
			for _, file := range files(t, glob) {
				if strings.HasPrefix(file, "packaging/man/") {
					file = "packaging/stage/" + filepath.Base(file) + ".gz"
				}
				if sources[file] == "" {
					t.Errorf("%s: the package lacks %s", format, file)
				}
			}
		}
		for _, script := range []string{info.Scripts.PreInstall, info.Scripts.PostInstall, info.Scripts.PreRemove, info.Scripts.PostRemove} {
			if script != "" && len(files(t, script)) == 0 {
				t.Errorf("%s: no file %s", format, script)
			}
		}
	}
}

func TestConffile(t *testing.T) {
	p, _ := posko(t)
	for format, group := range map[string]string{"deb": "", "rpm": "posko"} {
		info, err := p.info(format, "amd64", "1.2.3", nil)
		if err != nil {
			t.Fatal(err)
		}
		var found int
		for _, c := range info.Contents {
			if c.Destination != "/etc/posko/config.toml" || c.Packager != "" && c.Packager != format {
				continue
			}
			found++
			if c.Source != "config.toml" || c.Type != "config|noreplace" || c.FileInfo.Mode != 0o640 || c.FileInfo.Group != group {
				t.Errorf("%s: config.toml is %v, mode %o, group %q", format, c, c.FileInfo.Mode, c.FileInfo.Group)
			}
		}
		if found != 1 {
			t.Errorf("%s: %d times config.toml", format, found)
		}
	}
}

func TestUnknown(t *testing.T) {
	for _, text := range []string{
		"nfpms: [{package_name: posko, formats: [deb], depend: [systemd]}]",
		"nfpms: [{package_name: posko, formats: [deb], ids: [nothing]}]",
		"builds: [{id: poskod, ldflags: ['{{ .Tag }}']}]",
	} {
		path := filepath.Join(t.TempDir(), "recipe.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := readRecipe(path, "1.2.3")
		if err == nil && len(r.Packages) > 0 {
			_, err = r.buildsOf(r.Packages[0])
		}
		if err == nil {
			_, err = r.Packages[0].info("deb", "amd64", "1.2.3", nil)
		}
		if err == nil {
			t.Errorf("no error for %s", text)
		}
	}
}

func sourcesOf(info *nfpm.Info) map[string]string {
	sources := make(map[string]string)
	for _, c := range info.Contents {
		sources[c.Source] = c.Destination
	}
	return sources
}

// files returns what matches glob in the work tree, by its path there.
func files(t *testing.T, glob string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(top, glob))
	if err != nil {
		t.Fatal(err)
	}
	for i := range found {
		if found[i], err = filepath.Rel(top, found[i]); err != nil {
			t.Fatal(err)
		}
	}
	return found
}
