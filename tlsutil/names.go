package tlsutil

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// ParseNames puts the host names and addresses for a certificate into the form
// in which they stand there: lower case, no final dot, addresses in their
// shortest spelling, none twice. A host name may begin with "*."; one that
// isn't ASCII must be given as xn--. The error joins all complaints.
func ParseNames(names []string) ([]string, error) {
	var parsed []string
	var errs []error
	for _, name := range names {
		p, err := parseName(name)
		if err != nil {
			errs = append(errs, err)
		} else if !slices.Contains(parsed, p) {
			parsed = append(parsed, p)
		}
	}
	return parsed, errors.Join(errs...)
}

func parseName(name string) (string, error) {
	if addr, err := netip.ParseAddr(name); err == nil {
		if addr.Zone() != "" {
			return "", fmt.Errorf("tlsutil: %q: an address in a certificate has no zone", name)
		}
		return addr.Unmap().String(), nil
	}
	host := strings.TrimSuffix(strings.ToLower(name), ".")
	labels := strings.Split(strings.TrimPrefix(host, "*."), ".")
	bad := func(label string) bool {
		return label == "" || len(label) > 63 ||
			strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") ||
			// The underscore is no part of a host name (RFC 1123, section 2.1),
			// but names inside networks have it, and clients take it.
			strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != ""
	}
	if len(host) > 253 || slices.ContainsFunc(labels, bad) {
		return "", fmt.Errorf("tlsutil: %q is no host name and no address", name)
	}
	// No top-level domain is a number: this is an address with a slip.
	if strings.Trim(labels[len(labels)-1], "0123456789") == "" {
		return "", fmt.Errorf("tlsutil: %q is no address", name)
	}
	return host, nil
}

// withLocal adds what every server is called on its own machine. A machine may
// have a name that is no host name; it is then left out.
func withLocal(names []string, hostname string) []string {
	local := []string{"localhost", "127.0.0.1", "::1"}
	if host, err := parseName(hostname); err == nil {
		local = append([]string{host}, local...)
	}
	for _, name := range local {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}
