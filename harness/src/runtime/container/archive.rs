//! Tar archives, the only way in and out of a container that has no shell.

use std::fs;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use tar::{Archive, Builder, EntryType, Header};

/// Puts files into an archive in memory.
pub(super) struct Packer(Builder<Vec<u8>>);

impl Packer {
    pub(super) fn new() -> Self {
        Self(Builder::new(Vec::new()))
    }

    pub(super) fn file(&mut self, path: &str, mode: u32, content: &[u8]) {
        self.append(path, EntryType::Regular, mode, content);
    }

    pub(super) fn directory(&mut self, path: &str, mode: u32) {
        self.append(path, EntryType::Directory, mode, &[]);
    }

    fn append(&mut self, path: &str, kind: EntryType, mode: u32, content: &[u8]) {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(content.len() as u64);
        let appended = self.0.append_data(&mut header, path, content);
        appended.expect("our own short paths fit, and memory takes every write");
    }

    pub(super) fn finish(self) -> Vec<u8> {
        let finished = self.0.into_inner();
        finished.expect("memory takes every write")
    }
}

/// The header of a file of that size whose content follows somewhere else.
pub(super) fn header_of(path: &str, size: u64) -> Vec<u8> {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o600);
    header.set_size(size);
    header.set_path(path).expect("our own short paths fit");
    header.set_cksum();
    header.as_bytes().to_vec()
}

/// Unpacks what is below the one directory that an engine's archive begins with. Anything
/// but files and directories is left out: a server makes none.
pub(super) fn unpack(archive: impl Read, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in Archive::new(archive).entries()? {
        let mut entry = entry?;
        let Some(inside) = below_first(&entry.path()?)? else {
            continue;
        };
        let target = to.join(inside);
        if entry.header().entry_type().is_dir() {
            fs::create_dir_all(&target)?;
        } else if entry.header().entry_type().is_file() {
            if let Some(parent) = target.parent() {
                fs::create_dir_all(parent)?;
            }
            io::copy(&mut entry, &mut fs::File::create(&target)?)?;
        }
    }
    Ok(())
}

/// Copies an archive without what is below a directory, named from the archive's top.
pub(super) fn without(archive: impl Read, left_out: &Path) -> io::Result<Vec<u8>> {
    let mut copy = Builder::new(Vec::new());
    for entry in Archive::new(archive).entries()? {
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        if path.starts_with(left_out) {
            continue;
        }
        let mut header = entry.header().clone();
        copy.append_data(&mut header, &path, &mut entry)?;
    }
    copy.into_inner()
}

/// Packs what a local directory holds, to be unpacked at a place.
pub(super) fn pack(from: &Path, place: &Path) -> io::Result<Vec<u8>> {
    let mut packed = Builder::new(Vec::new());
    // Directories above it are made as well: an engine makes none that is not named.
    let mut above: Vec<_> = place.ancestors().skip(1).collect();
    above.retain(|path| !path.as_os_str().is_empty());
    for path in above.into_iter().rev() {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Directory);
        header.set_mode(0o750);
        header.set_size(0);
        packed.append_data(&mut header, path, io::empty())?;
    }
    packed.append_dir_all(place, from)?;
    packed.into_inner()
}

/// A path without its first part, or nothing when there is no more.
fn below_first(path: &Path) -> io::Result<Option<PathBuf>> {
    let mut parts = Vec::new();
    for part in path.components() {
        match part {
            Component::Normal(part) => parts.push(part),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                let text = format!("an archive that leads to {}", path.display());
                return Err(io::Error::new(io::ErrorKind::InvalidData, text));
            }
        }
    }
    let inside: PathBuf = parts.into_iter().skip(1).collect();
    Ok(Some(inside).filter(|inside| !inside.as_os_str().is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<u8> {
        let mut packer = Packer::new();
        packer.directory("store/", 0o755);
        packer.file("store/a/one", 0o600, b"1");
        packer.file("store/b/two", 0o600, b"2");
        packer.finish()
    }

    #[test]
    fn what_is_below_the_first_directory_is_unpacked() {
        let root = tempfile::tempdir().unwrap();
        unpack(&*sample(), root.path()).unwrap();
        assert_eq!(fs::read(root.path().join("a/one")).unwrap(), b"1");
    }

    #[test]
    fn what_is_left_out_is_not_copied() {
        let copy = without(&*sample(), Path::new("store/a")).unwrap();
        let root = tempfile::tempdir().unwrap();
        unpack(&*copy, root.path()).unwrap();
        assert!(!root.path().join("a").exists());
        assert_eq!(fs::read(root.path().join("b/two")).unwrap(), b"2");
    }

    #[test]
    fn what_is_packed_is_unpacked_at_its_place() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("b")).unwrap();
        fs::write(root.path().join("b/two"), b"2").unwrap();
        let packed = pack(root.path(), Path::new("store/a")).unwrap();
        let to = tempfile::tempdir().unwrap();
        unpack(&*packed, to.path()).unwrap();
        assert_eq!(fs::read(to.path().join("a/b/two")).unwrap(), b"2");
    }

    #[test]
    fn an_archive_that_leads_elsewhere_is_refused() {
        assert!(below_first(Path::new("store/../../etc/passwd")).is_err());
        assert!(below_first(Path::new("/etc/passwd")).is_err());
    }
}
