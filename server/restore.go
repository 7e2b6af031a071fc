package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// A restore unpacks into a directory within the state directory. Once that has
// proved to be whole, renaming it to restoreReady decides the matter: from then
// on the state is what is in it, and whoever opens the state directory next
// brings the rest of the move to its end, if a crash has cut it short.
const (
	restoreWork  = "restoring"
	restoreReady = "restore-ready"
	restoreOld   = "old" // in restoreReady: what was there before
	restoredOver = "before-restore-"
)

// databaseLogs lie beside the database and belong to that one alone.
var databaseLogs = []string{backupDB + "-wal", backupDB + "-shm"}

// Restore puts the backup r into the place of what the state directory dir
// holds, which the caller has locked and owns. check tells what keeps a database
// from being used. Nothing has changed before the backup has proved to be whole.
// It returns the number of files, and the directory within dir in which what was
// there before is kept.
func Restore(ctx context.Context, dir string, check func(ctx context.Context, path string) error, r io.Reader) (files int, old string, err error) {
	if err := FinishRestore(dir); err != nil { // an earlier one
		return 0, "", err
	}
	work := filepath.Join(dir, restoreWork)
	if err := os.RemoveAll(work); err != nil { // of one that was killed
		return 0, "", err
	}
	if files, err = Unpack(ctx, r, work); err != nil {
		return 0, "", err
	}
	err = check(ctx, filepath.Join(work, backupDB))
	if err == nil {
		err = settle(work)
	}
	if err == nil {
		err = os.Rename(work, filepath.Join(dir, restoreReady))
	}
	if err != nil {
		return 0, "", errors.Join(err, os.RemoveAll(work))
	}
	old, err = moveAll(dir)
	return files, old, err
}

// settle makes what was unpacked durable, and complete: what a backup lacks
// must not stay as it was.
func settle(work string) error {
	for _, name := range append([]string{restoreOld}, backupTrees...) {
		if err := os.Mkdir(filepath.Join(work, name), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return filepath.WalkDir(work, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		return syncDir(path)
	})
}

// FinishRestore ends a restore that a crash has cut short after it was decided.
// It must be called, with dir locked, before anything in dir is opened.
func FinishRestore(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, restoreReady)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	_, err := moveAll(dir)
	return err
}

// moveAll gives everything that was restored its place, and returns where what
// was there before is kept. It may have been begun before.
func moveAll(dir string) (old string, err error) {
	ready := filepath.Join(dir, restoreReady)
	if err := syncDir(dir); err != nil {
		return "", err
	}
	for _, name := range append([]string{backupDB}, backupTrees...) {
		if err := moveIn(dir, name); err != nil {
			return "", fmt.Errorf("restoring %s: %w", name, err)
		}
	}
	old = filepath.Join(dir, restoredOver+time.Now().UTC().Format("20060102T150405.000000Z"))
	if err := os.Rename(filepath.Join(ready, restoreOld), old); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if err := errors.Join(os.RemoveAll(ready), syncDir(dir)); err != nil {
		return "", err
	}
	return old, nil
}

// moveIn gives one entry of the state directory its place, and keeps what has it
// now. It does nothing if that has been done.
func moveIn(dir, name string) error {
	ready := filepath.Join(dir, restoreReady)
	fresh := filepath.Join(ready, name)
	if _, err := os.Stat(fresh); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	displaced := []string{name}
	if name == backupDB {
		displaced = append(databaseLogs[:len(databaseLogs):len(databaseLogs)], name)
	}
	for _, name := range displaced {
		err := os.Rename(filepath.Join(dir, name), filepath.Join(ready, restoreOld, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := errors.Join(syncDir(filepath.Join(ready, restoreOld)), syncDir(dir)); err != nil {
		return err
	}
	if err := os.Rename(fresh, filepath.Join(dir, name)); err != nil {
		return err
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
