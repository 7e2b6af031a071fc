package main

import (
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"posko/tlsutil"
)

func (p *program) certCommand() *cobra.Command {
	cert := &cobra.Command{
		Use: "cert", Short: "show the server's certificates", Args: cobra.NoArgs,
		Long: `Shows each certificate that is being served, or would be while the daemon is
down: its names, whether all is well and, if it is not, what to do; where it
comes from, when it ends, and what became of the last try to renew it.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.show(cmd, "", "CERT") },
	}
	cert.AddCommand(p.certCACommand(), p.certIssueCommand())
	return cert
}

func (p *program) certCACommand() *cobra.Command {
	cmd := withConfirmation(&cobra.Command{
		Use: "ca", Short: "print the certificate of the server's own authority", Args: cobra.NoArgs,
		Long: `Prints the certificate that people are to trust, and its SHA-256 fingerprint
above it: the output can be given away as it is. There is an authority in every
mode; in mode "own" it signs the server's certificate.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if renew, _ := cmd.Flags().GetBool("renew"); renew {
				if err := confirm(cmd, "Replace the certificate authority? Every client must be given the new one, and certificates that it has issued are worth nothing any more."); err != nil {
					return err
				}
				if _, err := p.do(cmd.Context(), "CERTCARENEW"); err != nil {
					return err
				}
			}
			answer, err := p.do(cmd.Context(), "CERTCA")
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "SHA-256 fingerprint: %s\n", strings.Join(answer.Rows, "\n"))
			return err
		},
	})
	cmd.Flags().Bool("renew", false, "replace the authority, key and all, first")
	return cmd
}

func (p *program) certIssueCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "issue NAME...", Short: "issue a certificate, signed by the server's own authority",
		Long: `Writes NAME.key (mode 0600) and NAME.pem, the certificate with that of the
authority: for a server that has these host names and addresses, valid for 90
days; or, with --client, for the account NAME, valid for a year, with which its
owner logs in by CERTLOGIN.`,
		Args: cobra.MinimumNArgs(1), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: p.issue,
	}
	cmd.Flags().Bool("client", false, "for an account, and not for a server")
	cmd.Flags().String("dir", ".", "write the files into the directory `DIR`")
	cmd.Flags().Bool("force", false, "replace files that are there")
	cmd.Flags().Bool("stdout", false, "print key and certificates, and write no file")
	return cmd
}

func (p *program) issue(cmd *cobra.Command, names []string) error {
	flags := cmd.Flags()
	client, _ := flags.GetBool("client")
	dir, _ := flags.GetString("dir")
	force, _ := flags.GetBool("force")
	stdout, _ := flags.GetBool("stdout")
	if client && len(names) != 1 {
		return errors.New("a client's certificate is for one account")
	}
	if stdout {
		data, err := p.issued(cmd, client, names)
		if err != nil {
			return err
		}
		_, err = cmd.OutOrStdout().Write(data)
		return err
	}
	base := strings.NewReplacer("/", "_", "*", "_").Replace(names[0])
	keyName, certName := base+".key", base+".pem"
	for _, name := range []string{keyName, certName} {
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil && !force {
			return thereAlready(dir, name) // before anything is issued
		}
	}
	data, err := p.issued(cmd, client, names)
	if err != nil {
		return err
	}
	key, chain := pem.Decode(data)
	if key == nil {
		return errors.New("no key was issued")
	}
	write := tlsutil.WriteFile
	if !force {
		write = createFile
	}
	if err := write(dir, keyName, pem.EncodeToMemory(key), 0o600); err != nil {
		return err
	}
	if err := write(dir, certName, chain, 0o644); err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "key          %s\ncertificate  %s\n",
		filepath.Join(dir, keyName), filepath.Join(dir, certName))
	return err
}

// createFile is tlsutil.CreateFile, with an error that says what to do.
func createFile(dir, name string, data []byte, mode fs.FileMode) error {
	err := tlsutil.CreateFile(dir, name, data, mode)
	if errors.Is(err, fs.ErrExist) {
		return thereAlready(dir, name)
	}
	return err
}

func thereAlready(dir, name string) error {
	return fmt.Errorf("%s is there already: move it away, or add --force to replace it", filepath.Join(dir, name))
}

// issued has the certificate issued. Without a daemon, root would have to give
// itself up for the state directory's owner, who can't write root's files; so
// root has that done by another process.
func (p *program) issued(cmd *cobra.Command, client bool, names []string) ([]byte, error) {
	stdout, _ := cmd.Flags().GetBool("stdout")
	if os.Geteuid() == 0 && !stdout {
		args := []string{"cert", "issue", "--stdout", "--client=" + strconv.FormatBool(client), "--config=" + p.config, "--"}
		again := exec.CommandContext(cmd.Context(), "/proc/self/exe", append(args, names...)...)
		again.Stderr = cmd.ErrOrStderr()
		data, err := again.Output()
		if err != nil {
			return nil, errors.New("nothing was issued")
		}
		return data, nil
	}
	purpose := "server"
	if client {
		purpose = "client"
	}
	answer, err := p.do(cmd.Context(), "CERTISSUE", append([]string{purpose}, names...)...)
	if err != nil {
		return nil, err
	}
	return []byte(strings.Join(answer.Rows, "\n") + "\n"), nil
}
