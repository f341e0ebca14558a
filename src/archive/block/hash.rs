//! HighwayHash-64 as servers use it: keyed by the SHA-256 of a name (`filestore.go`).

use highway::{HighwayHash as _, HighwayHasher, Key};
use sha2::{Digest as _, Sha256};

/// A key that a server derives from a name.
#[derive(Debug, Clone, Copy)]
pub(super) struct HashKey(Key);

impl HashKey {
    /// For the files of a stream itself: `meta.inf` and `index.db`.
    pub(super) fn of_stream(stream: &str) -> Self {
        Self::of(stream)
    }

    /// For the records of one block of a stream.
    pub(super) fn of_block(stream: &str, block: u64) -> Self {
        Self::of(&format!("{stream}-{block}"))
    }

    /// For the metadata of a consumer of a stream.
    pub(super) fn of_consumer(stream: &str, consumer: &str) -> Self {
        Self::of(&format!("{stream}/{consumer}"))
    }

    fn of(name: &str) -> Self {
        let digest = Sha256::digest(name.as_bytes());
        let mut words = [0_u64; 4];
        for (word, bytes) in words.iter_mut().zip(digest.chunks_exact(8)) {
            *word = u64::from_le_bytes(bytes.try_into().expect("chunks of eight bytes"));
        }
        Self(Key(words))
    }

    /// The hash of some parts, one after the other.
    pub(super) fn hash<'a>(self, parts: impl IntoIterator<Item = &'a [u8]>) -> [u8; 8] {
        let mut hasher = HighwayHasher::new(self.0);
        for part in parts {
            hasher.append(part);
        }
        hasher.finalize64().to_le_bytes()
    }

    /// The hash of a metadata file as `meta.sum` holds it: 16 hexadecimal digits.
    pub(super) fn sum(self, metadata: &[u8]) -> String {
        let hash = u64::from_be_bytes(self.hash([metadata]));
        format!("{hash:016x}")
    }
}
