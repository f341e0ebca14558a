//! Words that are said in many places: a count with its noun, and what was probably meant by a name
//! that is not known.

/// How alike two words must be for one to be taken for the other.
const ALIKE: f64 = 0.75;

/// A count with its noun.
pub fn count(count: u64, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}s"),
    }
}

/// `; did you mean …?` when one of the names is close to the word, else nothing.
pub fn meant<S: AsRef<str>>(word: &str, names: &[S]) -> String {
    let likeness = |name: &S| strsim::jaro_winkler(word, name.as_ref());
    names
        .iter()
        .max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
        .filter(|name| likeness(name) >= ALIKE)
        .map(|name| format!("; did you mean `{}`?", name.as_ref()))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_not_several() {
        let said = [0, 1, 2].map(|number| count(number, "node"));
        assert_eq!(said, ["0 nodes", "1 node", "2 nodes"]);
    }

    #[test]
    fn what_is_alike_is_named_and_nothing_else() {
        let names = ["ORDERS", "INVOICES"];
        assert_eq!(meant("ORDRES", &names), "; did you mean `ORDERS`?");
        assert_eq!(meant("xyz", &names), "");
        assert_eq!(meant::<&str>("ORDERS", &[]), "");
    }
}
