//! Reads an answer of one message to its end as soon as it begins: whoever stands above then knows
//! how the call ended, and has no body to watch.

use std::future::poll_fn;
use std::pin::Pin;

use bytes::Bytes;
use tokio::time::Instant;
use tonic::body::Body;
use tonic::{Code, Status};

use super::ahead::{Ahead, Frames, Said};
use super::metrics::code_in;
use super::reply::Ended;
use super::{Answer, Call, Pattern, Reply, Rest};

/// The most that is read ahead, in bytes of memory; what is longer is handed on as it comes.
const LONGEST: usize = 64 * 1024;

/// Waits for the end of what is known to answer with one message.
#[derive(Clone)]
pub(crate) struct Whole;

impl Pattern for Whole {
    fn around<R: Rest>(&self, call: Call, rest: &R) -> impl Answer + use<R> {
        let once = call.method.answers_once();
        let answer = rest.run(call);
        Box::pin(async move {
            let answer = answer.await;
            if once {
                return read(answer.into_response()).await;
            }
            answer
        })
    }
}

/// The same answer, read to its end.
pub(crate) async fn read<B>(answer: http::Response<B>) -> Reply
where
    B: http_body::Body<Data = Bytes, Error = Status> + Send + Unpin + 'static,
{
    if answer.body().is_end_stream() {
        return answer.map(Body::new).into();
    }
    let (head, mut body) = answer.into_parts();
    let told = code_in(&head.headers);
    let (mut said, mut length) = (Frames::new(), 0);
    let ended = loop {
        let frame = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await;
        let ended = ending(frame.as_ref());
        // What holds a frame counts too, or empty ones would be read for ever.
        let data = frame
            .as_ref()
            .and_then(|said| said.as_ref().ok()?.data_ref());
        length += size_of::<Said>() + data.map_or(0, Bytes::len);
        said.extend(frame);
        if ended.is_some() || length > LONGEST {
            break ended;
        }
    };
    let rest = ended.is_none().then_some(body);
    let mut reply = Reply::from_parts(head, Body::new(Ahead::new(said, rest)));
    let at = Instant::now();
    // What the headers say of the end stands, as it does for who reads the answer.
    let ended = ended.map(|code| told.unwrap_or(code));
    reply.known_mut().ended = ended.map(|code| Ended { code, at });
    reply
}

/// What the end of an answer says, if this is it.
fn ending(said: Option<&Said>) -> Option<Code> {
    match said {
        Some(Ok(frame)) => {
            let trailers = frame.trailers_ref()?;
            Some(code_in(trailers).unwrap_or(Code::Unknown))
        }
        Some(Err(status)) => Some(status.code()),
        None => Some(Code::Unknown),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{call, ending as ending_status, endless, service};
    use super::super::{reply, trailers};
    use super::*;
    use futures::FutureExt;
    use http_body::Frame;
    use http_body_util::{BodyExt, StreamBody};

    const UNARY: &str = "/paymesh.trade.v1.TradeService/GetOrder";
    const STREAM: &str = "/paymesh.trade.v1.TradeService/WatchOrder";

    fn code(answer: &Reply) -> Option<Code> {
        answer.ending().map(|ended| ended.code)
    }

    fn data(length: usize) -> Frame<Bytes> {
        Frame::data(vec![7; length].into())
    }

    fn answer(frames: Vec<Result<Frame<Bytes>, Status>>) -> Reply {
        Reply::new(Body::new(StreamBody::new(futures::stream::iter(frames))))
    }

    async fn read_of(frames: Vec<Result<Frame<Bytes>, Status>>) -> Reply {
        read(answer(frames).into_response()).await
    }

    #[tokio::test]
    async fn an_answer_of_one_message_says_at_once_how_it_ended() {
        let rest = service(|_| async {
            let end = trailers(Status::not_found("x"));
            answer(vec![Ok(data(3)), Ok(end)])
        });
        let answer = Whole.around(call(UNARY), &rest).await;
        assert!(answer.is_whole() && answer.is_over());
        assert_eq!(code(&answer), Some(Code::NotFound));
        let body = answer.into_parts().1.collect().await.unwrap();
        let told = Status::from_header_map(body.trailers().unwrap()).unwrap();
        assert_eq!(told.code(), Code::NotFound);
        assert_eq!(body.to_bytes().len(), 3);
    }

    #[tokio::test]
    async fn an_answer_that_breaks_off_or_has_no_end_of_its_own_is_read_as_it_is() {
        let broken = read_of(vec![Ok(data(1)), Err(Status::unavailable("gone"))]).await;
        assert_eq!(code(&broken), Some(Code::Unavailable));
        assert_eq!(ending_status(broken).await.message(), "gone");
        let endless = read_of(vec![Ok(data(1))]).await;
        assert_eq!(code(&endless), Some(Code::Unknown));
        let nameless = read_of(vec![Ok(Frame::trailers(http::HeaderMap::new()))]).await;
        assert_eq!(code(&nameless), Some(Code::Unknown));
    }

    #[tokio::test]
    async fn a_stream_and_what_nobody_knows_are_handed_on_as_they_come() {
        let rest = service(|_| async { endless(vec![data(1)]) });
        for path in [STREAM, "/no.Such/Method"] {
            let answer = Whole.around(call(path), &rest).now_or_never();
            let answer = answer.unwrap();
            assert!(!answer.is_over(), "{path}");
        }
        let waits = Whole.around(call(UNARY), &rest).now_or_never();
        assert!(waits.is_none());
    }

    #[tokio::test]
    async fn what_is_long_is_handed_on_before_its_end_and_nothing_of_it_is_lost() {
        let frames = vec![data(LONGEST), data(1), data(5)];
        let mut long = read(endless(frames).into_response())
            .now_or_never()
            .unwrap();
        assert_eq!(code(&long), None);
        let mut length = 0;
        while let Some(Some(Ok(frame))) = long.body_mut().frame().now_or_never() {
            length += frame.data_ref().unwrap().len();
        }
        assert_eq!(length, LONGEST + 6);
        assert!(!long.is_over());
    }

    #[test]
    fn frames_that_never_stop_are_not_read_for_ever() {
        let empty = || Ok::<_, Status>(Frame::data(Bytes::new()));
        let endless = futures::stream::repeat_with(empty);
        let answer = Reply::new(Body::new(StreamBody::new(endless)));
        let handed_on = read(answer.into_response()).now_or_never().unwrap();
        assert!(!handed_on.is_over());
    }

    #[tokio::test]
    async fn a_status_in_the_headers_stands_where_no_trailers_follow() {
        let mut good = answer(vec![Ok(data(3))]);
        good.headers_mut().insert(Status::GRPC_STATUS, 0.into());
        let good = read(good.into_response()).await;
        assert_eq!(code(&good), Some(Code::Ok));
    }

    #[tokio::test]
    async fn what_ended_with_its_headers_is_over_already() {
        let refused = read(reply(Status::aborted("x")).into_response()).await;
        assert!(refused.is_over() && !refused.is_whole());
        assert_eq!(code(&refused), Some(Code::Aborted));
    }
}
