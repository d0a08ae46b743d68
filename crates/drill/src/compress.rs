//! The mesh of a drill lives faster: what takes minutes in production takes seconds here.

/// Variables of the configuration, and what a drill sets them to.
const COMPRESSED: [(&str, &str); 9] = [
    ("PAYMESH__TRADE__BIND_LIMIT", "9s"),
    ("PAYMESH__TRADE__PAY_LIMIT", "12s"),
    ("PAYMESH__TRADE__COMPRESSION", "20"),
    ("PAYMESH__PAY_GATEWAY__COMPRESSION", "20"),
    ("PAYMESH__PAY_GATEWAY__SWIFTPASS__TIMEOUT", "2s"),
    ("PAYMESH__PAY_GATEWAY__SWIFTPASS__CLOSE_AFTER", "2s"),
    // The channel counts from when it was asked, which is later.
    ("PAYMESH__SANDBOX__CLOSE_AFTER", "1500ms"),
    ("PAYMESH__JOBS__RETRY_MOST", "2s"),
    // What a dead process had claimed is free again when its lease ends; as short as may be.
    ("PAYMESH__JOBS__LEASE", "51s"),
];

// A mesh whose work waits for tasks is slower, and so are those who pay; so is one of which a part
// is always away.
const SLOWER: [(&str, &str); 2] = [
    ("PAYMESH__TRADE__BIND_LIMIT", "20s"),
    ("PAYMESH__TRADE__PAY_LIMIT", "26s"),
];

/// What to set for the mesh, the last of a name counts; what `is_set` already stays as it is.
pub(crate) fn compressed(
    quick: bool,
    is_set: impl Fn(&str) -> bool,
) -> impl Iterator<Item = (&'static str, &'static str)> {
    let slower = SLOWER.into_iter().filter(move |_| !quick);
    COMPRESSED
        .into_iter()
        .chain(slower)
        .filter(move |(name, _)| !is_set(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caller_decides_first() {
        let by_caller = |name: &str| !name.ends_with("TIMEOUT");
        let set: Vec<_> = compressed(true, by_caller).collect();
        assert_eq!(set, [("PAYMESH__PAY_GATEWAY__SWIFTPASS__TIMEOUT", "2s")]);
        assert_eq!(compressed(true, |_| false).count(), COMPRESSED.len());
        assert_eq!(compressed(false, |_| true).count(), 0);
    }
}
