//! Damage to a stopped node's disk: copied, altered, put back, and copied again to see that it
//! took effect.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use lifeboat_harness::{Node, NodeState, StoreArea};

use super::choice::choose;
use super::failure::{Failure, impossible};
use super::faults::{done, fault};
use super::steps::Outcome;
use super::world::World;
use crate::archive::{header_lengths, payloads};
use crate::ledger::FaultKind;
use crate::scenario::{DamageTarget, Harm, NodeChoice, StreamPart};

/// A file as it is to be: altered, or gone.
type Altered = (PathBuf, Option<Vec<u8>>);

pub(super) async fn damage(
    world: &World<'_>,
    choice: &NodeChoice,
    target: &DamageTarget,
    harm: Harm,
) -> Outcome {
    let name = choose(world, choice).await?;
    if world.cluster().node(&name).state().map_err(impossible)? != NodeState::Stopped {
        let text = format!("{name} runs: only a stopped node's disk can be damaged");
        return Err(impossible(text));
    }
    let node = fault(world, choice, &name, FaultKind::Damage).await?;
    let number = world.next_damage();
    let mut random = fastrand::Rng::with_seed(world.recorder.seed ^ number);
    let copy = |what: &str| world.evidence.store(&format!("{what}-{number}"), &name);
    let (area, copied) = (area_of(world, target), copy("damaged"));
    if !node.copy_store(&area, &copied).await.map_err(impossible)? {
        return Err(impossible(format!("{name} has no {target}")));
    }
    if *target == DamageTarget::MetaGroup && harm == Harm::Remove {
        node.wipe_area(&area).await.map_err(impossible)?;
        let rest = node.copy_store(&area, &copy("not-removed")).await;
        if rest.map_err(impossible)? {
            return Err(impossible(format!("{target} of {name} is still there")));
        }
        return done(world, &node);
    }
    let altered = alter(world, &copied, target, harm, &mut random)?;
    node.put_store(&area, &copied).await.map_err(impossible)?;
    seen(&node, &area, &copy("seen"), &altered).await?;
    done(world, &node)
}

fn area_of(world: &World<'_>, target: &DamageTarget) -> StoreArea {
    match target {
        DamageTarget::Stream { stream, .. } => StoreArea::Stream {
            account: world.cluster().credentials().account.clone(),
            stream: stream.clone(),
        },
        DamageTarget::MetaGroup => StoreArea::MetaGroup,
    }
}

/// Does the harm to a copy; the files as they are then, by their paths in it.
fn alter(
    world: &World<'_>,
    root: &Path,
    target: &DamageTarget,
    harm: Harm,
    random: &mut fastrand::Rng,
) -> Result<Vec<Altered>, Failure> {
    let files = files_of(root, target).map_err(impossible)?;
    if files.is_empty() {
        return Err(impossible(format!("there is no file of {target}")));
    }
    let is_length = matches!(
        target,
        DamageTarget::Stream {
            part: StreamPart::HeaderLength,
            ..
        }
    );
    let mut altered = Vec::new();
    for file in files {
        let path = root.join(&file);
        let content = fs::read(&path).map_err(impossible)?;
        let before = content.clone();
        let shown = file.display();
        let after = match harm {
            Harm::Remove => {
                world.note(format!("{shown}, {} bytes, is removed", content.len()));
                fs::remove_file(&path).map_err(impossible)?;
                None
            }
            Harm::Truncate => {
                let kept = content.len() / 3 * 2;
                world.note(format!(
                    "{shown} is cut from {} to {kept} bytes",
                    content.len()
                ));
                Some(content[..kept].to_vec())
            }
            Harm::Flip | Harm::Overflow => {
                let (at, bit) = if is_length {
                    choose_length_bit(&content, harm)
                        .ok_or_else(|| impossible(format!("{shown} has no header length")))?
                } else {
                    choose_bit(&content, random)
                        .ok_or_else(|| impossible(format!("{shown} is empty")))?
                };
                world.note(format!("bit {bit} of byte {at} of {shown} is flipped"));
                let mut flipped = content;
                flipped[at] ^= 1 << bit;
                Some(flipped)
            }
        };
        if after.as_ref() == Some(&before) {
            return Err(impossible(format!("{shown} is as it was")));
        }
        if let Some(after) = &after {
            fs::write(&path, after).map_err(impossible)?;
        }
        altered.push((file, after));
    }
    Ok(altered)
}

/// A bit of the payload in the middle of a block; of any other file in its middle.
fn choose_bit(content: &[u8], random: &mut fastrand::Rng) -> Option<(usize, u32)> {
    let bit = random.u32(0..8);
    let payloads = payloads(content);
    match payloads.get(payloads.len() / 2) {
        Some(middle) => Some((random.usize(middle.clone()), bit)),
        None if content.is_empty() => None,
        None => Some((content.len() / 2, bit)),
    }
}

/// A bit of the header length in the middle of a block: the lowest by which the headers are no longer
/// than headers and payload were, or the lowest by which they are.
fn choose_length_bit(content: &[u8], harm: Harm) -> Option<(usize, u32)> {
    let lengths = header_lengths(content);
    let middle = lengths.get(lengths.len() / 2)?;
    let does = |bit: &u32| match harm {
        Harm::Overflow => middle.length ^ (1 << bit) > middle.most,
        Harm::Flip | Harm::Truncate | Harm::Remove => middle.length ^ (1 << bit) <= middle.most,
    };
    let bit = (0..u32::BITS).find(does)?;
    Some((middle.at + bit as usize / 8, bit % 8))
}

