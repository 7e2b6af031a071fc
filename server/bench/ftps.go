package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
)

// ftpHome returns an address, its port, and a directory in dir that any user
// may change.
func ftpHome(dir string) (addr, port, home string, err error) {
	if addr, err = freeAddr(); err != nil {
		return "", "", "", err
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return "", "", "", err
	}
	home = filepath.Join(dir, "home")
	if err := os.Mkdir(home, 0o700); err != nil {
		return "", "", "", err
	}
	_, port, err = net.SplitHostPort(addr)
	return addr, port, home, errors.Join(err, os.Chmod(home, 0o777))
}

// startVsftpd starts vsftpd, with the user it knows without the machine's
// accounts.
func (b *bench) startVsftpd(ctx context.Context, dir string) (*server, error) {
	pack, err := unpack(ctx, "vsftpd")
	if err != nil {
		return nil, err
	}
	addr, port, home, err := ftpHome(dir)
	if err != nil {
		return nil, err
	}
	who, err := user.Current()
	if err != nil {
		return nil, err
	}
	config := fmt.Sprintf(`listen=YES
listen_address=127.0.0.1
listen_port=%s
background=NO
run_as_launching_user=YES
seccomp_sandbox=NO
anonymous_enable=YES
ftp_username=%s
local_enable=NO
no_anon_password=YES
anon_root=%s
anon_umask=022
anon_world_readable_only=NO
anon_upload_enable=YES
anon_other_write_enable=YES
write_enable=YES
xferlog_enable=NO
max_clients=0
max_per_ip=0
ssl_enable=YES
allow_anon_ssl=YES
force_anon_logins_ssl=YES
force_anon_data_ssl=YES
require_ssl_reuse=NO
ssl_ciphers=HIGH
rsa_cert_file=%s
rsa_private_key_file=%s
`, port, who.Username, home, b.cert, b.key)
	path := filepath.Join(dir, "vsftpd.conf")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		return nil, err
	}
	return b.launch(ctx, dir, addr, pack.env(), pack.path("usr/sbin/vsftpd"), path)
}

// startProftpd starts ProFTPD with a user of its own.
func (b *bench) startProftpd(ctx context.Context, dir string) (*server, error) {
	pack, err := unpack(ctx, "proftpd-core", "proftpd-mod-crypto")
	if err != nil {
		return nil, err
	}
	addr, port, home, err := ftpHome(dir)
	if err != nil {
		return nil, err
	}
	hash, err := run(ctx, dir, "openssl", "passwd", "-5", "rahasia12")
	if err != nil {
		return nil, err
	}
	who, err := user.Current()
	if err != nil {
		return nil, err
	}
	group, err := user.LookupGroupId(who.Gid)
	if err != nil {
		return nil, err
	}
	passwd := filepath.Join(dir, "passwd")
	entry := fmt.Sprintf("ani:%s:%d:%d::%s:/bin/sh\n", strings.TrimSpace(hash), os.Getuid(), os.Getgid(), home)
	if err := os.WriteFile(passwd, []byte(entry), 0o600); err != nil {
		return nil, err
	}
	config := fmt.Sprintf(`ModulePath %s
LoadModule mod_tls.c
ServerType standalone
DefaultAddress 127.0.0.1
SocketBindTight on
Port %s
UseIPv6 off
UseReverseDNS off
User %s
Group %s
PidFile %[5]s/pid
ScoreboardFile %[5]s/scoreboard
DelayTable none
DelayEngine off
SystemLog %[5]s/system.log
TransferLog none
WtmpLog off
AuthOrder mod_auth_file.c
AuthUserFile %[5]s/passwd
RequireValidShell off
RootLogin on
AllowOverwrite on
MaxInstances none
TLSEngine on
TLSRequired on
TLSProtocol TLSv1.3
TLSECCertificateFile %[6]s
TLSECCertificateKeyFile %[7]s
TLSOptions NoSessionReuseRequired
`, pack.path("usr/lib/proftpd"), port, who.Username, group.Name, dir, b.cert, b.key)
	path := filepath.Join(dir, "proftpd.conf")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		return nil, err
	}
	return b.launch(ctx, dir, addr, pack.env(), pack.path("usr/sbin/proftpd"), "--nodaemon", "--config", path)
}

// startPureftpd starts pure-ftpd with a virtual user. It needs root.
func (b *bench) startPureftpd(ctx context.Context, dir string) (*server, error) {
	pack, err := unpack(ctx, "pure-ftpd")
	if err != nil {
		return nil, err
	}
	addr, port, home, err := ftpHome(dir)
	if err != nil {
		return nil, err
	}
	hash, err := run(ctx, dir, "openssl", "passwd", "-5", "rahasia12")
	if err != nil {
		return nil, err
	}
	passwd, database := filepath.Join(dir, "passwd"), filepath.Join(dir, "passwd.db")
	const nobody = 65534
	entry := fmt.Sprintf("ani:%s:%d:%d::%s/./::::::::::::\n", strings.TrimSpace(hash), nobody, nobody, home)
	if err := os.WriteFile(passwd, []byte(entry), 0o600); err != nil {
		return nil, err
	}
	if _, err := run(ctx, dir, "env", append(pack.env(), pack.path("usr/bin/pure-pw"), "mkdb", database, "-f", passwd)...); err != nil {
		return nil, err
	}
	return b.launch(ctx, dir, addr, pack.env(), pack.path("usr/sbin/pure-ftpd"),
		"--bind", "127.0.0.1,"+port, "--tls", "3", "--certfile", b.cert+","+b.key,
		"--login", "puredb:"+database, "--noanonymous", "--dontresolve", "--ipv4only",
		"--maxclientsnumber", "1000", "--maxclientsperip", "1000", "--maxidletime", "1000",
		"--pidfile", filepath.Join(dir, "pid"))
}

// moveFTPS returns a client of the peers: curl, which moves files in one
// session.
func moveFTPS(user string) func(context.Context, *bench, string, bool, []file) error {
	return func(ctx context.Context, b *bench, addr string, up bool, files []file) error {
		return b.curl(ctx, user, addr, up, files)
	}
}

func (b *bench) curl(ctx context.Context, user, addr string, up bool, files []file) error {
	dir, err := b.dir(false)
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var config strings.Builder
	var size int64
	for _, f := range files {
		fmt.Fprintf(&config, "url = \"ftp://%s/%s\"\n", addr, f.name)
		if up {
			fmt.Fprintf(&config, "upload-file = %q\n", f.path)
		} else {
			fmt.Fprintln(&config, `output = "/dev/null"`)
		}
		size += f.size
	}
	path := filepath.Join(dir, "urls")
	if err := os.WriteFile(path, []byte(config.String()), 0o600); err != nil {
		return err
	}
	out, err := run(ctx, dir, "curl", "--silent", "--show-error", "--fail-early", "--ssl-reqd", "--insecure",
		"--tlsv1.3", "--tls13-ciphers", "TLS_AES_128_GCM_SHA256", "--user", user+":rahasia12",
		"--write-out", "%{size_download} %{size_upload}\n", "--config", path)
	if err != nil {
		return err
	}
	var moved int64
	for _, field := range strings.Fields(out) {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return err
		}
		moved += n
	}
	if moved != size {
		return fmt.Errorf("curl moved %d bytes of %d", moved, size)
	}
	return nil
}
