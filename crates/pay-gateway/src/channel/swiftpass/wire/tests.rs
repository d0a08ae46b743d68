use proptest::collection::btree_map;
use proptest::prelude::*;

use super::*;
use crate::channel::MAX_FIELDS;
use crate::channel::swiftpass::Sealed;
use crate::channel::swiftpass::tests::vectors;

fn reason(raw: impl AsRef<[u8]>) -> &'static str {
    read(raw.as_ref())
        .err()
        .map_or("accepted", MessageError::reason)
}

fn field(xml: &str, name: &str) -> Option<String> {
    read(xml.as_bytes()).unwrap().get(name).map(str::to_owned)
}

fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(bytes).collect()
}

#[test]
fn every_vector_is_read_and_written() {
    for vector in vectors() {
        let fields: Fields = vector.fields.iter().collect();
        assert_eq!(
            read(vector.xml.as_bytes()).unwrap(),
            fields,
            "{}",
            vector.name
        );
        // The vectors keep an empty `attach`; what is empty is not written here.
        let xml = vector.xml.replace("<attach><![CDATA[]]></attach>", "");
        assert_eq!(write(&fields), xml, "{}", vector.name);
    }
}

#[test]
fn text_and_cdata_mean_the_same() {
    assert_eq!(field("<xml><a>A&amp;B</a></xml>", "a").unwrap(), "A&B");
    assert_eq!(
        field("<xml><a><![CDATA[A&B]]></a></xml>", "a").unwrap(),
        "A&B"
    );
    assert_eq!(
        field("<xml><a>&#65;&#x26;&#x42;</a></xml>", "a").unwrap(),
        "A&B"
    );
    assert_eq!(
        field("<xml><a>&lt;&gt;&quot;&apos;</a></xml>", "a").unwrap(),
        "<>\"'"
    );
    assert_eq!(
        field("<xml><a>1<![CDATA[]]>2</a></xml>", "a").unwrap(),
        "12"
    );
}

#[test]
fn blanks_in_a_value_stay_and_between_fields_go() {
    let xml =
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\r\n<xml>\n\t<a> </a>\n<b>\r\n</b> </xml>\n";
    let fields = read(xml.as_bytes()).unwrap();
    assert_eq!(fields, Fields::from_iter([("a", " "), ("b", "\r\n")]));
}

#[test]
fn an_empty_element_is_no_field() {
    let fields = read(b"<xml><a/><b></b><c><![CDATA[]]></c></xml>").unwrap();
    assert_eq!(fields, Fields::default());
}

#[test]
fn cdata_hides_no_markup() {
    let hidden = field("<xml><a><![CDATA[</a><b>1</b>]]></a></xml>", "a");
    assert_eq!(hidden.unwrap(), "</a><b>1</b>");
}

#[test]
fn a_field_comes_once() {
    for twice in [
        "<xml><total_fee>1</total_fee><total_fee>2</total_fee></xml>",
        "<xml><total_fee>1</total_fee><total_fee>1</total_fee></xml>",
        "<xml><total_fee/><total_fee>1</total_fee></xml>",
        "<xml><total_fee>1</total_fee><total_fee></total_fee></xml>",
    ] {
        assert_eq!(reason(twice), "DUPLICATE_FIELD", "{twice}");
    }
}

#[test]
fn document_types_and_entities_are_refused_unread() {
    let laughs: String = (0..9).fold("<!ENTITY l0 \"lol\">".to_owned(), |all, n| {
        format!(
            "{all}<!ENTITY l{} \"{}\">",
            n + 1,
            format!("&l{n};").repeat(10)
        )
    });
    for declared in [
        "<!DOCTYPE xml SYSTEM \"file:///etc/passwd\"><xml><a>1</a></xml>".to_owned(),
        "<!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><xml><a>&e;</a></xml>".to_owned(),
        "<!DOCTYPE x [<!ENTITY e SYSTEM \"http://127.0.0.1:1/\">]><xml><a>&e;</a></xml>".to_owned(),
        "<!DOCTYPE x [<!ENTITY % p SYSTEM \"http://127.0.0.1:1/\">%p;]><xml><a>1</a></xml>"
            .to_owned(),
        format!("<!DOCTYPE x [{laughs}]><xml><a>&l9;</a></xml>"),
        "<!doctype xml><xml><a>1</a></xml>".to_owned(),
        "<xml><!DOCTYPE xml><a>1</a></xml>".to_owned(),
        "<xml><!ENTITY e \"1\"><a>1</a></xml>".to_owned(),
        "<xml><a><![CDATA[<!DOCTYPE xml>]]></a></xml>".to_owned(),
    ] {
        assert_eq!(reason(&declared), "DTD", "{declared}");
    }
}

#[test]
fn only_utf8_is_read() {
    let xml = "<xml><a>1</a></xml>";
    assert_eq!(
        reason([b"\xff\xfe", utf16(xml, u16::to_le_bytes).as_slice()].concat()),
        "NOT_UTF8"
    );
    assert_eq!(
        reason([b"\xfe\xff", utf16(xml, u16::to_be_bytes).as_slice()].concat()),
        "NOT_UTF8"
    );
    assert_eq!(reason(utf16(xml, u16::to_le_bytes)), "MALFORMED");
    assert_eq!(reason(utf16(xml, u16::to_be_bytes)), "MALFORMED");
    assert_eq!(
        reason("+ADw-xml+AD4-+ADw-a+AD4-1+ADw-/a+AD4-+ADw-/xml+AD4-"),
        "MALFORMED"
    );
    for encoding in ["UTF-7", "UTF-16", "GBK", "ISO-8859-1", ""] {
        let declared = format!("<?xml version=\"1.0\" encoding=\"{encoding}\"?>{xml}");
        assert_eq!(reason(&declared), "NOT_UTF8", "{encoding}");
    }
    assert_eq!(reason(b"<xml><a>\xb2\xe2</a></xml>"), "NOT_UTF8");
    assert_eq!(reason(b"<xml><a>\xc0\xbc</a></xml>"), "NOT_UTF8");
}

