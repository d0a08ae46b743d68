//! A bell that rings in every process of an environment, through Redis. With Redis away it
//! rings in this one.

use std::sync::Arc;
use std::time::Duration;

use bb8_redis::redis::aio::{PubSubSink, PubSubStream};
use bb8_redis::redis::{Msg, RedisError, pipe};
use futures::StreamExt;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{info, warn};

use super::{Bell, InProcess, Rings};
use crate::redis::Link;

/// A bell in Redis.
pub struct Redis {
    here: Arc<InProcess>,
    queue: mpsc::Sender<Ring>,
    _stop: DropGuard,
}

struct Ring {
    topic: &'static str,
    key: String,
}

// Rings that may wait to be sent; more are dropped.
const WAITING: usize = 1024;
// Rings sent at once.
const AT_ONCE: usize = 128;
// How long connecting may take, and an answer to a PING.
const PATIENCE: Duration = Duration::from_secs(1);
// How often the connection is asked whether it still lives.
pub(super) const PING: Duration = Duration::from_secs(5);
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_MOST: Duration = Duration::from_secs(5);

impl Redis {
    /// Listens and tells until it is dropped. `origin` is a nonce: this process's name among
    /// the others. Needs a tokio runtime.
    pub fn start(link: &Link, origin: String) -> Self {
        let here = Arc::new(InProcess::default());
        let (queue, rings) = mpsc::channel(WAITING);
        let stop = CancellationToken::new();
        let ear = Ear {
            link: link.clone(),
            here: Arc::clone(&here),
            origin: origin.clone(),
        };
        tokio::spawn(stop.clone().run_until_cancelled_owned(listen(ear)));
        tokio::spawn(tell(link.clone(), origin, rings));
        Self {
            here,
            queue,
            _stop: stop.drop_guard(),
        }
    }
}

impl Bell for Redis {
    fn publish(&self, topic: &'static str, key: &str) {
        self.here.publish(topic, key);
        let key = key.to_owned();
        if self.queue.try_send(Ring { topic, key }).is_err() {
            dropped(1);
        }
    }

    fn subscribe(&self, topic: &'static str) -> Rings {
        self.here.subscribe(topic)
    }
}

// Ends when the bell is dropped.
async fn tell(link: Link, origin: String, mut rings: mpsc::Receiver<Ring>) {
    let mut batch = Vec::with_capacity(AT_ONCE);
    loop {
        let count = rings.recv_many(&mut batch, AT_ONCE).await;
        if count == 0 {
            return;
        }
        let mut commands = pipe();
        for Ring { topic, key } in batch.drain(..) {
            let channel = format!("{}:bell:{topic}", link.prefix());
            let message = format!("{origin} {key}");
            commands.cmd("PUBLISH").arg(channel).arg(message).ignore();
        }
        if link.ask::<()>(&commands).await.is_err() {
            dropped(count);
        }
    }
}

fn dropped(count: usize) {
    let count = u64::try_from(count).unwrap_or(u64::MAX);
    metrics::counter!("bell_rings_dropped_total").increment(count);
}

/// What listens to the other processes.
struct Ear {
    link: Link,
    here: Arc<InProcess>,
    origin: String,
}

async fn listen(ear: Ear) {
    let mut pause = PAUSE_FIRST;
    let mut silent = false;
    loop {
        let began = ear.begin().await;
        if began.is_ok() {
            pause = PAUSE_FIRST;
            if std::mem::take(&mut silent) {
                info!(redis = ear.link.address(), "hearing other processes again");
            }
        }
        let why = match began {
            Ok((sink, messages)) => ear.hear(sink, messages).await,
            Err(why) => why,
        };
        if !std::mem::replace(&mut silent, true) {
            warn!(
                redis = ear.link.address(),
                why, "other processes are not heard; what they change is seen later"
            );
        }
        sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MOST);
    }
}

impl Ear {
    async fn begin(&self) -> Result<(PubSubSink, PubSubStream), String> {
        let subscribed = timeout(PATIENCE, async {
            let mut connection = self.link.client().get_async_pubsub().await?;
            let every = format!("{}:bell:*", self.link.prefix());
            connection.psubscribe(every).await?;
            Ok::<_, RedisError>(connection.split())
        });
        match subscribed.await {
            Ok(subscribed) => subscribed.map_err(|error| error.to_string()),
            Err(_) => Err(format!("no answer within {PATIENCE:?}")),
        }
    }

    // Until the connection ends, and why it did.
    async fn hear(&self, mut sink: PubSubSink, mut messages: PubSubStream) -> String {
        let mut ping_at = Instant::now() + PING;
        loop {
            tokio::select! {
                message = messages.next() => match message {
                    Some(message) => self.ring(&message),
                    None => return "the connection ended".to_owned(),
                },
                () = sleep_until(ping_at) => {
                    match timeout(PATIENCE, sink.ping::<()>()).await {
                        Ok(Ok(())) => ping_at = Instant::now() + PING,
                        Ok(Err(error)) => return error.to_string(),
                        Err(_) => return format!("no answer within {PATIENCE:?}"),
                    }
                }
            }
        }
    }

    fn ring(&self, message: &Msg) {
        let topic = message.get_channel_name().rsplit_once(":bell:");
        let said = str::from_utf8(message.get_payload_bytes()).ok();
        let said = said.and_then(|said| said.split_once(' '));
        // What this process said itself, its listeners have heard already.
        if let (Some((_, topic)), Some((origin, key))) = (topic, said)
            && origin != self.origin
        {
            self.here.ring(topic, key);
        }
    }
}
