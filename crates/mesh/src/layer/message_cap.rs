//! Refuses a message that is too long by its announced length, before it is buffered.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use tonic::Status;
use tonic::body::Body;

use super::{Answer, Call, Pattern, Polled, Rest, poll_body};
use crate::error::{ErrorKind, Fault};

/// The longest message a server takes, in bytes.
pub(crate) const LONGEST: u64 = 1024 * 1024;

/// Watches the length of each message a caller sends.
#[derive(Clone)]
pub(crate) struct MessageCap;

impl Pattern for MessageCap {
    fn around<R: Rest>(&self, call: Call, rest: &R) -> impl Answer + use<R> {
        let request = call.request.map(|body| {
            let scan = Scan::default();
            Body::new(Capped { body, scan })
        });
        rest.run(Call { request, ..call })
    }
}

struct Capped {
    body: Body,
    scan: Scan,
}

impl http_body::Body for Capped {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        let frame = poll_body(&mut self.body, cx);
        if let Poll::Ready(Some(Ok(frame))) = &frame
            && let Some(data) = frame.data_ref()
            && let Err(length) = self.scan.read(data)
        {
            self.body = Body::empty();
            return Poll::Ready(Some(Err(too_long(length).into())));
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        http_body::Body::is_end_stream(&self.body)
    }
}

fn too_long(length: u64) -> Fault {
    let message = format!("a message may have {LONGEST} bytes, this one has {length}");
    Fault::new(ErrorKind::Invalid, "MESSAGE_TOO_LONG", message)
        .with("length", length)
        .with("longest", LONGEST)
}

/// Follows gRPC's framing: one flag byte, four bytes of length, the message.
#[derive(Default)]
struct Scan {
    prefix: Vec<u8>,
    left: u64,
}

const PREFIX: usize = 5;

impl Scan {
    /// Reads on; an error is the length of a message that is too long.
    fn read(&mut self, mut data: &[u8]) -> Result<(), u64> {
        while !data.is_empty() {
            if self.left > 0 {
                let skipped = data
                    .len()
                    .min(usize::try_from(self.left).unwrap_or(usize::MAX));
                self.left -= skipped as u64;
                data = data.get(skipped..).unwrap_or_default();
                continue;
            }
            let wanted = data.len().min(PREFIX - self.prefix.len());
            let (prefix, rest) = data.split_at(wanted);
            self.prefix.extend_from_slice(prefix);
            data = rest;
            if let [_, length @ ..] = self.prefix.as_slice()
                && let Ok(length) = <[u8; 4]>::try_from(length)
            {
                self.left = u64::from(u32::from_be_bytes(length));
                self.prefix.clear();
            }
            if self.left > LONGEST {
                return Err(self.left);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(length: u32) -> Vec<u8> {
        let prefix = [&[0], &length.to_be_bytes()[..]].concat();
        [prefix, vec![7; length as usize]].concat()
    }

    #[test]
    fn messages_are_told_apart_however_they_are_cut() {
        let bytes = [
            framed(0),
            framed(300),
            framed(5),
            framed(u32::try_from(LONGEST).unwrap()),
        ];
        let bytes = bytes.concat();
        for size in [1, 2, 3, 5, 7, 64, 4096, bytes.len()] {
            let mut scan = Scan::default();
            assert!(
                bytes.chunks(size).all(|chunk| scan.read(chunk).is_ok()),
                "{size}"
            );
            assert_eq!((scan.left, scan.prefix.len()), (0, 0), "{size}");
        }
    }

    #[test]
    fn a_longer_message_is_refused_by_its_length_alone() {
        let longer = u32::try_from(LONGEST + 1).unwrap();
        let head = [framed(3), [&[0][..], &longer.to_be_bytes()].concat()].concat();
        for size in [1, 4, head.len()] {
            let mut scan = Scan::default();
            let refused = head.chunks(size).find_map(|chunk| scan.read(chunk).err());
            assert_eq!(refused, Some(LONGEST + 1), "{size}");
        }
    }
}
