// Package posko owns what belongs to the product as a whole: its commented
// default configuration and its version. It knows nothing of what runs.
package posko

import _ "embed"

// Config is the commented default configuration, the file config.toml, word
// for word. It decodes to what server.Defaults returns.
//
//go:embed config.toml
var Config string

// Version is the version of this build as `git describe` gives it. `make build`
// sets it at link time; a build without that is "devel".
var Version = "devel"
