//! The files of a stream's directory, by name.

use super::super::defect::Defect;
use super::super::error::Result;

/// What a file of a stream's directory is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum FileName {
    /// `meta.inf`: the stream's configuration.
    Meta,
    /// `meta.sum`: its checksum.
    MetaSum,
    /// `msgs/<N>.blk`: records.
    Block(u64),
    /// `msgs/index.db`.
    Index,
    /// `obs/<consumer>/meta.inf`.
    ConsumerMeta(String),
    /// `obs/<consumer>/meta.sum`.
    ConsumerSum(String),
    /// `obs/<consumer>/o.dat`.
    ConsumerState(String),
    /// `errors.txt`, left by a server that could not read all of its stream (`errFile`).
    Errors,
    /// A key of encryption at rest.
    Key,
    /// What servers keep beside, and make again when it is missing: `thw.db`, `sched.db`, and others.
    Derived,
    /// Anything else.
    Other,
}

/// What servers make again from the blocks.
const DERIVED: [&str; 3] = ["thw.db", "sched.db", "sources.db"];

impl FileName {
    /// Tells by the path inside the stream's directory, which must be relative, and lead nowhere else.
    pub(in super::super) fn of(path: &str) -> Result<Self, &'static str> {
        if path.starts_with('/') || path.contains(['\\', '\0']) {
            return Err("its path is absolute, or none");
        }
        let parts: Vec<&str> = path.split('/').collect();
        if parts.iter().any(|part| matches!(*part, "" | "." | "..")) {
            return Err("its path leads elsewhere");
        }
        Ok(match parts[..] {
            ["meta.inf"] => Self::Meta,
            ["meta.sum"] => Self::MetaSum,
            ["meta.key"] | ["obs", _, "meta.key"] => Self::Key,
            ["errors.txt"] => Self::Errors,
            ["msgs", "index.db"] => Self::Index,
            ["msgs", name] if name.ends_with(".key") => Self::Key,
            ["msgs", name] if DERIVED.contains(&name) => Self::Derived,
            ["msgs", name] => block_number(name).map_or(Self::Other, Self::Block),
            ["obs", consumer, "meta.inf"] => Self::ConsumerMeta(consumer.to_owned()),
            ["obs", consumer, "meta.sum"] => Self::ConsumerSum(consumer.to_owned()),
            ["obs", consumer, "o.dat"] => Self::ConsumerState(consumer.to_owned()),
            _ => Self::Other,
        })
    }

    /// The path inside the stream's directory; none for a file that has no place in a backup.
    pub(in super::super) fn path(&self) -> Option<String> {
        Some(match self {
            Self::Meta => String::from("meta.inf"),
            Self::MetaSum => String::from("meta.sum"),
            Self::Block(number) => format!("msgs/{number}.blk"),
            Self::Index => String::from("msgs/index.db"),
            Self::ConsumerMeta(consumer) => format!("obs/{consumer}/meta.inf"),
            Self::ConsumerSum(consumer) => format!("obs/{consumer}/meta.sum"),
            Self::ConsumerState(consumer) => format!("obs/{consumer}/o.dat"),
            Self::Errors | Self::Key | Self::Derived | Self::Other => return None,
        })
    }
}

/// The number in `<N>.blk`, written as servers write it.
fn block_number(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".blk")?;
    let number: u32 = digits.parse().ok()?;
    (number.to_string() == digits).then_some(u64::from(number))
}

/// The files of one stream, one after the other.
pub(in super::super) trait BlockFiles {
    /// Reads the next file into the buffer, and tells what it is and its path.
    fn next(&mut self, content: &mut Vec<u8>) -> Result<Option<(FileName, String)>>;

    /// What was found wrong since the last time this was asked.
    fn take_defects(&mut self) -> Vec<Defect>;

    /// Whether these are the files of a running or stopped server, which may have more in them
    /// than a backup: keys, and what is derived.
    fn is_store(&self) -> bool;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart_and_lead_nowhere_else() {
        for (path, name) in [
            ("meta.inf", FileName::Meta),
            ("msgs/7.blk", FileName::Block(7)),
            ("msgs/07.blk", FileName::Other),
            ("msgs/4294967296.blk", FileName::Other),
            ("msgs/index.db", FileName::Index),
            (
                "obs/c d/o.dat",
                FileName::ConsumerState(String::from("c d")),
            ),
            ("obs/c/d/o.dat", FileName::Other),
            ("msgs/1.key", FileName::Key),
        ] {
            assert_eq!(FileName::of(path), Ok(name.clone()), "{path}");
            assert!(name.path().is_none_or(|own| own == path));
        }
        for path in [
            "/meta.inf",
            "../meta.inf",
            "obs/../o.dat",
            "",
            "msgs//1.blk",
            "a\\b",
            "./x",
        ] {
            assert!(FileName::of(path).is_err(), "{path}");
        }
    }
}
