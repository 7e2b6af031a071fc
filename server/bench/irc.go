package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
)

// irc is the protocol of InspIRCd and ngircd.
type irc struct{}

func (irc) login(user string, _ bool) []step {
	return []step{{"NICK " + user + "\r\nUSER " + user + " 0 * :" + user, " 001 "}}
}

func (irc) join(group string, _ bool) step { return step{"JOIN #" + group, " 366 "} }

func (irc) toGroup(group, text string) string { return "PRIVMSG #" + group + " :" + text }
func (irc) toUser(user, text string) string   { return "PRIVMSG " + user + " :" + text }

func (irc) kind(line []byte) kind {
	_, rest, _ := bytes.Cut(line, []byte(" "))
	command, _, _ := bytes.Cut(rest, []byte(" "))
	switch {
	case string(command) == "PRIVMSG":
		return message
	case bytes.HasPrefix(line, []byte("ERROR")), len(command) == 3 && (command[0] == '4' || command[0] == '5') && string(command) != "422":
		return refusal // 422 is a missing message of the day
	default:
		return other
	}
}

// startInspircd starts InspIRCd with its limits off.
func (b *bench) startInspircd(ctx context.Context, dir string) (*server, error) {
	pack, err := unpack(ctx, "inspircd")
	if err != nil {
		return nil, err
	}
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(addr)
	config := fmt.Sprintf(`
<path configdir="." datadir="." logdir="." moduledir=%q runtimedir=".">
<server name="irc.localhost" description="bench" network="bench">
<admin name="bench" nick="bench" email="bench@localhost">
<bind address="127.0.0.1" port=%q type="clients" sslprofile="bench">
<module name="ssl_gnutls">
<sslprofile name="bench" provider="gnutls" certfile=%q keyfile=%q priority="NORMAL:-GROUP-ALL:+GROUP-X25519">
<connect allow="*" timeout="600" pingfreq="3600" hardsendq="100M" softsendq="100M" recvq="10M" threshold="1000000" commandrate="1000000000" fakelag="no" localmax="100000" globalmax="100000" maxchans="100000" useident="no" resolvehostnames="no" useconnectban="no" useconnflood="no" limit="100000">
<performance netbuffersize="65534" somaxconn="4096" softlimit="100000" quietbursts="yes">
<options allowhalfop="no" defaultmodes="nt" syntaxhints="no">
<class name="none">
<log method="file" type="* -USERINPUT -USEROUTPUT" level="default" target="irc.log">
`, pack.path("usr/lib/inspircd/modules"), port, b.cert, b.key)
	path := filepath.Join(dir, "inspircd.conf")
	if err := os.WriteFile(path, []byte(strings.TrimSpace(config)+"\n"), 0o600); err != nil {
		return nil, err
	}
	command := []string{pack.path("usr/sbin/inspircd"), "--nofork", "--nopid", "--config", path}
	if os.Getuid() == 0 {
		command = append(command, "--runasroot")
	}
	return b.launch(ctx, dir, addr, pack.env(), command...)
}

// startNgircd starts ngircd with its limits off.
func (b *bench) startNgircd(ctx context.Context, dir string) (*server, error) {
	pack, err := unpack(ctx, "ngircd")
	if err != nil {
		return nil, err
	}
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(addr)
	config := fmt.Sprintf(`
[Global]
Name = irc.localhost
Info = bench
Listen = 127.0.0.1
Ports =
ServerUID = %d
ServerGID = %d
[Limits]
ConnectRetry = 60
MaxConnections = 0
MaxConnectionsIP = 0
MaxJoins = 0
MaxNickLength = 20
MaxPenaltyTime = 0
PingTimeout = 3600
PongTimeout = 3600
[Options]
DNS = no
Ident = no
PAM = no
[SSL]
CertFile = %s
KeyFile = %s
Ports = %s
CipherList = NORMAL:-GROUP-ALL:+GROUP-X25519
[Channel]
`, os.Getuid(), os.Getgid(), b.cert, b.key, port)
	path := filepath.Join(dir, "ngircd.conf")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		return nil, err
	}
	return b.launch(ctx, dir, addr, pack.env(), pack.path("usr/sbin/ngircd"), "--nodaemon", "--config", path)
}
