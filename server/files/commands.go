package files

import (
	"slices"

	"posko/server/account"
	"posko/server/hub"
	"posko/server/line"
	"posko/server/sandbox"
)

// How refusals of the sandbox are worded, by what a row asks of it. What is not
// there is a file in the one sentence that the contract has for it, even where
// a directory was asked for.
var (
	anyEntry = line.Refusals{
		{Err: sandbox.ErrName, Say: errName},
		{Err: sandbox.ErrNotFound, Say: errNotFound},
		{Err: sandbox.ErrNotDir, Say: errNotDir},
	}
	oneFile = slices.Concat(anyEntry, line.Refusals{
		{Err: sandbox.ErrIsDir, Say: errIsDir},
	})
	quota  = line.Refusals{{Err: sandbox.ErrQuota, Say: errQuota}}
	full   = line.Refusals{{Err: sandbox.ErrNoSpace, Say: errNoSpace}}
	change = slices.Concat(line.Refusals{{Err: sandbox.ErrDenied, Say: errDenied}}, full, line.Refusals{
		{Err: sandbox.ErrUncertain, Say: line.NoAnswer},
	})
	taken = line.Refusals{{Err: sandbox.ErrExists, Say: errExists}}
)

// newTable makes the table of commands, in the order of the contract. Seed:
// AUTHENTICATION and REQUEST, USER to EXIT; those after EXIT are as in RFC 959
// and RFC 3659, in this reply style.
func newTable() *line.Table[*session] {
	checks := map[string]func(string) bool{
		"USERNAME": account.ValidName,
		"PASSWORD": account.ValidPassword,
		"TIME":     func(text string) bool { _, ok := parseStamp(text); return ok },
	}
	return line.NewTable(phrases, checks,
		line.Command[*session]{
			Name: "USER", Args: "USERNAME", Help: "say who you are",
			Needs: line.LoggedOut, Done: okUser,
			Run: (*session).user,
		},
		line.Command[*session]{
			Name: "PASS", Args: "PASSWORD", Help: "log in as the user just named",
			Needs: line.LoggedOut, Secret: true, Done: okLogin,
			Refuses: line.Refusals{
				{Err: errNoUser, Say: errUserFirst},
				{Err: account.ErrThrottled, Say: errThrottled},
				{Err: account.ErrNoAccount, Say: errLogin},
				{Err: account.ErrPassword, Say: errLogin},
				{Err: hub.ErrSessions, Say: errSessions},
			},
			Run: (*session).pass,
		},
		line.Command[*session]{
			Name: "CERTLOGIN", Help: "log in with the client certificate of this connection",
			Needs: line.LoggedOut, Done: okLogin,
			Refuses: line.Refusals{
				{Err: account.ErrNoCertificate, Say: errNoCertificate},
				{Err: account.ErrThrottled, Say: errThrottled},
				{Err: account.ErrCertificate, Say: errCertificate},
				{Err: account.ErrPassword, Say: errCertificate}, // disabled just now
				{Err: hub.ErrSessions, Say: errSessions},
			},
			Run: (*session).certLogin,
		},
		line.Command[*session]{
			Name: "LIST", Args: "[DIR...]", Help: "list a directory, one row for each entry: type, size, time, name",
			// A long listing is sorted on the disk.
			Says: "N rows", Refuses: slices.Concat(anyEntry, full),
			Run: (*session).list,
		},
		line.Command[*session]{
			Name: "RETR", Aliases: []string{"GET"}, Args: "FILE...", Help: "fetch a file",
			Says: "N bytes",
			Refuses: slices.Concat(line.Refusals{{Err: errREST, Say: errNoREST}}, oneFile, line.Refusals{
				{Err: sandbox.ErrOffset, Say: errOffset},
			}),
			Refused: (*session).forgetRest, Run: recorded(download, (*session).retrieve),
		},
		line.Command[*session]{
			Name: "CD", Args: "DIR...", Help: "go to another directory",
			Says: "the directory", Refuses: anyEntry,
			Run: (*session).enter,
		},
		line.Command[*session]{
			Name: "PUT", Args: "FILE...", Help: "store a file: as many bytes as ALLO has said, or lines up to a single dot",
			Upload: true, Done: okStored,
			Refuses: slices.Concat(line.Refusals{
				{Err: errALLO, Say: errNoALLO},
				{Err: errREST, Say: errNoREST},
				{Err: errSize, Say: errALLOFirst},
			}, oneFile, taken, line.Refusals{{Err: sandbox.ErrNoPartial, Say: errNoPartial}}, quota, change),
			Run: recorded(upload, (*session).put),
		},
		line.Command[*session]{
			Name: "DEL", Args: "FILE...", Help: "delete a file, which goes to the trash",
			Done: okDeleted, Refuses: slices.Concat(oneFile, change),
			Run: recorded(deletion, (*session).remove),
		},
		line.Command[*session]{
			Name: "EXIT", Aliases: []string{"QUIT"}, Help: "close the connection",
			Needs: line.Anytime, Final: true, Done: okFarewell,
			Run: (*session).nothing,
		},
		line.Command[*session]{
			Name: "ALLO", Args: "BYTES", Help: "say how many bytes the next PUT will send",
			Says: "the number", Refuses: slices.Concat(quota, full),
			Refused: (*session).refuseAllotment, Run: (*session).allot,
		},
		line.Command[*session]{
			Name: "REST", Args: "BYTES", Help: "say from which byte on the next RETR or PUT goes on",
			Says: "the number", Refused: (*session).refuseRest, Run: (*session).restart,
		},
		line.Command[*session]{
			Name: "PART", Args: "FILE...", Help: "tell how many bytes are kept of a PUT of that name that broke off",
			Says: "the number", Refuses: oneFile,
			Run: (*session).part,
		},
		line.Command[*session]{
			Name: "PWD", Help: "show the current directory",
			Says: "the directory",
			Run:  (*session).where,
		},
		line.Command[*session]{
			Name: "MKD", Args: "DIR...", Help: "make a directory",
			Done: okMade, Refuses: slices.Concat(anyEntry, taken, quota, change),
			Run: (*session).makeDir,
		},
		line.Command[*session]{
			Name: "RMD", Args: "DIR...", Help: "remove an empty directory",
			Done: okRemoved, Refuses: slices.Concat(anyEntry, line.Refusals{{Err: sandbox.ErrNotEmpty, Say: errNotEmpty}}, change),
			Run: (*session).removeDir,
		},
		line.Command[*session]{
			Name: "RNFR", Args: "NAME...", Help: "say which file or directory RNTO will rename",
			Done: okNewName, Refuses: anyEntry,
			Refused: (*session).forgetSource, Run: (*session).renameFrom,
		},
		line.Command[*session]{
			Name: "RNTO", Args: "NAME...", Help: "rename it, to a name that is free",
			Done: okRenamed, Refuses: slices.Concat(line.Refusals{{Err: errNoSource, Say: errRNFRFirst}}, anyEntry, taken, change),
			Refused: (*session).forgetSource, Run: recorded(renaming, (*session).renameTo),
		},
		line.Command[*session]{
			Name: "SIZE", Args: "FILE...", Help: "tell how many bytes a file has",
			Says: "the number", Refuses: oneFile,
			Run: (*session).size,
		},
		line.Command[*session]{
			Name: "MDTM", Args: "FILE...", Help: "tell when a file was last changed",
			Says: "the time", Refuses: oneFile,
			Run: (*session).modified,
		},
		line.Command[*session]{
			Name: "MFMT", Args: "TIME FILE...", Help: "set when a file was last changed, as in 2026-01-31T23:59:59Z",
			Says: "the time", Refuses: slices.Concat(oneFile, change),
			Run: (*session).setModified,
		},
		line.Command[*session]{
			Name: "HASH", Args: "FILE...", Help: "compute the SHA-256 of a file, in hex",
			Says: "the hash", Refuses: oneFile,
			Run: (*session).hash,
		},
		line.Command[*session]{
			Name: "QUOTA", Help: "show the bytes that are used and how many may be, then the files likewise; 0 is no limit",
			Says: "four numbers",
			Run:  (*session).quota,
		},
		line.Command[*session]{
			Name: "TRASH", Help: "list what was deleted or replaced, one row for each: id, time, size, name",
			Says: "N rows",
			Run:  (*session).trash,
		},
		line.Command[*session]{
			Name: "UNDEL", Args: "NAME...", Help: "bring back from the trash what has that id there, or the last that had that name",
			Done: okRestored, Refuses: slices.Concat(anyEntry, taken, quota, change),
			Run: recorded(undeletion, (*session).undelete),
		},
		line.Command[*session]{
			Name: "NOOP", Help: "do nothing",
			Needs: line.Anytime, Done: okNothing,
			Run: (*session).nothing,
		},
	)
}
