package sandbox

import "strings"

// groups is the name at an account's root under which the folders of its groups
// are found. It is reserved: nothing else of that name is served or made.
const groups = "grup"

// A Folder is what a group shares with an account that belongs to it.
type Folder struct {
	Group    int64  // its id
	Name     string // as it is shown
	ReadOnly bool   // for this account, at this moment
}

// Groups are those that an account belongs to. Its functions are asked at each
// operation, from any goroutine, so that joining and leaving count at once. The
// zero value is for an account without groups.
type Groups struct {
	Disk *Disk // of the groups' trees
	// Find finds a folder by the name of its group, in any letter case.
	Find func(name string) (f Folder, ok bool)
	// List lists them by name.
	List func() []Folder
}

// folders lists the folders, if path is where they are and there are any.
func (b *Box) folders(path string) []Folder {
	if b.groups.List == nil || strings.TrimSuffix(path, "/") != "/"+groups {
		return nil
	}
	return b.groups.List()
}

// shared finds the folder that holds the path of these names below [groups].
func (b *Box) shared(names []string, slash bool, reserved error) (place, error) {
	if b.groups.Find == nil || len(names) == 0 {
		return place{}, reserved
	}
	f, ok := b.groups.Find(names[0])
	if !ok {
		return place{}, reserved
	}
	t, err := b.hold(f.Group)
	if err != nil {
		return place{}, err
	}
	p := place{t, "/" + groups + "/" + f.Name, names[1:], slash, Access(b.tree.access.Load())}
	if f.ReadOnly {
		p.access = ReadOnly
	}
	return p, nil
}

// hold opens the tree of a group, for as long as the Box is open.
func (b *Box) hold(group int64) (*tree, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, ErrNotFound
	}
	if t := b.held[group]; t != nil {
		return t, nil
	}
	t, err := b.groups.Disk.hold(group, Terms{FullAccess, Default, Default})
	if err != nil {
		return nil, err
	}
	if b.held == nil {
		b.held = map[int64]*tree{}
	}
	b.held[group] = t
	return t, nil
}

// listFolders describes the folders as directories.
func (b *Box) listFolders(folders []Folder) (*Listing, error) {
	s := &sorter{scratch: place{tree: b.tree}.scratch}
	defer s.close()
	for _, f := range folders {
		p, err := b.shared([]string{f.Name}, true, ErrNotFound)
		var e Entry
		if err == nil {
			e, err = p.root()
		}
		if err == nil {
			e.Name = f.Name
			err = s.add(e)
		}
		if err != nil && err != ErrNotFound { // left, or removed, since
			return nil, err
		}
	}
	return s.listing()
}

// Folder returns the group's folder that holds path, and the path within it;
// false if it is the account's own, or none.
func (b *Box) Folder(path string) (f Folder, within string, ok bool) {
	names, _, err := split(path)
	if err != nil || len(names) < 2 || names[0] != groups || b.groups.Find == nil {
		return Folder{}, "", false
	}
	f, ok = b.groups.Find(names[1])
	return f, strings.Join(names[2:], "/"), ok
}
