//! Who asks, as a history keeps it.

use mesh::Context;
use tonic::metadata::MetadataMap;

/// The caller of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct By {
    /// What it says of itself (`x-operator`), at most 64 bytes; `rpc` when it says nothing.
    pub actor: String,
    /// The trace of its call.
    pub trace_id: String,
}

const OPERATOR: &str = "x-operator";
const LONGEST: usize = 64;

impl By {
    /// Who sent a request with this metadata. Nobody has checked it: certificates will say more.
    pub fn of(metadata: &MetadataMap) -> Self {
        let said = metadata.get(OPERATOR).and_then(|said| said.to_str().ok());
        let said = said.map(str::trim).filter(|said| !said.is_empty());
        Self {
            actor: said.unwrap_or("rpc").chars().take(LONGEST).collect(),
            trace_id: Context::current().trace_id(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_caller_says_of_itself_fits_its_column() {
        let actor = |said: &[u8]| {
            let mut metadata = MetadataMap::new();
            let said = tonic::metadata::MetadataValue::try_from(said).unwrap();
            metadata.insert(OPERATOR, said);
            By::of(&metadata).actor
        };
        assert_eq!(By::of(&MetadataMap::new()).actor, "rpc");
        assert_eq!(actor(b" li.wei "), "li.wei");
        assert_eq!(actor(b"  "), "rpc");
        assert_eq!(actor("李".as_bytes()), "rpc");
        assert_eq!(actor(&[b'a'; 100]), "a".repeat(64));
    }
}
