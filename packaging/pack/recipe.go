package main

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"text/template"

	"github.com/goreleaser/nfpm/v2"
	"go.yaml.in/yaml/v3"
)

// recipe is the part of .goreleaser.yaml that packages come from.
type recipe struct {
	Builds   []build `yaml:"builds"`
	Packages []pkg   `yaml:"nfpms"`
}

type build struct {
	ID      string   `yaml:"id"`
	Main    string   `yaml:"main"`
	Binary  string   `yaml:"binary"`
	Arch    []string `yaml:"goarch"`
	Env     []string `yaml:"env"`
	Flags   []string `yaml:"flags"`
	Ldflags []string `yaml:"ldflags"`
}

// pkg is one entry of nfpms. goreleaser embeds nfpm's own fields there, so all
// but these pass through as they are.
type pkg struct {
	Name    string         `yaml:"package_name"`
	Builds  []string       `yaml:"ids"`
	Formats []string       `yaml:"formats"`
	Fields  map[string]any `yaml:",inline"`
}

// bindir is where goreleaser puts a package's programs.
const bindir = "/usr/bin"

// notForNFPM are the fields that only goreleaser knows. nfpm takes the time of
// everything from SOURCE_DATE_EPOCH, which is the time that mtime says.
var notForNFPM = []string{"id", "file_name_template", "mtime"}

// readRecipe reads the description at path. In the builds it fills in the
// version where goreleaser's templates say {{ .Version }}; another template
// there is an error.
func readRecipe(path, version string) (*recipe, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var r recipe
	if err := yaml.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	for _, b := range r.Builds {
		for i, flag := range b.Ldflags {
			if b.Ldflags[i], err = expand(flag, version); err != nil {
				return nil, fmt.Errorf("%s: build %s: %w", path, b.ID, err)
			}
		}
	}
	return &r, nil
}

func expand(text, version string) (string, error) {
	t, err := template.New("").Parse(text)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	err = t.Execute(&b, struct{ Version string }{version})
	return b.String(), err
}

func (r *recipe) buildsOf(p pkg) ([]build, error) {
	var builds []build
	for _, id := range p.Builds {
		i := slices.IndexFunc(r.Builds, func(b build) bool { return b.ID == id })
		if i < 0 {
			return nil, fmt.Errorf("package %s: no build %s", p.Name, id)
		}
		builds = append(builds, r.Builds[i])
	}
	return builds, nil
}

// info turns the entry into nfpm's input for one package. binaries maps the
// name of each program to the file that was built. A field that nfpm does not
// know is an error.
func (p pkg) info(format, arch, version string, binaries map[string]string) (*nfpm.Info, error) {
	fields := maps.Clone(p.Fields)
	for _, name := range notForNFPM {
		delete(fields, name)
	}
	fields["name"], fields["arch"], fields["version"] = p.Name, arch, version

	contents, _ := fields["contents"].([]any)
	contents = slices.Clone(contents)
	for _, name := range slices.Sorted(maps.Keys(binaries)) {
		contents = append(contents, map[string]any{
			"src": binaries[name], "dst": bindir + "/" + name, "file_info": map[string]any{"mode": 0o755},
		})
	}
	fields["contents"] = contents

	overrides := make(map[string]any)
	given, _ := fields["overrides"].(map[string]any)
	for format, override := range given {
		override, ok := override.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("overrides: %s is not a table", format)
		}
		overrides[format] = renamed(override, "dependencies", "depends")
	}
	fields["overrides"] = overrides

	input, err := yaml.Marshal(renamed(fields, "dependencies", "depends"))
	if err != nil {
		return nil, err
	}
	config, err := nfpm.Parse(bytes.NewReader(input))
	if err != nil {
		return nil, err
	}
	info, err := config.Get(format)
	if err != nil {
		return nil, err
	}
	return nfpm.WithDefaults(info), nil
}

// renamed returns fields with the name that goreleaser uses replaced by nfpm's.
func renamed(fields map[string]any, from, to string) map[string]any {
	if value, ok := fields[from]; ok {
		fields = maps.Clone(fields)
		fields[to] = value
		delete(fields, from)
	}
	return fields
}
