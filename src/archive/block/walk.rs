//! Walks through the files of a stream in block form.
//!
//! In order: `meta.inf`, `meta.sum`, `msgs/<N>.blk`, perhaps `msgs/index.db`, then for every
//! consumer `obs/<name>/meta.inf`, `meta.sum` and `o.dat`. All hashes are keyed by the stream's
//! name, which `meta.inf` tells. Servers restore a tar that lacks any of it but `meta.inf`.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::super::consumer::{Consumer, ConsumerMemory, ConsumerState, is_name};
use super::super::consumer_state;
use super::super::defect::{Defect, Kind, Level};
use super::super::error::ArchiveError;
use super::super::visitor::{StreamMeta, Visitor, Walked};
use super::compressed;
use super::files::{BlockFiles, FileName};
use super::hash::HashKey;
use super::index::Index;
use super::record::{Content, Records};

/// What is written of an error that a server left in its archive.
const LONGEST_ERROR: usize = 500;

/// Walks through all files.
pub(in super::super) fn walk(files: &mut dyn BlockFiles, visitor: &mut dyn Visitor) -> Walked {
    let mut walk = Walk {
        visitor,
        stream: None,
        meta_bytes: Vec::new(),
        has_sum: false,
        seen: BTreeSet::new(),
        last_block: None,
        last_sequence: 0,
        has_index: false,
        consumer: None,
        consumer_memory: ConsumerMemory::default(),
    };
    let mut content = Vec::new();
    let is_store = files.is_store();
    loop {
        let next = files.next(&mut content)?;
        for defect in files.take_defects() {
            walk.visitor.defect(defect)?;
        }
        let Some((name, path)) = next else {
            return walk.end();
        };
        walk.file(name, &path, &content, is_store)?;
    }
}

struct Walk<'a> {
    visitor: &'a mut dyn Visitor,
    stream: Option<String>,
    meta_bytes: Vec<u8>,
    has_sum: bool,
    /// The paths seen so far, which must not come twice.
    seen: BTreeSet<String>,
    last_block: Option<u64>,
    last_sequence: u64,
    has_index: bool,
    consumer: Option<UnfinishedConsumer>,
    consumer_memory: ConsumerMemory,
}

/// The files of a consumer come one after the other.
struct UnfinishedConsumer {
    consumer: Consumer,
    meta_bytes: Vec<u8>,
    has_sum: bool,
    has_state: bool,
}

