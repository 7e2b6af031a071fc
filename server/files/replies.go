package files

import (
	"fmt"
	"strings"

	"posko/server/hub"
	"posko/server/line"
	"posko/server/sandbox"
)

// What a success is answered.
const (
	okUser     = line.Reply("Masukkan password") // whether there is such an account or not
	okLogin    = line.Reply("login berhasil")
	okSend     = line.Reply("Silakan kirim")
	okType     = line.Reply(`Kirim isi berkas, akhiri dengan baris "."`)
	okStored   = line.Reply("Berkas tersimpan")
	okDeleted  = line.Reply("Berkas dihapus")
	okRestored = line.Reply("Berkas dikembalikan")
	okMade     = line.Reply("Direktori dibuat")
	okRemoved  = line.Reply("Direktori dihapus")
	okNewName  = line.Reply("Silakan kirim RNTO")
	okRenamed  = line.Reply("Nama diganti")
	okNothing  = line.Reply("Siap")
	okFarewell = line.Reply("Sampai jumpa")
)

// What a refusal is answered.
const (
	errFormat        = line.Refusal("Format perintah tidak sesuai")
	errUserFirst     = line.Refusal("Silakan kirim USER dahulu")
	errLogin         = line.Refusal("Username atau password salah") // an unknown or disabled account, too
	errNoCertificate = line.Refusal("Tidak ada sertifikat klien")
	errCertificate   = line.Refusal("Sertifikat tidak terdaftar") // a disabled account's, too
	errThrottled     = line.Refusal("Terlalu banyak percobaan, coba lagi nanti")
	errSessions      = line.Refusal("Terlalu banyak koneksi untuk akun ini")
	errNotFound      = line.Refusal("Berkas tidak ditemukan") // directories, too
	errNotDir        = line.Refusal("Bukan direktori")
	errIsDir         = line.Refusal("Bukan berkas")
	errName          = line.Refusal("Nama tidak sah")
	errExists        = line.Refusal("Sudah ada")
	errNotEmpty      = line.Refusal("Direktori tidak kosong")
	errDenied        = line.Refusal("Tidak diizinkan")
	errNoSpace       = line.Refusal("Ruang penyimpanan penuh")
	errQuota         = line.Refusal("Kuota terlampaui")
	errNoALLO        = line.Refusal("ALLO sebelumnya ditolak")
	errNoREST        = line.Refusal("REST sebelumnya ditolak")
	errALLOFirst     = line.Refusal("Silakan kirim ALLO dahulu")
	errOffset        = line.Refusal("Posisi melewati akhir berkas")
	errNoPartial     = line.Refusal("Unggahan tidak dapat dilanjutkan")
	errRNFRFirst     = line.Refusal("Silakan kirim RNFR dahulu")
)

// hashing is an [INFO] to who waits for a hash.
const hashing = "Hash sedang dihitung"

// left says what an upload has left of the quota. What has no bound is not said.
func left(used sandbox.Usage, limit sandbox.Quota) string {
	var parts []string
	if limit.Bytes > 0 {
		parts = append(parts, fmt.Sprintf("%d byte", max(0, limit.Bytes-used.Bytes)))
	}
	if limit.Files > 0 {
		parts = append(parts, fmt.Sprintf("%d berkas", max(0, limit.Files-used.Files)))
	}
	if len(parts) == 0 {
		return ""
	}
	return "Sisa kuota: " + strings.Join(parts, ", ")
}

// phrases are what is said where no row speaks.
var phrases = line.Phrases{
	Malformed:   errFormat,
	BadLine:     errFormat,
	TooLong:     "Baris terlalu panjang",
	Unknown:     "Perintah tidak dikenal",
	NotLoggedIn: "Silakan login dahulu",
	LoggedIn:    "Anda sudah login",
	Internal:    "Kesalahan pada server",

	Stopping:     "Server berhenti",
	LoginTimeout: "Waktu login habis",
	Idle:         "Koneksi ditutup karena terlalu lama diam",
	TooMuch:      "Terlalu banyak perintah sebelum login",
}

// farewells are the last [INFO] of a session that is ended from outside.
var farewells = map[hub.Reason]string{
	hub.AccountDeleted:     "Akun Anda dihapus",
	hub.AccountDisabled:    "Akun Anda dinonaktifkan",
	hub.PasswordChanged:    "Password Anda diganti",
	hub.CertificateRevoked: "Sertifikat Anda dicabut",
}
