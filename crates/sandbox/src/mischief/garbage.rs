//! Answers that are none.

use axum::response::{Html, IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;

use super::{Act, Garbage, Met};
use crate::sign::Signer;
use crate::{gateway, sign, wire};

const PAGE_502: &str = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n\
    <center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n";

/// The garbage a script asks for this time.
pub(super) fn picked(met: &Met) -> Option<Garbage> {
    let Act::Garbage { garbage } = met.script.act else {
        return None;
    };
    let place = usize::try_from(met.turn - 1).unwrap_or(0);
    garbage.or_else(|| {
        Garbage::ALL
            .iter()
            .cycle()
            .nth(place % Garbage::ALL.len())
            .copied()
    })
}

/// What goes out instead of the message `xml`.
pub(super) fn instead_of(xml: &str, kind: Garbage) -> Response {
    match kind {
        Garbage::HalfXml => gateway::message(xml.chars().take(xml.chars().count() / 2).collect()),
        Garbage::Html502 => (StatusCode::BAD_GATEWAY, Html(PAGE_502)).into_response(),
        Garbage::WrongSignature => gateway::message(wrongly_signed(xml)),
        Garbage::Status400 => gateway::message(gateway::FAILED.xml()),
        Garbage::NotUtf8 => ([(CONTENT_TYPE, "text/xml")], in_gbk(xml)).into_response(),
    }
}

fn wrongly_signed(xml: &str) -> String {
    let fields = wire::read(xml.as_bytes()).unwrap_or_default();
    wire::write(&sign::signed(fields, &Signer::md5("nobody's key")))
}

/// The message with a field in another encoding than it says.
fn in_gbk(xml: &str) -> Vec<u8> {
    let rest = xml.strip_prefix("<xml>").unwrap_or(xml);
    let field = b"<message>\xd6\xd0</message>";
    [b"<xml>", field.as_slice(), rest.as_bytes()].concat()
}
