//! Whether the replicas of a stream hold the same. Servers are asked at slightly different
//! moments, so that the copies of a busy stream differ although nothing is wrong: one look in
//! which they agree is enough, and several are needed to say that they don't.

use std::collections::BTreeMap;

use crate::jetstream::CopyState;

/// What is known of a follower's copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agreement {
    /// It held the same as the leader's at least once.
    Equal,
    /// It holds something else.
    Unequal,
    /// The stream changed from look to look, and the copy with it: it can't be told.
    Busy,
}

/// The looks at the copies of a stream.
#[derive(Debug, Clone, Default)]
pub struct Watch {
    followers: BTreeMap<String, Agreement>,
    /// The leader, and what it held, when it was last looked.
    leader: Option<(String, CopyState)>,
}

impl Watch {
    /// Takes note of a look. A copy that is not among them is not judged.
    pub fn look(
        &mut self,
        leader: &str,
        followers: &[String],
        copies: &BTreeMap<String, CopyState>,
    ) {
        let Some(led) = copies.get(leader).copied() else {
            return;
        };
        let before = self.leader.take();
        let before = before.filter(|(name, _)| name == leader);
        self.followers.retain(|name, _| followers.contains(name));
        for name in followers {
            let Some(copy) = copies.get(name) else {
                continue;
            };
            let seen = self.followers.get(name);
            let now = match (seen, &before) {
                (Some(Agreement::Equal), _) => Agreement::Equal,
                _ if is_same(*copy, led) => Agreement::Equal,
                // It has come past where the leader was, and the leader went on: it follows.
                (_, Some((_, before)))
                    if !is_same(*before, led) && copy.last_seq >= before.last_seq =>
                {
                    Agreement::Busy
                }
                _ => Agreement::Unequal,
            };
            self.followers.insert(name.clone(), now);
        }
        self.leader = Some((leader.to_owned(), led));
    }

    /// The followers of which that is known.
    pub fn nodes(&self, agreement: Agreement) -> impl Iterator<Item = &str> {
        let followers = self.followers.iter();
        followers.filter_map(move |(name, one)| (*one == agreement).then_some(name.as_str()))
    }
}

/// Whether two copies hold the same, by their counts. Sizes may differ: they depend on how a copy
/// is cut into blocks.
fn is_same(a: CopyState, b: CopyState) -> bool {
    let counts = |copy: CopyState| {
        (
            copy.messages,
            copy.first_seq,
            copy.last_seq,
            copy.num_deleted,
        )
    };
    counts(a) == counts(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copy(messages: u64, last_seq: u64) -> CopyState {
        CopyState {
            messages,
            last_seq,
            first_seq: 1,
            num_deleted: last_seq - messages,
            bytes: messages,
        }
    }

    /// What is known of the only follower after these looks, each at the leader and at it.
    fn after(looks: &[(CopyState, CopyState)]) -> Agreement {
        let mut watch = Watch::default();
        for (leader, follower) in looks {
            let copies = [("a", *leader), ("b", *follower)];
            let copies = copies.map(|(name, copy)| (name.to_owned(), copy));
            watch.look("a", &[String::from("b")], &BTreeMap::from(copies));
        }
        *watch.followers.get("b").unwrap()
    }

    #[test]
    fn copies_that_agreed_once_are_equal() {
        let looks = [(copy(9, 9), copy(8, 8)), (copy(9, 9), copy(9, 9))];
        assert_eq!(after(&looks[..1]), Agreement::Unequal);
        assert_eq!(after(&looks), Agreement::Equal);
        let later = [looks[0], looks[1], (copy(12, 12), copy(10, 10))];
        assert_eq!(after(&later), Agreement::Equal);
    }

    #[test]
    fn a_copy_that_follows_a_busy_leader_is_not_called_unequal() {
        let looks = [(copy(9, 9), copy(8, 8)), (copy(20, 20), copy(18, 18))];
        assert_eq!(after(&looks), Agreement::Busy);
    }

    #[test]
    fn a_copy_that_stays_behind_a_busy_leader_is_unequal() {
        let looks = [(copy(9, 9), copy(8, 8)), (copy(20, 20), copy(8, 8))];
        assert_eq!(after(&looks), Agreement::Unequal);
    }

    #[test]
    fn a_copy_that_lacks_messages_of_a_quiet_stream_is_unequal() {
        let looks = [(copy(9, 9), copy(7, 9)), (copy(9, 9), copy(7, 9))];
        assert_eq!(after(&looks), Agreement::Unequal);
    }

    #[test]
    fn another_leader_begins_the_comparison_anew() {
        let mut watch = Watch::default();
        let copies = [("a", copy(9, 9)), ("b", copy(8, 8))];
        let copies = BTreeMap::from(copies.map(|(name, copy)| (name.to_owned(), copy)));
        watch.look("a", &[String::from("b")], &copies);
        watch.look("b", &[String::from("a")], &copies);
        assert_eq!(watch.nodes(Agreement::Unequal).collect::<Vec<_>>(), ["a"]);
    }
}
