//! Which streams of a large backup are rehearsed. A stream is restored whole or not at all.

use std::str::FromStr;

use super::record::SampleRecord;
use super::saved::SavedStream;

/// How much of a backup is rehearsed.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum Sample {
    /// All of it.
    #[default]
    Everything,
    /// So many streams.
    Streams(usize),
    /// So many percent of its streams, at least one.
    Percent(f64),
}

impl FromStr for Sample {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!("{text} is neither a number of streams, such as 5, nor a share, such as 10%")
        };
        if let Some(percent) = text.strip_suffix('%') {
            let percent: f64 = percent.trim().parse().map_err(|_| wrong())?;
            return if percent > 0.0 && percent <= 100.0 {
                Ok(Self::Percent(percent))
            } else {
                Err(wrong())
            };
        }
        match text.parse() {
            Ok(0) | Err(_) => Err(wrong()),
            Ok(streams) => Ok(Self::Streams(streams)),
        }
    }
}

impl Sample {
    /// Chooses streams at random, and says what was chosen, if that is not all.
    pub(super) fn choose(
        self,
        streams: &[SavedStream],
        seed: u64,
    ) -> (Vec<SavedStream>, Option<SampleRecord>) {
        let all = streams.len();
        let wanted = match self {
            Self::Everything => all,
            Self::Streams(count) => count.min(all),
            Self::Percent(percent) => share_of(all, percent),
        };
        if wanted == all {
            return (streams.to_vec(), None);
        }
        let mut random = fastrand::Rng::with_seed(seed);
        let mut chosen = random.choose_multiple(0..all, wanted);
        chosen.sort_unstable();
        let left_out = (0..all).filter(|index| chosen.binary_search(index).is_err());
        let left_out = left_out.map(|index| streams[index].name.clone()).collect();
        let chosen: Vec<_> = chosen.iter().map(|index| streams[*index].clone()).collect();
        let bytes = |streams: &[SavedStream]| streams.iter().map(|one| one.archive_bytes).sum();
        let record = SampleRecord {
            streams: wanted,
            of_streams: all,
            bytes: bytes(&chosen),
            of_bytes: bytes(streams),
            seed,
            left_out,
        };
        (chosen, Some(record))
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a share of a number of streams, between one and all of them"
)]
fn share_of(all: usize, percent: f64) -> usize {
    let share = (all as f64 * percent / 100.0).ceil() as usize;
    share.clamp(1, all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn streams(count: u64) -> Vec<SavedStream> {
        let stream = |number: u64| SavedStream {
            archive_bytes: number,
            ..SavedStream::unknown(&format!("S{number}"))
        };
        (1..=count).map(stream).collect()
    }

    #[test]
    fn a_sample_is_a_number_or_a_share() {
        assert_eq!("5".parse(), Ok(Sample::Streams(5)));
        assert_eq!("12.5%".parse(), Ok(Sample::Percent(12.5)));
        for wrong in ["", "0", "-1", "0%", "101%", "x", "5 streams"] {
            assert!(wrong.parse::<Sample>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_chosen_follows_from_the_seed_and_the_rest_is_named() {
        let all = streams(10);
        let (chosen, record) = Sample::Percent(25.0).choose(&all, 7);
        let record = record.unwrap();
        assert_eq!(
            (chosen.len(), record.streams, record.of_streams),
            (3, 3, 10)
        );
        assert_eq!((record.left_out.len(), record.of_bytes), (7, 55));
        let again = Sample::Percent(25.0).choose(&all, 7).1.unwrap();
        assert_eq!(again, record);
        let names: Vec<_> = chosen.iter().map(|one| one.name.clone()).collect();
        assert!(names.iter().all(|name| !record.left_out.contains(name)));
        assert!(Sample::Streams(10).choose(&all, 7).1.is_none());
        assert!(Sample::Everything.choose(&all, 7).1.is_none());
        assert_eq!(Sample::Percent(0.1).choose(&all, 7).0.len(), 1);
    }
}
