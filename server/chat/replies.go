package chat

import (
	"posko/server/hub"
	"posko/server/line"
)

// What a success is answered. The seed's texts stand as they are, unequal
// spellings and all.
const (
	okLogin       = line.Reply("login berhasil")
	okSignup      = line.Reply("sign up berhasil")
	okLogout      = line.Reply("Logout berhasil")
	okPasswd      = line.Reply("Password diganti")
	okSent        = line.Reply("pesan terkirim") // SEND
	okCreated     = line.Reply("Grup berhasil dibuat")
	okJoined      = line.Reply("Join grup berhasil")
	okLeft        = line.Reply("Berhasil keluar dari grup")
	okSentGroup   = line.Reply("Pesan terkirim") // SENDGROUP and BROADCAST
	okStampOn     = line.Reply("Nomor dan waktu ditampilkan")
	okStampOff    = line.Reply("Nomor dan waktu tidak ditampilkan")
	okKicked      = line.Reply("Anggota dikeluarkan")
	okBanned      = line.Reply("Akun diblokir")
	okUnbanned    = line.Reply("Blokir dicabut")
	okMuted       = line.Reply("Anggota dibisukan")
	okUnmuted     = line.Reply("Akun boleh bicara lagi")
	okPromoted    = line.Reply("Anggota menjadi operator")
	okDemoted     = line.Reply("Operator menjadi anggota biasa")
	okGroupPass   = line.Reply("Password grup diganti")
	okDropped     = line.Reply("Grup dibubarkan")
	okTopic       = line.Reply("Topik diganti")
	okAllSeen     = line.Reply("Anggota kini melihat seluruh riwayat grup")
	okSinceJoined = line.Reply("Anggota kini melihat riwayat sejak bergabung")
	okReadOnly    = line.Reply("Anggota kini hanya dapat membaca folder grup")
	okWritable    = line.Reply("Anggota kini dapat mengubah folder grup")
	okFarewell    = line.Reply("Sampai jumpa")
	pong          = "PONG"
)

// What a refusal is answered.
const (
	errFormat        = line.Refusal("Format message tidak sesuai")
	errSendFormat    = line.Refusal("format message tidak sesuai") // SEND alone
	errNoAccount     = line.Refusal("Username belum tersedia")
	errPassword      = line.Refusal("Password yang dimasukkan salah")
	errNoCertificate = line.Refusal("Tidak ada sertifikat klien")
	errCertificate   = line.Refusal("Sertifikat tidak terdaftar") // a disabled account's, too
	errThrottled     = line.Refusal("Terlalu banyak percobaan, coba lagi nanti")
	errSessions      = line.Refusal("Terlalu banyak koneksi untuk akun ini")
	errSignupClosed  = line.Refusal("Pendaftaran ditutup")
	errInvitation    = line.Refusal("Undangan tidak berlaku")
	errAccountTaken  = line.Refusal("Username sudah terpakai")
	errPasswordShort = line.Refusal("Password terlalu pendek")
	errNoRecipient   = line.Refusal("penerima tidak tersedia")
	errGroupTaken    = line.Refusal("Nama grup sudah terpakai")
	errJoinNoGroup   = line.Refusal("Grup tidak tersedia")      // JOIN alone
	errNoGroup       = line.Refusal("Nama grup tidak tersedia") // all others
	errMember        = line.Refusal("Anda telah bergabung dalam grup")
	errGroupPassword = line.Refusal("Password grup salah")
	errNotMember     = line.Refusal("Anda belum bergabung dalam grup")
	errDenied        = line.Refusal("Tidak diizinkan")
	errNoTarget      = line.Refusal("Bukan anggota grup")
	errTopicLong     = line.Refusal("Topik terlalu panjang")
	errFull          = line.Refusal("Ruang penyimpanan penuh")
)

// phrases are what is said where no row speaks.
var phrases = line.Phrases{
	Malformed:   errFormat,
	BadLine:     errFormat,
	TooLong:     "Baris terlalu panjang",
	Unknown:     "Perintah tidak dikenal",
	NotLoggedIn: "Anda belum login",
	LoggedIn:    "Anda sudah login",
	Internal:    "Kesalahan pada server",

	Stopping:     "Server berhenti",
	LoginTimeout: "Waktu login habis",
	TooMuch:      "Terlalu banyak perintah sebelum login",
}

// farewells are the last [INFO] of a session that is ended from outside.
var farewells = map[hub.Reason]string{
	hub.AccountDeleted:     "Akun Anda dihapus",
	hub.AccountDisabled:    "Akun Anda dinonaktifkan",
	hub.PasswordChanged:    "Password Anda diganti",
	hub.CertificateRevoked: "Sertifikat Anda dicabut",
}

// How events begin.
const (
	tagPrivate   = "[MSG" // and a stamp
	tagGroup     = "[GRUP"
	tagBroadcast = "[SIARAN] "
	tagInfo      = "[INFO] "
)

// What an [INFO] says of a group, around its name and that of an account.
const (
	infoJoined = " bergabung dalam grup "
	infoLeft   = " keluar dari grup "
	infoTopic  = "Topik grup "

	infoStored   = "%s menyimpan %s di folder grup %s"
	infoRemoved  = "%s menghapus %s dari folder grup %s"
	infoRestored = "%s mengembalikan %s ke folder grup %s"
	infoRenamed  = "%s mengganti nama %s menjadi %s di folder grup %s"
)

// What an [INFO] says of what was done in a group: by whom, to whom, in which
// group, and its topic.
var infoActs = map[hub.Action]string{
	hub.Kick:        "%[1]s mengeluarkan %[2]s dari grup %[3]s",
	hub.Ban:         "%[1]s memblokir %[2]s dari grup %[3]s",
	hub.Unban:       "%[1]s mencabut blokir %[2]s di grup %[3]s",
	hub.Mute:        "%[1]s membisukan %[2]s di grup %[3]s",
	hub.Unmute:      "%[1]s mengizinkan %[2]s bicara lagi di grup %[3]s",
	hub.Promote:     "%[1]s menjadikan %[2]s operator grup %[3]s",
	hub.Demote:      "%[1]s menjadikan %[2]s anggota biasa grup %[3]s",
	hub.SetPassword: "%[1]s mengganti password grup %[3]s",
	hub.SetTopic:    "%[1]s mengganti topik grup %[3]s: %[4]s",
	hub.CloseFolder: "%[1]s menutup folder grup %[3]s bagi perubahan oleh anggota",
	hub.HidePast:    "%[1]s membatasi riwayat grup %[3]s sejak anggota bergabung",
	hub.ShowPast:    "%[1]s membuka seluruh riwayat grup %[3]s bagi anggota",
	hub.OpenFolder:  "%[1]s membuka folder grup %[3]s bagi perubahan oleh anggota",
	hub.Drop:        "%[1]s membubarkan grup %[3]s",
	hub.Restore:     "%[1]s memulihkan grup %[3]s",
}

const (
	infoNoTopic = "%[1]s menghapus topik grup %[3]s"
	// nameOfServer is who did what an operator of the server did. No account
	// can have a name with a space.
	nameOfServer = "Pengelola server"
)

// infoUnread follows the login of an account that CHECK has something for.
const infoUnread = "%d pesan belum dibaca, ketik CHECK"

// Roles and presence in the rows of MEMBERS.
const (
	roleOwner    = "owner"
	roleOperator = "operator"
	roleMember   = "member"
	online       = "online"
	offline      = "offline"
)

// Kinds of messages in the rows of a history.
const (
	rowPrivate = "MSG"
	rowGroup   = "GRUP"
)
