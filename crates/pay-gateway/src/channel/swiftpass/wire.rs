//! Swiftpass's messages: UTF-8 XML, root `<xml>`, one level of fields, values in CDATA or text.
//! Anything else is refused: whoever can reach us can send XML.

use std::collections::HashSet;

use quick_xml::Reader;
use quick_xml::events::{BytesDecl, BytesRef, BytesStart, Event};

use crate::channel::{Fields, MAX_MESSAGE, MAX_REPLY_FIELDS, MessageError};

const MAX_NAME: usize = 64;
const SPACE: [char; 4] = [' ', '\t', '\r', '\n'];

/// Reads a reply.
pub(super) fn read(raw: &[u8]) -> Result<Fields, MessageError> {
    read_at_most(raw, MAX_REPLY_FIELDS)
}

/// Reads a message of at most so many fields.
pub(super) fn read_at_most(raw: &[u8], most: usize) -> Result<Fields, MessageError> {
    let mut reader = Reader::from_str(characters(raw)?);
    let mut message = Message {
        most,
        ..Message::default()
    };
    loop {
        match reader.read_event().map_err(|_| MessageError::Malformed)? {
            Event::Eof => return message.end(),
            event => message.take(event)?,
        }
    }
}

/// Writes a message: every value in CDATA, sorted by name, as the platform does.
pub(super) fn write(fields: &Fields) -> String {
    let mut xml = String::from("<xml>");
    for (name, value) in fields.iter() {
        // The one thing CDATA cannot hold is its own end: it is split over two.
        let value = value.replace("]]>", "]]]]><![CDATA[>");
        xml.extend(["<", name, "><![CDATA[", &value, "]]></", name, ">"]);
    }
    xml.push_str("</xml>");
    xml
}

/// The bytes as XML characters, free of anything a parser might expand.
fn characters(raw: &[u8]) -> Result<&str, MessageError> {
    if raw.len() > MAX_MESSAGE {
        return Err(MessageError::TooLarge);
    }
    let text = std::str::from_utf8(raw).map_err(|_| MessageError::NotUtf8)?;
    if declares(text) {
        return Err(MessageError::Dtd);
    }
    if text.chars().all(is_xml) {
        Ok(text)
    } else {
        Err(MessageError::Malformed)
    }
}

/// Whether a document type or an entity is declared, wherever.
fn declares(text: &str) -> bool {
    text.split("<!").skip(1).any(|markup| {
        ["DOCTYPE", "ENTITY"].iter().any(|word| {
            markup
                .get(..word.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(word))
        })
    })
}

/// XML 1.0, production 2.
fn is_xml(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{fffd}' | '\u{10000}'..)
}

/// A message while it is read.
#[derive(Default)]
struct Message {
    place: Place,
    fields: Fields,
    seen: HashSet<String>,
    most: usize,
}

/// Where in the message the reader stands.
#[derive(Default)]
enum Place {
    #[default]
    Start,
    Prolog,
    Root,
    Field {
        name: String,
        value: String,
    },
    After,
}

impl Message {
    fn take(&mut self, event: Event<'_>) -> Result<(), MessageError> {
        let place = std::mem::take(&mut self.place);
        self.place = match (place, event) {
            (Place::Start, Event::Decl(declaration)) => declared(&declaration)?,
            (Place::Start, Event::Text(text)) if is_space(&text) => Place::Prolog,
            (Place::Start | Place::Prolog, Event::Start(tag)) if name(&tag)? == "xml" => {
                Place::Root
            }
            (Place::Root, Event::Start(tag)) => Place::Field {
                name: self.opened(&tag)?,
                value: String::new(),
            },
            (Place::Root, Event::Empty(tag)) => self.opened(&tag).map(|_| Place::Root)?,
            (Place::Field { .. }, Event::Start(_) | Event::Empty(_)) => {
                return Err(MessageError::Nested);
            }
            (Place::Field { name, value }, Event::End(_)) => {
                self.fields.set(name, value);
                Place::Root
            }
            (Place::Field { name, value }, event) => Place::Field {
                name,
                value: value + &text(event)?,
            },
            (Place::Root, Event::End(_)) => Place::After,
            (place, Event::Text(text)) if is_space(&text) => place,
            _ => return Err(MessageError::Malformed),
        };
        Ok(())
    }

    /// The name of a field that begins here, for the first time.
    fn opened(&mut self, tag: &BytesStart<'_>) -> Result<String, MessageError> {
        let name = name(tag)?;
        if self.seen.len() == self.most {
            return Err(MessageError::TooManyFields);
        }
        // Empty fields count too: `<total_fee/>` beside another is as much a trick.
        if self.seen.insert(name.clone()) {
            Ok(name)
        } else {
            Err(MessageError::DuplicateField)
        }
    }

    fn end(self) -> Result<Fields, MessageError> {
        match self.place {
            Place::After => Ok(self.fields),
            _ => Err(MessageError::Malformed),
        }
    }
}

fn declared(declaration: &BytesDecl<'_>) -> Result<Place, MessageError> {
    let version = declaration.version().map_err(|_| MessageError::Malformed)?;
    let encoding = declaration
        .encoding()
        .transpose()
        .map_err(|_| MessageError::Malformed)?;
    match encoding {
        Some(encoding) if !encoding.eq_ignore_ascii_case("utf-8") => Err(MessageError::NotUtf8),
        _ if version != "1.0" => Err(MessageError::Malformed),
        _ => Ok(Place::Prolog),
    }
}

/// A tag's name: letters, digits, underscores, and no attributes after it.
fn name(tag: &BytesStart<'_>) -> Result<String, MessageError> {
    let name: &str = tag;
    let plain = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if plain && (1..=MAX_NAME).contains(&name.len()) {
        Ok(name.to_owned())
    } else {
        Err(MessageError::Malformed)
    }
}

/// A piece of a value, exactly as the sender meant it: line ends and blanks stay.
fn text(event: Event<'_>) -> Result<String, MessageError> {
    match event {
        Event::Text(text) if !text.contains("]]>") => Ok(text.into_inner().into_owned()),
        Event::CData(text) => Ok(text.into_inner().into_owned()),
        Event::GeneralRef(reference) => character(&reference).map(String::from),
        _ => Err(MessageError::Malformed),
    }
}

fn character(reference: &BytesRef<'_>) -> Result<char, MessageError> {
    let named = match &**reference {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => reference
            .resolve_char_ref()
            .map_err(|_| MessageError::Malformed)?,
    };
    named.filter(|c| is_xml(*c)).ok_or(MessageError::Malformed)
}

fn is_space(text: &str) -> bool {
    text.chars().all(|c| SPACE.contains(&c))
}

#[cfg(test)]
mod tests;
