//! Messages: flat XML in UTF-8, one level under `<xml>`. Strict: no attributes, no comments,
//! no document type, no field twice.

use std::collections::BTreeMap;

/// The fields of a message by name.
pub(crate) type Fields = BTreeMap<String, String>;

/// The text is not a message.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a flat XML message")]
pub(crate) struct Malformed;

/// Writes a message: fields in order, each value in CDATA.
pub(crate) fn write(fields: &Fields) -> String {
    let mut xml = String::from("<xml>");
    for (name, value) in fields {
        // CDATA cannot hold its own end: it is cut in two there.
        let value = value.replace("]]>", "]]]]><![CDATA[>");
        xml.extend(["<", name, "><![CDATA[", &value, "]]></", name, ">"]);
    }
    xml.push_str("</xml>");
    xml
}

/// Reads a message; values may be CDATA, text, or both.
pub(crate) fn read(bytes: &[u8]) -> Result<Fields, Malformed> {
    let text = std::str::from_utf8(bytes).map_err(|_| Malformed)?;
    // XML has one line end.
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    if text
        .chars()
        .any(|c| c.is_ascii_control() && c != '\n' && c != '\t')
    {
        return Err(Malformed);
    }
    Reader(&text).message()
}

struct Reader<'a>(&'a str);

impl<'a> Reader<'a> {
    fn message(mut self) -> Result<Fields, Malformed> {
        let mut fields = Fields::new();
        self.skip_space();
        if self.take("<?xml ") {
            self.until("?>")?;
            self.skip_space();
        }
        self.expect("<xml>")?;
        loop {
            self.skip_space();
            if self.take("</xml>") {
                break;
            }
            let (name, value) = self.field()?;
            if fields.insert(name.to_owned(), value).is_some() {
                return Err(Malformed);
            }
        }
        self.skip_space();
        if self.0.is_empty() {
            Ok(fields)
        } else {
            Err(Malformed)
        }
    }

    fn field(&mut self) -> Result<(&'a str, String), Malformed> {
        self.expect("<")?;
        let tag = self.until(">")?;
        let (name, value) = match tag.strip_suffix('/') {
            Some(name) => (name.trim_end(), String::new()),
            None => (tag, self.value(tag)?),
        };
        if is_name(name) {
            Ok((name, value))
        } else {
            Err(Malformed)
        }
    }

    fn value(&mut self, name: &str) -> Result<String, Malformed> {
        let mut value = String::new();
        loop {
            if self.take("</") {
                let closed = self.until(">")?;
                return if closed == name {
                    Ok(value)
                } else {
                    Err(Malformed)
                };
            } else if self.take("<![CDATA[") {
                value.push_str(self.until("]]>")?);
            } else if self.take("&") {
                value.push(entity(self.until(";")?).ok_or(Malformed)?);
            } else {
                value.push_str(self.text()?);
            }
        }
    }

    fn text(&mut self) -> Result<&'a str, Malformed> {
        let end = self.0.find(['<', '&']).ok_or(Malformed)?;
        let (text, rest) = self.0.split_at(end);
        self.0 = rest;
        // Empty: a tag stands here that a value cannot hold.
        if text.is_empty() {
            Err(Malformed)
        } else {
            Ok(text)
        }
    }

    fn until(&mut self, end: &str) -> Result<&'a str, Malformed> {
        let (before, after) = self.0.split_once(end).ok_or(Malformed)?;
        self.0 = after;
        Ok(before)
    }

    fn take(&mut self, token: &str) -> bool {
        let rest = self.0.strip_prefix(token);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn expect(&mut self, token: &str) -> Result<(), Malformed> {
        if self.take(token) {
            Ok(())
        } else {
            Err(Malformed)
        }
    }

    fn skip_space(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t', '\n']);
    }
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn entity(name: &str) -> Option<char> {
    match name {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix('x') {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => number.parse(),
            };
            char::from_u32(code.ok()?)
                .filter(|c| !c.is_control() || matches!(c, '\t' | '\n' | '\r'))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn what_is_written_is_read_again() {
        let message = fields(&[
            ("attach", ""),
            ("body", "测试 <A&B> ]]> \"x\""),
            ("pay_info", "{\"appId\":\"wx\",\"callback_url\":null}"),
            ("space", " "),
        ]);
        assert_eq!(read(write(&message).as_bytes()), Ok(message));
    }

    #[test]
    fn text_and_cdata_mean_the_same() {
        let text = "<?xml version=\"1.0\"?>\r\n<xml>\n <a>x&amp;y&#x4E2D;</a>\t<b/><c>1<![CDATA[<2>]]></c>\n</xml>\n";
        let expected = fields(&[("a", "x&y中"), ("b", ""), ("c", "1<2>")]);
        assert_eq!(read(text.as_bytes()), Ok(expected));
    }

    #[test]
    fn what_is_not_flat_is_refused() {
        for text in [
            "",
            "a=1&b=2",
            "<xml>",
            "<xml></xml>x",
            "<xml><a>1</a><a>1</a></xml>",
            "<xml><a><b>1</b></a></xml>",
            "<xml><a>1</b></xml>",
            "<xml><a x='1'>1</a></xml>",
            "<xml><!-- --></xml>",
            "<!DOCTYPE xml [<!ENTITY e SYSTEM 'file:///etc/hosts'>]><xml><a>&e;</a></xml>",
            "<xml><a>&e;</a></xml>",
            "<xml><a>&#0;</a></xml>",
            "<xml><a>\u{1}</a></xml>",
            "<xml><a><![CDATA[1]]</a></xml>",
        ] {
            assert_eq!(read(text.as_bytes()), Err(Malformed), "{text}");
        }
        assert_eq!(read(b"<xml><a>\xff</a></xml>"), Err(Malformed));
    }
}
