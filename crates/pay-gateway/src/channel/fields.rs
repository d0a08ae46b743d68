//! A message as named values, sorted by name: the form every flat signature rule starts from.

use std::collections::BTreeMap;
use std::fmt;

/// Named values, sorted by name. An empty value is no field: signatures do not cover it.
#[derive(Clone, Default)]
#[cfg_attr(test, derive(PartialEq, Eq))]
pub struct Fields(BTreeMap<String, String>);

impl Fields {
    /// The value of `name`; never empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The value of `name`, or nothing.
    pub fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    /// Names and values, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Sets `name`; an empty value leaves it out.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        let value = value.into();
        if !value.is_empty() {
            self.0.insert(name.into(), value);
        }
    }
}

/// Tells the names alone: the values know who paid.
impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Fields {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut fields = Self::default();
        for (name, value) in pairs {
            fields.set(name, value);
        }
        fields
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_value_is_no_field() {
        let fields = Fields::from_iter([("attach", ""), ("body", " ")]);
        assert_eq!(fields.get("attach"), None);
        assert_eq!(fields.get("body"), Some(" "));
    }

    #[test]
    fn values_do_not_reach_a_log() {
        let fields = Fields::from_iter([("sub_openid", "oHmbkt-sH80")]);
        assert_eq!(format!("{fields:?}"), "{\"sub_openid\"}");
    }
}
