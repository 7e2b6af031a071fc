//go:build acceptance

package acceptance

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// TestReproducible compares two builds of one commit, at different places,
// times and umasks.
func TestReproducible(t *testing.T) {
	files := glob(t, "first/*")
	if len(files) != 4 {
		t.Errorf("packages %q, want deb and rpm for amd64 and arm64", files)
	}
	for _, file := range files {
		one, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		other, err := os.ReadFile(filepath.Join(*packages, "again", filepath.Base(file)))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(one, other) {
			t.Errorf("%s differs", filepath.Base(file))
		}
	}
}

func TestLintian(t *testing.T) {
	args := []string{"--pedantic", "--display-experimental", "--display-info", "--allow-root",
		"--fail-on", "error,warning,info,pedantic,experimental"}
	if out := mustCommand(t, "lintian", append(args, glob(t, "first/*.deb")...)...); out != "" {
		t.Errorf("lintian:\n%s", out)
	}
}

// TestExposure holds the shipped units at what they claim, which --threshold
// wants in tenths.
func TestExposure(t *testing.T) {
	for unit, most := range map[string]string{"poskod.service": "2", acmeService: "11"} {
		out := mustCommand(t, "systemd-analyze", "security", "--no-pager", "--offline=yes", "--threshold="+most, "../../systemd/"+unit)
		t.Log(exposure.FindString(out))
	}
}

var exposure = regexp.MustCompile(`Overall exposure level.*`)
