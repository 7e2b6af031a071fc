package main

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"

	"posko/server"
	"posko/tlsutil"
)

// What a newcomer may type first, at each protocol, with sign-up open or not.
var (
	firstSignup = []string{"SIGNUP ani rahasia12", "LOGIN ani rahasia12", "HELP"}
	firstLogin  = []string{"LOGIN NAME PASSWORD", "HELP"}
	firstFiles  = []string{"USER ani", "PASS rahasia12", "HELP"}
	firstUser   = []string{"USER NAME", "PASS PASSWORD", "HELP"}
)

// hints tells whoever has started the daemon by hand what to type next.
func (d *daemon) hints(w io.Writer) {
	chat, files := firstLogin, firstUser
	if d.Accounts.Signup {
		chat, files = firstSignup, firstFiles
	} else {
		add := "poskod user add NAME"
		if d.path != "" {
			add += " --config " + quote(d.path)
		}
		fmt.Fprintf(w, "To make an account, type in another terminal:\n\n  %s\n\n", add)
	}
	d.hint(w, server.ProtocolChat, "To chat", chat)
	d.hint(w, server.ProtocolFiles, "For files", files)
}

// hint shows the whole line that connects to a protocol, and what to type then.
func (d *daemon) hint(w io.Writer, protocol, purpose string, first []string) {
	for _, l := range d.listeners[protocol][:min(1, len(d.listeners[protocol]))] {
		fmt.Fprintf(w, "%s, type in another terminal:\n\n  %s\n\nand then there, each with Enter:\n\n", purpose, d.connect(l.Addr()))
		for _, text := range first {
			fmt.Fprintf(w, "  %s\n", text)
		}
		fmt.Fprintln(w)
	}
}

// connect is a command line that connects to an address and verifies the
// certificate: s_client by itself would verify nothing.
func (d *daemon) connect(a net.Addr) string {
	at := a.(*net.TCPAddr).AddrPort()
	ip := at.Addr().Unmap()
	switch {
	case ip.IsUnspecified() && ip.Is6():
		ip = netip.IPv6Loopback()
	case ip.IsUnspecified():
		ip = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	words := []string{"openssl s_client -quiet"}
	if own, ok := d.certificates.source().(*tlsutil.Own); ok {
		words = append(words, "-CAfile "+quote(own.CAFile()))
	}
	words = append(words, "-verify_return_error "+d.verify(ip),
		"-connect "+netip.AddrPortFrom(ip, at.Port()).String())
	return strings.Join(words, " ")
}

// verify names what must stand in the certificate: the address, if it does, or
// else a name that does.
func (d *daemon) verify(ip netip.Addr) string {
	for _, state := range d.certificates.State() {
		if !slices.Contains(state.Names, ip.String()) && len(state.Names) > 0 {
			name := strings.Replace(state.Names[0], "*", "www", 1)
			return "-servername " + name + " -verify_hostname " + name
		}
	}
	return "-verify_ip " + ip.String()
}

// quote makes one word of the shell's of a path.
func quote(path string) string {
	if strings.Trim(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+@:") == "" {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
