//! A DNS server that says what a test wants: over UDP, and over TCP what is too long for that.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use mesh::DnsResolver;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

const A: u16 = 1;
const AAAA: u16 = 28;
const MOST_IN_A_DATAGRAM: usize = 20;

/// An answer; nothing is said of a name that has none: there is no such name.
#[derive(Clone)]
pub(crate) enum Say {
    /// These addresses, for so many seconds.
    Addresses(Vec<IpAddr>, u32),
    /// A failure of the server.
    Failure,
    /// Not a word.
    Silence,
}

#[derive(Default)]
struct Zone {
    names: HashMap<String, Say>,
    asked: Vec<String>,
}

/// Clones are of the same server.
#[derive(Clone)]
pub(crate) struct NameServer {
    address: SocketAddr,
    zone: Arc<Mutex<Zone>>,
}

impl NameServer {
    pub(crate) async fn start() -> Self {
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = tcp.local_addr().unwrap();
        let udp = UdpSocket::bind(address).await.unwrap();
        let server = Self {
            address,
            zone: Arc::default(),
        };
        tokio::spawn(server.clone().datagrams(udp));
        tokio::spawn(server.clone().connections(tcp));
        server
    }

    /// What asks this server, with the search domains of a pod in the namespace `pay`.
    pub(crate) fn resolver(&self) -> DnsResolver {
        let domains = [
            "pay.svc.cluster.local",
            "svc.cluster.local",
            "cluster.local",
        ];
        DnsResolver {
            servers: vec![self.address],
            search: domains.map(str::to_owned).to_vec(),
            ndots: 5,
        }
    }

    /// From now on; a name is as in `trade.test.`, or `trade.test./AAAA` for one kind alone.
    pub(crate) fn say(&self, name: &str, say: Say) {
        self.zone.lock().unwrap().names.insert(name.to_owned(), say);
    }

    pub(crate) fn forget(&self, name: &str) {
        self.zone.lock().unwrap().names.remove(name);
    }

    /// The names that were asked for, each once, in the order in which they came first.
    pub(crate) fn asked(&self) -> Vec<String> {
        let mut asked = Vec::new();
        for name in &self.zone.lock().unwrap().asked {
            if !asked.contains(name) {
                asked.push(name.clone());
            }
        }
        asked
    }

    async fn datagrams(self, socket: UdpSocket) {
        let mut buffer = [0; 4096];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            if let Some(answer) = self.answer(&buffer[..length], MOST_IN_A_DATAGRAM) {
                socket.send_to(&answer, from).await.unwrap();
            }
        }
    }

    async fn connections(self, listener: TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(self.clone().connection(stream));
        }
    }

    async fn connection(self, mut stream: TcpStream) {
        while let Ok(length) = stream.read_u16().await {
            let mut question = vec![0; usize::from(length)];
            stream.read_exact(&mut question).await.unwrap();
            if let Some(answer) = self.answer(&question, usize::MAX) {
                let length = u16::try_from(answer.len()).unwrap();
                stream.write_u16(length).await.unwrap();
                stream.write_all(&answer).await.unwrap();
            }
        }
    }

    fn answer(&self, question: &[u8], most: usize) -> Option<Vec<u8>> {
        let (name, end) = name(question);
        let kind = u16::from_be_bytes([question[end], question[end + 1]]);
        let mut zone = self.zone.lock().unwrap();
        zone.asked.push(name.clone());
        let alone = if kind == AAAA { "AAAA" } else { "A" };
        let said = zone.names.get(&format!("{name}/{alone}"));
        let (code, addresses, ttl) = match said.or_else(|| zone.names.get(&name)).cloned() {
            None => (3, Vec::new(), 0),
            Some(Say::Addresses(addresses, ttl)) => (0, addresses, ttl),
            Some(Say::Failure) => (2, Vec::new(), 0),
            Some(Say::Silence) => return None,
        };
        let mut records: Vec<_> = addresses
            .into_iter()
            .filter_map(|ip| data(ip, kind))
            .collect();
        let cut = records.len() > most;
        if cut {
            records.clear();
        }
        let flags = 0x8180_u16 | if cut { 0x0200 } else { 0 } | code;
        let count = u16::try_from(records.len()).unwrap();
        let mut answer = question[..2].to_vec();
        for word in [flags, 1, count, 0, 0] {
            answer.extend(word.to_be_bytes());
        }
        answer.extend(&question[12..end + 4]);
        for record in records {
            for word in [0xc00c_u16, kind, 1] {
                answer.extend(word.to_be_bytes());
            }
            answer.extend(ttl.to_be_bytes());
            answer.extend(u16::try_from(record.len()).unwrap().to_be_bytes());
            answer.extend(record);
        }
        Some(answer)
    }
}

/// The name of a question in lower case with its last dot, and where it ends.
fn name(question: &[u8]) -> (String, usize) {
    let (mut name, mut at) = (String::new(), 12);
    while question[at] > 0 {
        let label = &question[at + 1..][..usize::from(question[at])];
        name.push_str(&String::from_utf8_lossy(label).to_lowercase());
        name.push('.');
        at += 1 + label.len();
    }
    (name, at + 1)
}

fn data(ip: IpAddr, kind: u16) -> Option<Vec<u8>> {
    match (ip, kind) {
        (IpAddr::V4(ip), A) => Some(ip.octets().to_vec()),
        (IpAddr::V6(ip), AAAA) => Some(ip.octets().to_vec()),
        _ => None,
    }
}
