//! The mesh of a drill lives faster: what takes minutes in production takes seconds here.

/// Variables of the configuration, and what a drill sets them to.
const COMPRESSED: [(&str, &str); 2] = [
    ("PAYMESH__PAY_GATEWAY__POLL_COMPRESSION", "10"),
    ("PAYMESH__PAY_GATEWAY__SWIFTPASS__TIMEOUT", "2s"),
];

/// What to set for the mesh; what `is_set` already stays as it is.
pub(crate) fn compressed(
    is_set: impl Fn(&str) -> bool,
) -> impl Iterator<Item = (&'static str, &'static str)> {
    COMPRESSED
        .into_iter()
        .filter(move |(name, _)| !is_set(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caller_decides_first() {
        let by_caller = |name: &str| name.ends_with("TIMEOUT");
        let set: Vec<_> = compressed(by_caller).collect();
        assert_eq!(set, [("PAYMESH__PAY_GATEWAY__POLL_COMPRESSION", "10")]);
        assert_eq!(compressed(|_| false).count(), COMPRESSED.len());
    }
}