/// The files that are meant, by their paths in a copy.
fn files_of(root: &Path, target: &DamageTarget) -> io::Result<Vec<PathBuf>> {
    let blocks = || blocks_of(&root.join("msgs"));
    let in_messages = |name: PathBuf| Path::new("msgs").join(name);
    let files = match target {
        DamageTarget::MetaGroup => {
            let snapshots = names_in(&root.join("snapshots"))?;
            let snapshots = snapshots.into_iter();
            let snapshots = snapshots.map(|name| Path::new("snapshots").join(name));
            let blocks = blocks()?.into_iter().map(in_messages);
            blocks.chain(snapshots).collect()
        }
        DamageTarget::Stream { part, .. } => match part {
            StreamPart::FirstBlock | StreamPart::HeaderLength => {
                blocks()?.into_iter().take(1).map(in_messages).collect()
            }
            StreamPart::LastBlock => {
                let last = blocks()?.into_iter().next_back();
                last.into_iter().map(in_messages).collect()
            }
            StreamPart::Index => vec![PathBuf::from("msgs/index.db")],
            StreamPart::Messages => {
                let names = names_in(&root.join("msgs"))?.into_iter();
                names.map(in_messages).collect()
            }
            StreamPart::Consumers => {
                let names = names_in(&root.join("obs"))?.into_iter();
                let states = names.map(|name| Path::new("obs").join(name).join("o.dat"));
                states.collect()
            }
            StreamPart::Configuration => vec![PathBuf::from("meta.inf")],
        },
    };
    let exists = |file: &PathBuf| root.join(file).is_file();
    Ok(files.into_iter().filter(exists).collect())
}

/// The blocks in a directory, the oldest first.
fn blocks_of(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut blocks: Vec<(u64, PathBuf)> = names_in(directory)?
        .into_iter()
        .filter_map(|name| {
            let number = name.to_str()?.strip_suffix(".blk")?.parse().ok()?;
            Some((number, name))
        })
        .collect();
    blocks.sort();
    Ok(blocks.into_iter().map(|(_, name)| name).collect())
}

/// The names in a directory, in order; none where there is no such directory.
fn names_in(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        names.push(PathBuf::from(entry?.file_name()));
    }
    names.sort();
    Ok(names)
}

/// A fault that was not injected proves nothing, so the disk is looked at.
async fn seen(node: &Node<'_>, area: &StoreArea, copy: &Path, altered: &[Altered]) -> Outcome {
    node.copy_store(area, copy).await.map_err(impossible)?;
    for (file, wanted) in altered {
        let found = match fs::read(copy.join(file)) {
            Ok(content) => Some(content),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(impossible(error)),
        };
        if found != *wanted {
            let (name, file) = (node.name(), file.display());
            return Err(impossible(format!(
                "{file} of {name} is not as it was to be"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_in_the_order_of_their_numbers() {
        let root = tempfile::tempdir().unwrap();
        let messages = root.path().join("msgs");
        fs::create_dir(&messages).unwrap();
        for name in ["10.blk", "9.blk", "index.db", "x.blk"] {
            fs::write(messages.join(name), name).unwrap();
        }
        let files = |part| {
            let target = DamageTarget::Stream {
                stream: String::from("S"),
                part,
            };
            files_of(root.path(), &target).unwrap()
        };
        assert_eq!(files(StreamPart::FirstBlock), [Path::new("msgs/9.blk")]);
        assert_eq!(files(StreamPart::LastBlock), [Path::new("msgs/10.blk")]);
        assert_eq!(files(StreamPart::Index), [Path::new("msgs/index.db")]);
        assert_eq!(files(StreamPart::Messages).len(), 4);
        // What is not there can't be damaged.
        assert!(files(StreamPart::Configuration).is_empty());
        assert!(files(StreamPart::Consumers).is_empty());
        fs::create_dir(root.path().join("snapshots")).unwrap();
        fs::write(root.path().join("snapshots/snap.1.2"), "").unwrap();
        let meta = files_of(root.path(), &DamageTarget::MetaGroup).unwrap();
        let expected = ["msgs/9.blk", "msgs/10.blk", "snapshots/snap.1.2"].map(Path::new);
        assert_eq!(meta, expected);
    }

    /// A message's record as servers write it, but for its hash.
    fn record(headers: u32, payload: u32) -> Vec<u8> {
        let length = 22 + 1 + 4 + headers + payload + 8;
        let mut record = (length | 1 << 31).to_le_bytes().to_vec();
        record.extend([1, 0, 0, 0, 0, 0, 0, 0]);
        record.extend([0; 8]);
        record.extend([1, 0, b's']);
        record.extend(headers.to_le_bytes());
        record.extend(vec![b'x'; (headers + payload + 8) as usize]);
        record
    }

    #[test]
    fn a_length_is_flipped_so_that_it_fits_or_so_that_it_does_not() {
        let chosen = |headers, payload, harm| choose_length_bit(&record(headers, payload), harm);
        // 23 is where the length begins.
        assert_eq!(chosen(12, 10, Harm::Flip), Some((23, 0)));
        assert_eq!(chosen(12, 0, Harm::Flip), Some((23, 2)));
        assert_eq!(chosen(12, 10, Harm::Overflow), Some((23, 4)));
        assert_eq!(chosen(12, 1000, Harm::Overflow), Some((24, 2)));
        assert_eq!(choose_length_bit(b"no block", Harm::Flip), None);
    }

    #[test]
    fn a_bit_is_chosen_by_the_seed() {
        let chosen = |seed| choose_bit(b"no block", &mut fastrand::Rng::with_seed(seed));
        assert_eq!(chosen(1), chosen(1));
        assert_eq!(chosen(1).unwrap().0, 4);
        assert_eq!(choose_bit(b"", &mut fastrand::Rng::with_seed(1)), None);
    }
}
