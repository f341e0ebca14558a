//! What can be wrong with a backup: every defect has a kind, and the kind says how bad it is.

use std::fmt;

use serde::Serialize;

/// How deep a check goes. Each level includes those before it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Everything that must be there is there, readable, and in its place.
    Structure,
    /// Every checksum agrees: of frames, records, metadata, indexes.
    Checksums,
    /// What it holds agrees with what it says it holds.
    #[default]
    Content,
}

/// How bad a defect is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; nothing is wrong.
    Remark,
    /// What is there is sound, but something that the stream had is not.
    Lack,
    /// It is not what was written.
    Damage,
}

/// The kinds of defects. Their names in reports are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Kind {
    /// An S2 frame that is none, or can't be decoded.
    Frame,
    /// The content ends in the middle of something.
    CutOff,
    /// The closing zeros of a tar, or the closing entry of a message archive, are missing.
    NotClosed,
    /// Something follows the end.
    AfterTheEnd,
    /// A tar entry that no server writes: a broken header, a link, a path that leads elsewhere.
    Entry,
    /// A file that no server puts there.
    UnexpectedFile,
    /// Metadata that can't be read: of the stream, of a consumer, of the backup.
    Metadata,
    /// A length or a number beyond what any server writes.
    TooLarge,
    /// A record of a block whose lengths contradict each other.
    Record,
    /// The same file or block twice.
    Duplicate,
    /// A block that the index lists is not there.
    AbsentBlock,
    /// The server left an error instead of content (`errors.txt`).
    ServerError,
    /// The CRC-32C of an S2 frame, or the CRC-32 of a gzip file, is wrong.
    FrameChecksum,
    /// The HighwayHash of a record is wrong.
    RecordChecksum,
    /// `meta.sum` is not the checksum of `meta.inf`.
    MetadataChecksum,
    /// The checksum of `index.db` is wrong.
    IndexChecksum,
    /// The backup is not the one that its manifest describes.
    Manifest,
    /// Sequences that do not rise.
    SequenceOrder,
    /// A message outside the first and last sequence of the stream.
    OutsideTheStream,
    /// More messages, or another number of consumers, than it says it holds.
    Count,
    /// A consumer that has delivered or acknowledged what the stream does not have yet.
    ConsumerAhead,
    /// A consumer whose positions contradict each other.
    ConsumerState,
    /// Fewer messages than the stream had.
    FewerMessages,
    /// Fewer streams than the account had.
    FewerStreams,
    /// Fewer consumers than the stream had.
    FewerConsumers,
    /// Headers that do not look like any: sent so by a client, or their length is damaged.
    OddHeaders,
    /// A subject with an empty token or white space, which no NATS client can publish to: made so by the
    /// stream's transform or by MQTT, or its length is damaged.
    OddSubject,
    /// The index counts other messages by subject than there are: the length of a subject is damaged,
    /// or the server miscounted.
    SubjectsDiffer,
    /// A consumer without a state, which begins anew.
    NoConsumerState,
    /// A consumer that was saved later than the messages, and stands beyond the last of them.
    ConsumerLater,
    /// The index was written at another moment than the blocks.
    IndexDiffers,
    /// There is no index; servers rebuild it from the blocks.
    NoIndex,
    /// There is no manifest, so nothing proves that this is all that was written.
    NoManifest,
    /// A message archive under a tar's name: so the `nats` CLI wrote those of 2.15 servers until it knew
    /// of them (jsm.go#852).
    ArchiveName,
}

impl Kind {
    /// How bad it is.
    pub fn severity(self) -> Severity {
        match self {
            Self::IndexDiffers
            | Self::NoIndex
            | Self::NoManifest
            | Self::ArchiveName
            | Self::NoConsumerState
            | Self::OddHeaders
            | Self::OddSubject
            | Self::SubjectsDiffer
            | Self::UnexpectedFile => Severity::Remark,
            Self::FewerMessages
            | Self::FewerStreams
            | Self::FewerConsumers
            | Self::ConsumerLater => Severity::Lack,
            Self::Frame
            | Self::CutOff
            | Self::NotClosed
            | Self::AfterTheEnd
            | Self::Entry
            | Self::Metadata
            | Self::TooLarge
            | Self::Record
            | Self::Duplicate
            | Self::AbsentBlock
            | Self::ServerError
            | Self::FrameChecksum
            | Self::RecordChecksum
            | Self::MetadataChecksum
            | Self::IndexChecksum
            | Self::Manifest
            | Self::SequenceOrder
            | Self::OutsideTheStream
            | Self::Count
            | Self::ConsumerAhead
            | Self::ConsumerState => Severity::Damage,
        }
    }

