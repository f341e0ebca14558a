//! Digests of files and of what streams hold.

use std::fs::File;
use std::io::{self, Read as _, Write};
use std::path::Path;

use highway::{HighwayHash as _, HighwayHasher, Key};
use sha2::{Digest as _, Sha256};

use crate::archive::Message;

/// How much of a file is read at once.
const AT_ONCE: usize = 1 << 18;

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string can't fail.
        let _written = write!(text, "{byte:02x}");
        text
    })
}

/// The SHA-256 of a text, in hexadecimal.
pub(crate) fn sha256(text: &[u8]) -> String {
    hex(&Sha256::digest(text))
}

/// The SHA-256 of a file, in hexadecimal.
pub(super) fn sha256_of_file(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; AT_ONCE];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex(&hasher.finalize())),
            count => hasher.update(&buffer[..count]),
        }
    }
}

/// Takes a digest of everything that is written through it, and counts it.
pub(crate) struct Digesting<W> {
    output: W,
    hasher: Sha256,
    bytes: u64,
}

impl<W: Write> Digesting<W> {
    pub(crate) fn new(output: W) -> Self {
        Self {
            output,
            hasher: Sha256::new(),
            bytes: 0,
        }
    }

    /// The output, the SHA-256 in hexadecimal, and how much was written.
    pub(crate) fn finish(self) -> (W, String, u64) {
        (self.output, hex(&self.hasher.finalize()), self.bytes)
    }
}

impl<W: Write> Write for Digesting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.output.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

/// The digest of one message, with everything that belongs to it.
pub(crate) fn message_digest(message: &Message<'_>) -> [u64; 4] {
    let mut digest = MessageDigest::new();
    digest.add(message);
    digest.finish()
}

/// A digest of messages, in their order, with everything that belongs to them. It tells two streams
/// apart, and is no proof against anybody: for that there is the SHA-256 of the file.
pub(super) struct MessageDigest(HighwayHasher);

impl MessageDigest {
    pub(super) fn new() -> Self {
        Self(HighwayHasher::new(Key::default()))
    }

    pub(super) fn add(&mut self, message: &Message<'_>) {
        self.0.append(&message.sequence.to_le_bytes());
        self.0.append(&message.time_ns.to_le_bytes());
        for part in [message.subject, message.headers, message.payload] {
            self.0.append(&(part.len() as u64).to_le_bytes());
            self.0.append(part);
        }
    }

    pub(super) fn finish(self) -> [u64; 4] {
        self.0.finalize256()
    }
}
