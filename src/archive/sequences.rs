//! Sets of stream sequences, small however long the stream is: what they take grows with the
//! gaps between the sequences, up to a bit for each, not with the sequences themselves.

use roaring::RoaringTreemap;

/// A set of sequences.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sequences {
    map: RoaringTreemap,
}

/// Collects sequences, cheaply where they come in rising order.
#[derive(Debug, Default)]
pub(super) struct SequenceCollector {
    set: Sequences,
    run: Option<(u64, u64)>,
    /// The parts of the set that grow with every new place in it.
    chunks: u64,
    last_chunk: Option<u64>,
    /// Runs since the set was last made small.
    runs: u64,
}

/// Sequences that share these upper bits are kept together.
const CHUNK_BITS: u32 = 16;
/// So many places apart from each other are accepted: some 100 MiB. A real stream that long has
/// had 2^36 messages.
const MOST_CHUNKS: u64 = 1 << 20;
/// After so many runs the set is made small again.
const RUNS_BETWEEN: u64 = 1 << 20;

impl Sequences {
    /// Whether it holds this one.
    pub fn contains(&self, sequence: u64) -> bool {
        self.map.contains(sequence)
    }

    /// How many it holds.
    pub fn len(&self) -> u64 {
        self.map.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// The lowest.
    pub fn first(&self) -> Option<u64> {
        self.map.min()
    }

    /// The highest.
    pub fn last(&self) -> Option<u64> {
        self.map.max()
    }

    /// The highest that is not above this one.
    pub fn last_up_to(&self, sequence: u64) -> Option<u64> {
        let rank = self.map.rank(sequence);
        self.map.select(rank.checked_sub(1)?)
    }

    /// How many are not above this one.
    pub fn count_to(&self, sequence: u64) -> u64 {
        self.map.rank(sequence)
    }

    /// How many lie between two, both of them included.
    pub(super) fn count_between(&self, first: u64, last: u64) -> u64 {
        self.map.range_cardinality(first..=last)
    }

    /// Those between two, both of them included, that none of these sets holds.
    #[must_use]
    pub fn between_without(first: u64, last: u64, sets: &[&Self]) -> Self {
        let mut map = RoaringTreemap::new();
        map.insert_range(first..=last);
        for set in sets {
            map -= &set.map;
        }
        Self { map }
    }

    /// Takes everything out that another set does not hold.
    pub fn keep_only(&mut self, other: &Self) {
        self.map &= &other.map;
    }

    /// Adds all of another set.
    pub fn extend(&mut self, other: &Self) {
        self.map |= &other.map;
    }

    /// All of them, rising.
    pub fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        self.map.iter()
    }

    pub(super) fn insert(&mut self, sequence: u64) -> bool {
        self.map.insert(sequence)
    }

    pub(super) fn retain(&mut self, keep: impl FnMut(u64) -> bool) {
        self.map.retain(keep);
    }

    /// Takes all of another set out.
    pub(super) fn subtract(&mut self, other: &Self) {
        self.map -= &other.map;
    }
}

impl FromIterator<u64> for Sequences {
    fn from_iter<T: IntoIterator<Item = u64>>(sequences: T) -> Self {
        Self {
            map: sequences.into_iter().collect(),
        }
    }
}

impl SequenceCollector {
    /// Adds one. Says no when there are more places in the set than any stream has.
    pub(super) fn push(&mut self, sequence: u64) -> bool {
        let chunk = sequence >> CHUNK_BITS;
        if self.last_chunk != Some(chunk) {
            self.last_chunk = Some(chunk);
            self.end_run();
            let (first, mask) = (chunk << CHUNK_BITS, (1 << CHUNK_BITS) - 1);
            self.chunks += u64::from(self.set.map.range_cardinality(first..=first | mask) == 0);
        }
        match &mut self.run {
            Some((_, last)) if last.checked_add(1) == Some(sequence) => *last = sequence,
            Some(_) | None => {
                self.end_run();
                self.run = Some((sequence, sequence));
            }
        }
        self.chunks <= MOST_CHUNKS
    }

    fn end_run(&mut self) {
        let Some((first, last)) = self.run.take() else {
            return;
        };
        let _added = self.set.map.insert_range(first..=last);
        self.runs += 1;
        if self.runs.is_multiple_of(RUNS_BETWEEN) {
            let _smaller = self.set.map.optimize();
        }
    }

    /// The set.
    pub(super) fn finish(mut self) -> Sequences {
        self.end_run();
        let _smaller = self.set.map.optimize();
        self.set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_gaps_and_repetitions_are_one_set() {
        let mut collector = SequenceCollector::default();
        for sequence in [5, 6, 7, 9, 9, 2, u64::MAX, 3] {
            assert!(collector.push(sequence));
        }
        let set = collector.finish();
        assert_eq!(set.iter().collect::<Vec<_>>(), [2, 3, 5, 6, 7, 9, u64::MAX]);
        assert_eq!((set.first(), set.last()), (Some(2), Some(u64::MAX)));
        assert_eq!((set.count_to(6), set.len()), (4, 7));
    }

    #[test]
    fn places_without_number_are_refused() {
        let mut collector = SequenceCollector::default();
        let refused = (0..u64::MAX).find(|place| !collector.push(place << 20));
        assert_eq!(refused, Some(MOST_CHUNKS));
    }
}
