//! What an answer gives back to the budget: only its end tells whether it was a success.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tonic::body::Body;
use tonic::{Code, Status};

use super::super::metrics::code_in;
use super::super::{Polled, Reply, poll_body};
use crate::budget::Budget;

/// The same answer, which the budget is credited with if it ends well.
pub(super) fn when_it_ends(budget: &Arc<Budget>, answer: Reply) -> Reply {
    // Nearly always: nothing has failed, and nobody has to look at the end.
    if !budget.is_short() {
        return answer;
    }
    match answer.ending() {
        None => answer.map(|body| {
            let budget = Some(Arc::clone(budget));
            Body::new(Credited { body, budget })
        }),
        Some(ended) => {
            credit(budget, ended.code);
            answer
        }
    }
}

fn credit(budget: &Budget, code: Code) {
    if code == Code::Ok {
        budget.succeeded();
    }
}

/// A body that tells the budget how it ended.
struct Credited {
    body: Body,
    budget: Option<Arc<Budget>>,
}

impl http_body::Body for Credited {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        let frame = poll_body(&mut self.body, cx);
        if let Poll::Ready(Some(Ok(frame))) = &frame
            && let Some(code) = frame.trailers_ref().and_then(code_in)
            && let Some(budget) = self.budget.take()
        {
            credit(&budget, code);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        http_body::Body::is_end_stream(&self.body)
    }
}