#[test]
fn size_and_number_of_fields_are_bounded() {
    let padding = |size: usize| format!("<xml><a>{}</a></xml>", "x".repeat(size - 18));
    assert_eq!(reason(padding(MAX_MESSAGE)), "accepted");
    assert_eq!(reason(padding(MAX_MESSAGE + 1)), "TOO_LARGE");
    let full = numbered(MAX_REPLY_FIELDS, "1");
    assert_eq!(reason(format!("<xml>{full}</xml>")), "accepted");
    for value in ["1", ""] {
        let more = numbered(MAX_REPLY_FIELDS + 1, value);
        assert_eq!(reason(format!("<xml>{more}</xml>")), "TOO_MANY_FIELDS");
    }
}

#[test]
fn a_callback_has_few_fields() {
    for (fields, error) in [
        (MAX_FIELDS, MessageError::MissingField("mch_id")),
        (MAX_FIELDS + 1, MessageError::TooManyFields),
    ] {
        let xml = format!("<xml>{}</xml>", numbered(fields, "1"));
        assert_eq!(Sealed::open(xml.as_bytes()).unwrap_err(), error);
    }
}

fn numbered(fields: usize, value: &str) -> String {
    (0..fields).fold(String::new(), |xml, n| {
        xml + &format!("<f{n}>{value}</f{n}>")
    })
}

#[test]
fn fields_hold_no_fields() {
    assert_eq!(reason(format!("<xml>{}", "<a>".repeat(10_000))), "NESTED");
    assert_eq!(
        reason(format!(
            "<xml>{}1{}</xml>",
            "<a>".repeat(8_000),
            "</a>".repeat(8_000)
        )),
        "NESTED"
    );
    assert_eq!(reason("<xml><a><b>1</b></a></xml>"), "NESTED");
    assert_eq!(reason("<xml><a>1<b/></a></xml>"), "NESTED");
    assert_eq!(reason("<xml><xml><a>1</a></xml></xml>"), "NESTED");
}

#[test]
fn anything_else_is_malformed() {
    for other in [
        "",
        " ",
        "success",
        "{}",
        "<xml>",
        "<xml/>",
        "</xml>",
        "<XML><a>1</a></XML>",
        "<a>1</a>",
        "<xml><a>1</a>",
        "<xml><a>1</b></xml>",
        "<xml><a>1</A></xml>",
        "<xml><a>1</xml>",
        "<xml><a>1</a></xml><xml></xml>",
        "<xml></xml>x",
        "x<xml></xml>",
        "<xml>x<a>1</a></xml>",
        "<xml></xml><!-- -->",
        "<xml><!-- --><a>1</a></xml>",
        "<xml><a>1<!-- -->2</a></xml>",
        "<xml><?php 1 ?><a>1</a></xml>",
        "<?php 1 ?><xml></xml>",
        "<xml><a><?p ?>1</a></xml>",
        " <?xml version=\"1.0\"?><xml></xml>",
        "<?xml version=\"1.1\"?><xml></xml>",
        "<?xml?><xml></xml>",
        "<?xml version=\"1.0\"?><?xml version=\"1.0\"?><xml></xml>",
        "<xml a=\"1\"></xml>",
        "<xml><a b=\"1\">1</a></xml>",
        "<xml><a b=\"1\"/></xml>",
        "<xml><a:b>1</a:b></xml>",
        "<xml><字>1</字></xml>",
        "<xml><a=b>1</a=b></xml>",
        "<xml><>1</></xml>",
        "<xml><a>&nbsp;</a></xml>",
        "<xml><a>&xxe;</a></xml>",
        "<xml><a>&#0;</a></xml>",
        "<xml><a>&#xFFFE;</a></xml>",
        "<xml><a>&#xD800;</a></xml>",
        "<xml><a>&#x110000;</a></xml>",
        "<xml><a>A & B</a></xml>",
        "<xml><a>&amp</a></xml>",
        "<xml><a>&;</a></xml>",
        "<xml>&amp;</xml>",
        "<xml><a><![CDATA[1</a></xml>",
        "<xml><a><![cdata[1]]></a></xml>",
        "<xml><![CDATA[1]]></xml>",
        "<xml><a>1]]>2</a></xml>",
        "<xml><a>]]></a></xml>",
        "<xml><a><![CDATA[1]]>]]></a></xml>",
        "<![CDATA[<xml>]]></xml>",
        "<xml><a>\0</a></xml>",
        "<xml><a>\u{8}</a></xml>",
        "<xml><a>\u{ffff}</a></xml>",
        "<xml><!ELEMENT a ANY><a>1</a></xml>",
    ] {
        assert_eq!(reason(other), "MALFORMED", "{other:?}");
    }
}

fn value() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[ -~]{0,8}",
        "\\PC{0,4}",
        "[\r\n\t]",
        Just("]]>".to_owned()),
        Just("<![CDATA[".to_owned()),
        Just("&amp;".to_owned())
    ];
    proptest::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn what_is_written_is_read(fields in btree_map("[a-z][a-z0-9_]{0,20}", value(), 0..20)) {
        let fields: Fields = fields.iter().collect();
        prop_assert_eq!(read(write(&fields).as_bytes()).unwrap(), fields);
    }

    #[test]
    fn no_bytes_break_the_reader(raw in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&raw);
        let _ = read(&[b"<xml><a>", raw.as_slice(), b"</a></xml>"].concat());
    }
}
