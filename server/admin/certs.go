package admin

import (
	"context"
	"strings"

	"posko/server/account"
	"posko/server/hub"
	"posko/server/line"
)

// The words for what a certificate is to be for.
const (
	forServer = "server"
	forClient = "client"
)

func (s *session) authority(_ context.Context, c *line.Call) error {
	pem, fingerprint, err := s.Authority.CA()
	if err != nil {
		return certificateRefusal(err)
	}
	c.Lines(append([]string{fingerprint}, pemLines(pem)...))
	return nil
}

func (s *session) renewAuthority(context.Context, *line.Call) error {
	if err := s.Authority.RenewCA(); err != nil {
		return certificateRefusal(err)
	}
	s.log.Info("certificate authority replaced")
	return nil
}

func (s *session) issue(ctx context.Context, c *line.Call) error {
	names := strings.Fields(c.Arg(1))
	var pem []byte
	var err error
	switch purpose := c.Arg(0); {
	case purpose == forServer:
		pem, err = s.Authority.IssueServer(names)
	case purpose == forClient && len(names) == 1:
		var a account.Account
		if a, err = s.account(ctx, names[0]); err != nil {
			return err
		}
		names[0] = a.Name // as it was registered
		pem, err = s.Authority.IssueClient(a.Name)
	default:
		return phrases.Malformed
	}
	if err != nil {
		return certificateRefusal(err)
	}
	s.log.Info("certificate issued", "for", c.Arg(0), "names", names)
	c.Lines(pemLines(pem))
	return nil
}

// certificateRefusal tells the operator why the authority refuses: that is
// always about names, a clock or a disk, never about a key.
func certificateRefusal(err error) line.Refusal {
	_, why, _ := strings.Cut(column("", "%s", err), "\t")
	return line.Refusal(why)
}

func pemLines(pem []byte) []string { return strings.Split(strings.TrimSpace(string(pem)), "\n") }

func (s *session) addCertificate(ctx context.Context, c *line.Call) error {
	a, err := s.account(ctx, c.Arg(0))
	if err != nil {
		return err
	}
	if err := s.Accounts.AddCertificate(ctx, a.ID, c.Arg(1)); err != nil {
		return s.changed(a.Name, err)
	}
	s.log.Info("certificate bound", "account", a.Name, "sha256", c.Arg(1))
	return nil
}

func (s *session) revokeCertificate(ctx context.Context, c *line.Call) error {
	a, err := s.account(ctx, c.Arg(0))
	if err != nil {
		return err
	}
	if err := s.Accounts.RevokeCertificate(ctx, a.ID, c.Arg(1)); err != nil {
		return s.changed(a.Name, err)
	}
	s.Hub.End(a.ID, nil, hub.CertificateRevoked)
	s.log.Info("certificate taken away", "account", a.Name, "sha256", c.Arg(1))
	return nil
}

func (s *session) listCertificates(ctx context.Context, c *line.Call) error {
	a, err := s.account(ctx, c.Arg(0))
	if err != nil {
		return err
	}
	all, err := s.Accounts.Certificates(ctx, a.ID)
	if err != nil {
		return err
	}
	var rows []string
	for _, b := range all {
		rows = append(rows, b.Fingerprint+"\t"+choose(b.Revoked, certRevoked, certBound)+"\t"+stamp(b.Added))
	}
	c.Lines(rows)
	return nil
}
