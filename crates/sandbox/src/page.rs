//! The page on which a person pays in a browser.

use std::sync::Arc;

use axum::extract::{Form, Query, State};
use axum::response::Html;
use http::StatusCode;
use serde::Deserialize;
use tracing::warn;

use crate::charge::{self, Charge, Paid};
use crate::ledger::Find;
use crate::state::TradeState;
use crate::{App, SandboxError, receipt};

type Page = (StatusCode, Html<String>);

/// What names a charge.
#[derive(Deserialize)]
pub(crate) struct Token {
    token_id: String,
}

/// `GET /pay/jspay`: what is to be paid, and a button.
pub(crate) async fn show(State(app): State<Arc<App>>, Query(token): Query<Token>) -> Page {
    match app.ledger.call(Find::Token(token.token_id)).await {
        Ok(Some(charge)) if charge.state().is_open() => offer(&charge),
        Ok(Some(charge)) if charge.payment.is_some() => paid(&charge),
        Ok(Some(_)) => closed(),
        Ok(None) => unknown(),
        Err(error) => failed(&error),
    }
}

/// `POST /pay/jspay`: pays.
pub(crate) async fn pay(State(app): State<Arc<App>>, Form(token): Form<Token>) -> Page {
    match pay_token(&app, token.token_id).await {
        Ok(Paid::Charged(charge)) => paid(&charge),
        Ok(Paid::Expired) => page(
            StatusCode::GONE,
            "<h1>Expired</h1><p>The time to pay is over.",
        ),
        Ok(Paid::Closed) => closed(),
        Ok(Paid::NotFound) => unknown(),
        Err(error) => failed(&error),
    }
}

async fn pay_token(app: &Arc<App>, token_id: String) -> Result<Paid, SandboxError> {
    match app.ledger.call(Find::Token(token_id)).await? {
        Some(charge) => charge::pay(app, charge.prepared.out_trade_no).await,
        None => Ok(Paid::NotFound),
    }
}

fn offer(charge: &Charge) -> Page {
    let token = escape(&charge.prepared.token_id);
    let content = format!(
        "{}<form method=post action=/pay/jspay><input type=hidden name=token_id value=\"{token}\">\
         <button>Pay</button></form>",
        summary(charge)
    );
    page(StatusCode::OK, &content)
}

fn paid(charge: &Charge) -> Page {
    let number = charge
        .payment
        .as_ref()
        .map_or("", |payment| payment.transaction_id.as_str());
    let back = match charge.state() {
        TradeState::Reverse => "<p>All of it went back.".to_owned(),
        TradeState::Refund => format!("<p>¥{} of it went back.", receipt::yuan(charge.refunded)),
        _ => String::new(),
    };
    let (summary, number) = (summary(charge), escape(number));
    page(
        StatusCode::OK,
        &format!("{summary}<p><b>Paid</b> as {number}.{back}"),
    )
}

fn summary(charge: &Charge) -> String {
    let prepared = &charge.prepared;
    let yuan = receipt::yuan(prepared.amount);
    let (body, number) = (escape(&prepared.body), escape(&prepared.out_trade_no));
    format!("<h1>¥{yuan}</h1><p>{body}<p>Order {number}")
}

fn closed() -> Page {
    page(
        StatusCode::GONE,
        "<h1>Closed</h1><p>This can no longer be paid.",
    )
}

fn unknown() -> Page {
    page(
        StatusCode::NOT_FOUND,
        "<h1>Unknown</h1><p>Nothing was prepared under this token.",
    )
}

fn failed(error: &SandboxError) -> Page {
    warn!(%error, "sandbox page failed");
    page(
        StatusCode::INTERNAL_SERVER_ERROR,
        "<h1>Failed</h1><p>Please try again.",
    )
}

fn page(status: StatusCode, content: &str) -> Page {
    let head = "<!doctype html><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
                <title>paymesh sandbox</title>\
                <style>body{font:1.2rem sans-serif;text-align:center;margin:4rem 1rem}\
                button{font-size:1.4rem;padding:.5rem 3rem}</style>";
    (status, Html(format!("{head}{content}\n")))
}

fn escape(text: &str) -> String {
    let text = text
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    text.replace('"', "&quot;").replace('\'', "&#39;")
}

/// A token, as a browser sends it.
#[cfg(test)]
pub(crate) fn token(token_id: &str) -> Token {
    Token {
        token_id: token_id.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_a_merchant_wrote_stays_text() {
        assert_eq!(
            super::escape("<b a=\"1\">'&"),
            "&lt;b a=&quot;1&quot;&gt;&#39;&amp;"
        );
    }
}
