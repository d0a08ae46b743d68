//! Who asks, as a history keeps it.

use mesh::{Context, Peer};
use tonic::Request;

/// The caller of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct By {
    /// The name it proved, then what it says of itself (`x-operator`), as in `operator:li.wei`, at
    /// most 64 bytes. Without certificates what it says, or `rpc`.
    pub actor: String,
    /// The trace of its call.
    pub trace_id: String,
}

const OPERATOR: &str = "x-operator";
const LONGEST: usize = 64;

impl By {
    /// Who sent this request. What it says of itself nobody has checked.
    pub fn of<T>(request: &Request<T>) -> Self {
        let said = request.metadata().get(OPERATOR);
        let said = said.and_then(|said| said.to_str().ok()).map(str::trim);
        let said = said.filter(|said| !said.is_empty());
        let proved = request.extensions().get().and_then(Peer::name);
        let actor = match (proved, said) {
            // A proved name has no colon.
            (Some(name), Some(said)) => format!("{name}:{said}"),
            (name, said) => name.or(said).unwrap_or("rpc").to_owned(),
        };
        Self {
            actor: actor.chars().take(LONGEST).collect(),
            trace_id: Context::current().trace_id(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic::metadata::MetadataValue;

    /// Who is noted when somebody who proved this name, or none, says this of itself.
    fn actor(proved: Option<&str>, said: &[u8]) -> String {
        let mut request = Request::new(());
        let said = MetadataValue::try_from(said).unwrap();
        request.metadata_mut().insert(OPERATOR, said);
        let id = |name| format!("spiffe://paymesh/ns/{name}").parse().unwrap();
        request.extensions_mut().insert(Peer {
            address: None,
            identity: proved.map(id),
        });
        By::of(&request).actor
    }

    #[test]
    fn what_a_caller_says_of_itself_fits_its_column() {
        assert_eq!(By::of(&Request::new(())).actor, "rpc");
        assert_eq!(actor(None, b" li.wei "), "li.wei");
        assert_eq!(actor(None, b"  "), "rpc");
        assert_eq!(actor(None, "李".as_bytes()), "rpc");
        assert_eq!(actor(None, &[b'a'; 100]), "a".repeat(64));
    }

    #[test]
    fn who_proved_a_name_is_noted_under_it_whatever_it_says() {
        let proved = |said: &[u8]| actor(Some("trade"), said);
        assert_eq!(proved(b""), "trade");
        assert_eq!(proved("李".as_bytes()), "trade");
        assert_eq!(proved(b"operator"), "trade:operator");
        assert_eq!(proved(b"operator:li.wei"), "trade:operator:li.wei");
        let long = proved(&[b'a'; 100]);
        assert!(long.starts_with("trade:aaa") && long.len() == 64, "{long}");
    }
}
