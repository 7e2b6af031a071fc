// Command pack builds the packages that .goreleaser.yaml describes, without
// goreleaser. packaging/build runs it at the top of the work tree.
//
//	pack [-stage] [-out DIR] [-arch LIST] [VERSION]
//
// It owns the way from the description to nfpm; it must not know what is in a
// package.
package main

import (
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/goreleaser/nfpm/v2"
	_ "github.com/goreleaser/nfpm/v2/deb" // formats
	_ "github.com/goreleaser/nfpm/v2/rpm"
)

// stageDir holds what is made on the way: it is named in .goreleaser.yaml.
const stageDir = "packaging/stage"

func main() {
	log.SetFlags(0)
	stageOnly := flag.Bool("stage", false, "make only the generated files that the packages hold")
	out := flag.String("out", "dist", "directory of the packages")
	arch := flag.String("arch", "", "architectures, separated by commas; all by default")
	flag.Parse()
	if err := run(flag.Arg(0), *out, *arch, *stageOnly); err != nil {
		log.Fatal("pack: ", err)
	}
}

func run(version, out, arch string, stageOnly bool) error {
	if os.Getenv("SOURCE_DATE_EPOCH") == "" {
		return errors.New("SOURCE_DATE_EPOCH is not set; run packaging/build")
	}
	if version == "" {
		var err error
		if version, err = describe(); err != nil {
			return err
		}
	}
	if err := stage(version); err != nil || stageOnly {
		return err
	}
	recipe, err := readRecipe(".goreleaser.yaml", version)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	for _, p := range recipe.Packages {
		builds, err := recipe.buildsOf(p)
		if err != nil {
			return err
		}
		for _, arch := range arches(arch, builds) {
			binaries := make(map[string]string)
			for _, b := range builds {
				if binaries[b.Binary], err = compile(b, arch); err != nil {
					return err
				}
			}
			for _, format := range p.Formats {
				if err := pack(p, format, arch, version, binaries, out); err != nil {
					return fmt.Errorf("%s %s %s: %w", p.Name, format, arch, err)
				}
			}
		}
	}
	return nil
}

var sinceTag = regexp.MustCompile(`-([0-9]+)-g([0-9a-f]+)$`)

// describe returns the version of the work tree: "0.1.0" at a tag v0.1.0,
// "0.1.0+3.1a2b3c4" three commits later, "0.0.0+3.1a2b3c4" without any tag.
func describe() (string, error) {
	tag, err := exec.Command("git", "describe", "--tags", "--match=v[0-9]*").Output()
	if err == nil {
		version := strings.TrimPrefix(strings.TrimSpace(string(tag)), "v")
		return sinceTag.ReplaceAllString(version, "+$1.$2"), nil
	}
	count, err := exec.Command("git", "rev-list", "--count", "HEAD").Output()
	if err != nil {
		return "", fmt.Errorf("git rev-list: %w", err)
	}
	hash, err := exec.Command("git", "rev-parse", "--short", "HEAD").Output()
	if err != nil {
		return "", fmt.Errorf("git rev-parse: %w", err)
	}
	return fmt.Sprintf("0.0.0+%s.%s", strings.TrimSpace(string(count)), strings.TrimSpace(string(hash))), nil
}

func arches(asked string, builds []build) []string {
	if asked != "" {
		return strings.Split(asked, ",")
	}
	return builds[0].Arch
}

// compile builds the program for Linux on arch and returns its path.
func compile(b build, arch string) (string, error) {
	path := filepath.Join(stageDir, arch, b.Binary)
	args := []string{"build", "-o", path}
	args = append(args, b.Flags...)
	args = append(args, "-ldflags="+strings.Join(b.Ldflags, " "), b.Main)
	cmd := exec.Command("go", args...)
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH="+arch)
	cmd.Env = append(cmd.Env, b.Env...)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("go build %s for %s: %w", b.Main, arch, err)
	}
	return path, nil
}

// pack writes one package to the directory out, under its format's usual name.
func pack(p pkg, format, arch, version string, binaries map[string]string, out string) error {
	info, err := p.info(format, arch, version, binaries)
	if err != nil {
		return err
	}
	packager, err := nfpm.Get(format)
	if err != nil {
		return err
	}
	info.Target = filepath.Join(out, packager.ConventionalFileName(info))
	f, err := os.Create(info.Target)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := packager.Package(info, f); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	log.Print(info.Target)
	return nil
}
