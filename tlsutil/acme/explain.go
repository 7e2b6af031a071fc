package acme

import (
	"crypto/x509"
	"errors"
	"net"
	"strings"
	"unicode"

	acmez "github.com/mholt/acmez/v3/acme"
)

// problems is what an authority's refusals mean to an administrator.
var problems = map[string]string{
	acmez.ProblemTypeExternalAccountRequired: "the authority serves known customers alone: set tls.acme.eab_key_id and eab_key_file to what it gave you",
	acmez.ProblemTypeConnection:              "the authority could not connect to this server: does the name lead here, and is the port open (80 for HTTP-01, 443 for TLS-ALPN-01)?",
	acmez.ProblemTypeTLS:                     "the authority could not finish a TLS handshake with this server on port 443",
	acmez.ProblemTypeDNS:                     "the authority could not look the name up in DNS",
	acmez.ProblemTypeCAA:                     "a CAA record in DNS forbids this authority to issue for the name",
	acmez.ProblemTypeIncorrectResponse:       "another server than this one answered the authority: does the name lead here?",
	acmez.ProblemTypeUnauthorized:            "the authority did not accept the proof that the name is ours",
	acmez.ProblemTypeRateLimited:             "the authority wants fewer requests; it is asked again later",
	acmez.ProblemTypeRejectedIdentifier:      "the authority does not issue for this name",
	acmez.ProblemTypeUnsupportedIdentifier:   "the authority does not issue for such a name",
	acmez.ProblemTypeInvalidContact:          "the authority does not accept tls.acme.email",
	acmez.ProblemTypeUnsupportedContact:      "the authority does not accept tls.acme.email",
	acmez.ProblemTypeUserActionRequired:      "the authority wants something of you first",
}

// explain says in one line of plain words why a try failed. Part of it may come
// from the authority.
func explain(err error) string {
	if problem, ok := errors.AsType[acmez.Problem](err); ok {
		words, known := problems[problem.Type]
		switch {
		case problem.Type == acmez.ProblemTypeUnauthorized && strings.Contains(err.Error(), "registering account"):
			words = "the authority did not accept the account: are tls.acme.eab_key_id and eab_key_file what it gave you?"
		case !known:
			words = "the authority refused"
		}
		detail := problem.Detail
		for _, sub := range problem.Subproblems {
			detail += "; " + sub.Detail
		}
		return oneLine(words + " (it says: " + detail + ")")
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return oneLine("the authority's own certificate is not trusted; a private one needs tls.acme.ca_root: " + err.Error())
	}
	if _, ok := errors.AsType[*net.OpError](err); ok {
		return oneLine("the authority can't be reached: " + err.Error())
	}
	return oneLine(err.Error())
}

// maxWords bounds what an authority can have us keep and show.
const maxWords = 500

// oneLine makes text that a terminal can be shown.
func oneLine(text string) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	if len(text) > maxWords {
		text = strings.ToValidUTF8(text[:maxWords], "") + "…"
	}
	return text
}