impl Walk<'_> {
    fn found(&mut self, kind: Kind, place: &str, detail: impl Into<String>) -> Walked {
        self.visitor.defect(Defect::new(kind, place, detail))
    }

    fn file(&mut self, name: FileName, path: &str, content: &[u8], is_store: bool) -> Walked {
        // What has no place in a backup is not worth remembering.
        if name.path().is_some() && !self.seen.insert(path.to_owned()) {
            return self.found(Kind::Duplicate, path, "it is there twice");
        }
        match name {
            FileName::Meta => self.meta(content),
            FileName::MetaSum => self.meta_sum(content),
            FileName::Block(number) => self.block(number, content),
            FileName::Index => self.index(content),
            FileName::ConsumerMeta(consumer) => self.consumer_meta(consumer, content),
            FileName::ConsumerSum(consumer) => self.consumer_sum(&consumer, content),
            FileName::ConsumerState(consumer) => self.consumer_state(&consumer, content),
            FileName::Errors => {
                let said = String::from_utf8_lossy(&content[..content.len().min(LONGEST_ERROR)]);
                let detail = format!("the server could not read all of its stream: {said}");
                self.found(Kind::ServerError, path, detail)
            }
            FileName::Derived | FileName::Other if is_store => Ok(()),
            FileName::Key if is_store => Err(ArchiveError::unsupported(
                "this store",
                "it is encrypted at rest, with a key that only its server has",
            )
            .into()),
            FileName::Key | FileName::Derived | FileName::Other => {
                self.found(Kind::UnexpectedFile, path, "no server puts this file there")
            }
        }
    }

    fn meta(&mut self, content: &[u8]) -> Walked {
        const PLACE: &str = "meta.inf";
        let config = serde_json::from_slice::<Map<String, Value>>(content);
        let mut config = match config {
            Ok(config) => config,
            Err(error) => return self.found(Kind::Metadata, PLACE, error.to_string()),
        };
        let created = take_text(&mut config, "Created");
        let Some(name) = config.get("name").and_then(Value::as_str) else {
            return self.found(Kind::Metadata, PLACE, "it does not tell the stream's name");
        };
        let name = name.to_owned();
        if !is_name(&name) {
            let detail = format!("`{}` is no stream's name", name.escape_default());
            self.found(Kind::Metadata, PLACE, detail)?;
        }
        self.meta_bytes = content.to_owned();
        self.stream = Some(name.clone());
        self.visitor.stream(StreamMeta {
            name,
            config,
            created,
        })
    }

    fn meta_sum(&mut self, content: &[u8]) -> Walked {
        self.has_sum = true;
        let Some(stream) = &self.stream else {
            return Ok(());
        };
        let sum = HashKey::of_stream(stream).sum(&self.meta_bytes);
        self.compare_sum("meta.sum", content, &sum)
    }

    fn compare_sum(&mut self, place: &str, content: &[u8], sum: &str) -> Walked {
        if self.visitor.level() < Level::Checksums || content == sum.as_bytes() {
            return Ok(());
        }
        self.found(
            Kind::MetadataChecksum,
            place,
            "it is not the checksum of meta.inf",
        )
    }

    fn block(&mut self, number: u64, content: &[u8]) -> Walked {
        let place = format!("block {number}");
        if self.last_block.is_some_and(|last| last >= number) {
            self.found(Kind::SequenceOrder, &place, "it comes after a later block")?;
        }
        self.last_block = Some(number);
        self.visitor.block(number)?;
        let Some(stream) = &self.stream else {
            return self.found(
                Kind::Metadata,
                &place,
                "no readable meta.inf comes before it",
            );
        };
        let checked = self.visitor.level() >= Level::Checksums;
        let key = checked.then(|| HashKey::of_block(stream, number));
        let plain = match compressed::plain(content, &place) {
            Ok(plain) => plain,
            Err(defect) => return self.visitor.defect(defect),
        };
        let mut records = Records::new(&plain, &place, key);
        for record in records.by_ref() {
            match record {
                Ok(Content::Message(message)) => {
                    let (sequence, last) = (message.sequence, self.last_sequence);
                    if sequence <= last {
                        let detail = format!("sequence {sequence} comes after {last}");
                        self.found(Kind::SequenceOrder, &place, detail)?;
                        continue;
                    }
                    self.last_sequence = sequence;
                    self.visitor.message(&message)?;
                }
                Ok(Content::Erased(sequence)) => {
                    self.last_sequence = self.last_sequence.max(sequence);
                    self.visitor.erased(sequence)?;
                }
                Ok(Content::Tombstone(sequence)) => self.visitor.tombstone(sequence)?,
                Err(defect) => self.visitor.defect(defect)?,
            }
        }
        self.visitor.block_ends(records.last_hash())
    }

    fn index(&mut self, content: &[u8]) -> Walked {
        self.has_index = true;
        let checked = self.visitor.level() >= Level::Checksums;
        let stream = self.stream.as_deref().filter(|_| checked);
        match Index::decode(content, stream) {
            Ok((index, wrong)) => {
                if let Some(defect) = wrong {
                    self.visitor.defect(defect)?;
                }
                self.visitor.index(index)
            }
            Err(defect) => self.visitor.defect(defect),
        }
    }

    fn consumer_meta(&mut self, name: String, content: &[u8]) -> Walked {
        self.finish_consumer()?;
        let place = format!("consumer {name}");
        if !is_name(&name) {
            let detail = format!("`{}` is no consumer's name", name.escape_default());
            return self.found(Kind::Metadata, &place, detail);
        }
        let config = serde_json::from_slice::<Map<String, Value>>(content);
        let mut config = match config {
            Ok(config) => config,
            Err(error) => return self.found(Kind::Metadata, &place, format!("meta.inf: {error}")),
        };
        let _name = config.remove("Name");
        let created = take_text(&mut config, "Created");
        self.consumer = Some(UnfinishedConsumer {
            consumer: Consumer {
                name,
                config,
                created,
                state: ConsumerState::default(),
            },
            meta_bytes: content.to_owned(),
            has_sum: false,
            has_state: false,
        });
        Ok(self.consumer_memory.take(content.len())?)
    }

    /// The consumer whose file it is; what belongs to nobody is a defect.
    fn unfinished(&mut self, name: &str) -> Option<&mut UnfinishedConsumer> {
        self.consumer
            .as_mut()
            .filter(|unfinished| unfinished.consumer.name == name)
    }

    fn stray(&mut self, name: &str) -> Walked {
        let detail = "a file of it does not follow its readable meta.inf";
        self.found(Kind::Metadata, &format!("consumer {name}"), detail)
    }

    fn consumer_sum(&mut self, name: &str, content: &[u8]) -> Walked {
        let stream = self.stream.clone().unwrap_or_default();
        let Some(unfinished) = self.unfinished(name) else {
            return self.stray(name);
        };
        unfinished.has_sum = true;
        let sum = HashKey::of_consumer(&stream, name).sum(&unfinished.meta_bytes);
        self.compare_sum(&format!("consumer {name}"), content, &sum)
    }

    fn consumer_state(&mut self, name: &str, content: &[u8]) -> Walked {
        let place = format!("the state of consumer {name}");
        let Some(unfinished) = self.unfinished(name) else {
            return self.stray(name);
        };
        unfinished.has_state = true;
        match consumer_state::decode(content, &place) {
            Ok(state) => unfinished.consumer.state = state,
            Err(defect) => return self.visitor.defect(defect),
        }
        Ok(self.consumer_memory.take(content.len())?)
    }

    fn finish_consumer(&mut self) -> Walked {
        let Some(unfinished) = self.consumer.take() else {
            return Ok(());
        };
        if !unfinished.has_sum {
            let place = format!("consumer {}", unfinished.consumer.name);
            let detail = "its meta.sum is missing: servers do not restore it";
            self.found(Kind::Metadata, &place, detail)?;
        }
        if !unfinished.has_state {
            let place = format!("consumer {}", unfinished.consumer.name);
            let detail = "it has no state: it begins anew";
            self.found(Kind::NoConsumerState, &place, detail)?;
        }
        self.visitor.consumer(unfinished.consumer)
    }

    fn end(&mut self) -> Walked {
        self.finish_consumer()?;
        if self.stream.is_none() {
            self.found(Kind::Metadata, "the stream", "it has no readable meta.inf")?;
        } else if !self.has_sum {
            self.found(Kind::Metadata, "the stream", "its meta.sum is missing")?;
        }
        if !self.has_index {
            let detail = "there is none: servers rebuild it from the blocks";
            self.found(Kind::NoIndex, "index.db", detail)?;
        }
        Ok(())
    }
}

fn take_text(object: &mut Map<String, Value>, key: &str) -> Option<String> {
    match object.remove(key) {
        Some(Value::String(text)) => Some(text),
        Some(_) | None => None,
    }
}
