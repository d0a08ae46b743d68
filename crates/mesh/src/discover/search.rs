//! Which names a host may mean, in the order the system's own resolver asks for them.

/// Each with its last dot. A host with fewer dots than `ndots` is looked for in the search domains
/// first, any other by itself first; one that ends with a dot is meant as it is written.
pub(super) fn candidates(host: &str, search: &[String], ndots: usize) -> Vec<String> {
    if host.ends_with('.') {
        return vec![host.to_owned()];
    }
    let domains = search.iter().map(|domain| domain.trim_matches('.'));
    let searched = domains
        .filter(|domain| !domain.is_empty())
        .map(|domain| format!("{host}.{domain}."));
    let itself = std::iter::once(format!("{host}."));
    if host.matches('.').count() < ndots {
        searched.chain(itself).collect()
    } else {
        itself.chain(searched).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PODS: [&str; 3] = [
        "pay.svc.cluster.local",
        "svc.cluster.local",
        "cluster.local.",
    ];

    fn in_pod(host: &str) -> Vec<String> {
        candidates(host, &PODS.map(str::to_owned), 5)
    }

    #[test]
    fn a_short_name_is_looked_for_in_its_own_namespace_first() {
        assert_eq!(
            in_pod("trade"),
            [
                "trade.pay.svc.cluster.local.",
                "trade.svc.cluster.local.",
                "trade.cluster.local.",
                "trade."
            ]
        );
        assert_eq!(in_pod("trade.pay")[1], "trade.pay.svc.cluster.local.");
        assert_eq!(in_pod("trade.pay.svc.cluster.local").len(), 4);
    }

    #[test]
    fn a_name_with_enough_dots_or_a_last_one_comes_first() {
        assert_eq!(in_pod("a.b.c.d.e.f")[0], "a.b.c.d.e.f.");
        assert_eq!(in_pod("trade.pay."), ["trade.pay."]);
        let one = ["example.com".to_owned(), ".".to_owned()];
        assert_eq!(candidates("a.b", &one, 1), ["a.b.", "a.b.example.com."]);
        assert_eq!(candidates("a", &[], 5), ["a."]);
    }
}