    /// The level of checks that finds it.
    pub fn level(self) -> Level {
        match self {
            Self::FrameChecksum
            | Self::RecordChecksum
            | Self::MetadataChecksum
            | Self::IndexChecksum
            | Self::Manifest => Level::Checksums,
            Self::SequenceOrder
            | Self::OutsideTheStream
            | Self::Count
            | Self::ConsumerAhead
            | Self::ConsumerState
            | Self::FewerMessages
            | Self::FewerStreams
            | Self::FewerConsumers
            | Self::ConsumerLater
            | Self::NoConsumerState
            | Self::SubjectsDiffer
            | Self::IndexDiffers => Level::Content,
            Self::Frame
            | Self::CutOff
            | Self::NotClosed
            | Self::AfterTheEnd
            | Self::Entry
            | Self::UnexpectedFile
            | Self::Metadata
            | Self::TooLarge
            | Self::Record
            | Self::OddHeaders
            | Self::OddSubject
            | Self::Duplicate
            | Self::AbsentBlock
            | Self::ServerError
            | Self::NoIndex
            | Self::NoManifest
            | Self::ArchiveName => Level::Structure,
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Defect {
    /// What kind of thing.
    pub kind: Kind,
    /// How bad it is.
    pub severity: Severity,
    /// Which checks found it.
    pub level: Level,
    /// Where it is, such as `block 7` or `frame 12 at byte 8123`.
    pub place: String,
    /// What is wrong, in words.
    pub detail: String,
}

impl Defect {
    /// A defect of that kind.
    pub fn new(kind: Kind, place: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            kind,
            severity: kind.severity(),
            level: kind.level(),
            place: place.into(),
            detail: detail.into(),
        }
    }

    /// Whether content is not what was written.
    pub fn is_damage(&self) -> bool {
        self.severity == Severity::Damage
    }
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.detail)
    }
}

/// All defects of a backup: every one is counted, the first [`Defects::KEPT`] are kept, and the first
/// that is damage.
#[derive(Debug, Clone, Default)]
pub struct Defects {
    kept: Vec<Defect>,
    first_damage: Option<Defect>,
    total: u64,
    damages: u64,
    lacks: u64,
}

impl Defects {
    /// So many are kept word by word; a damaged archive can have one for every message.
    pub const KEPT: usize = 1000;

    /// Adds one.
    pub fn push(&mut self, defect: Defect) {
        self.total += 1;
        match defect.severity {
            Severity::Damage => {
                self.damages += 1;
                self.first_damage.get_or_insert_with(|| defect.clone());
            }
            Severity::Lack => self.lacks += 1,
            Severity::Remark => {}
        }
        if self.kept.len() < Self::KEPT {
            self.kept.push(defect);
        }
    }

    /// Adds all of another list, those that it counts and did not keep too.
    pub fn append(&mut self, other: &Self) {
        let room = Self::KEPT.saturating_sub(self.kept.len());
        self.kept.extend(other.kept.iter().take(room).cloned());
        self.total += other.total;
        self.damages += other.damages;
        if self.first_damage.is_none() {
            self.first_damage.clone_from(&other.first_damage);
        }
        self.lacks += other.lacks;
    }

    /// Those that were kept, in the order in which they were found.
    pub fn kept(&self) -> &[Defect] {
        &self.kept
    }

    /// How many there are, of every severity.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The worst that was found; none when there is nothing.
    pub fn worst(&self) -> Option<Severity> {
        if self.damages > 0 {
            Some(Severity::Damage)
        } else if self.lacks > 0 {
            Some(Severity::Lack)
        } else {
            (self.total > 0).then_some(Severity::Remark)
        }
    }

    /// The first that is damage and not a consumer ahead of its stream, which can be set back.
    pub fn first_damage_of_content(&self) -> Option<&Defect> {
        let is_one = |defect: &&Defect| defect.is_damage() && defect.kind != Kind::ConsumerAhead;
        // Beyond those that were kept, of which all were looked at, any damage counts.
        let is_all = self.total <= self.kept.len() as u64;
        let found = self.kept.iter().find(is_one);
        if is_all {
            found
        } else {
            found.or(self.first_damage.as_ref())
        }
    }

    /// The first that is damage.
    pub fn first_damage(&self) -> Option<&Defect> {
        self.first_damage.as_ref()
    }
}

impl Extend<Defect> for Defects {
    fn extend<T: IntoIterator<Item = Defect>>(&mut self, defects: T) {
        defects.into_iter().for_each(|defect| self.push(defect));
    }
}
