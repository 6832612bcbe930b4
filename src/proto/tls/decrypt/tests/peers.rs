//! What do a client and a server of rustls say to one another? Sessions made in the test.

use std::io::{Read, Write};
use std::sync::{Arc, Mutex};

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};

use super::{Talk, knowing, read, said};
use crate::flow::Direction::{self, Forward, Reverse};
use crate::proto::testing::Seen;

/// Writes down what a program would write into its key log.
#[derive(Debug, Default)]
struct Log(Mutex<String>);

impl rustls::KeyLog for Log {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        *self.0.lock().unwrap() += &format!("{label} {} {}\n", hex(client_random), hex(secret));
    }
}

/// Two peers, and all that travelled between them.
struct Peers {
    client: ClientConnection,
    server: ServerConnection,
    log: Arc<Log>,
    talk: Talk,
}

/// Configurations of a client and a server that trust one another.
fn configs(of_client: CryptoProvider, of_server: CryptoProvider) -> (ClientConfig, ServerConfig, Arc<Log>) {
    let made = rcgen::generate_simple_self_signed(vec!["shop.test".into()]).unwrap();
    let (certificate, key) = (made.cert.der().clone(), PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into()));
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let all = rustls::ALL_VERSIONS;
    let client = ClientConfig::builder_with_provider(Arc::new(of_client)).with_protocol_versions(all).unwrap();
    let mut client = client.with_root_certificates(roots).with_no_client_auth();
    let server = ServerConfig::builder_with_provider(Arc::new(of_server)).with_protocol_versions(all).unwrap();
    let mut server = server.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
    let log = Arc::new(Log::default());
    client.key_log = log.clone();
    client.enable_early_data = true;
    client.alpn_protocols = vec![b"http/1.1".to_vec()];
    server.alpn_protocols = vec![b"http/1.1".to_vec()];
    server.max_early_data_size = 16 * 1024;
    (client, server, log)
}

impl Peers {
    fn new(client: &Arc<ClientConfig>, server: &Arc<ServerConfig>, log: &Arc<Log>) -> Self {
        let name = ServerName::try_from("shop.test").unwrap();
        Self {
            client: ClientConnection::new(client.clone(), name).unwrap(),
            server: ServerConnection::new(server.clone()).unwrap(),
            log: log.clone(),
            talk: Talk::default(),
        }
    }

    /// Passes on what both have to say until neither has more.
    fn settle(&mut self) {
        while self.client.wants_write() || self.server.wants_write() {
            for dir in [Forward, Reverse] {
                let mut bytes = Vec::new();
                while match dir {
                    Forward => self.client.wants_write(),
                    Reverse => self.server.wants_write(),
                } {
                    match dir {
                        Forward => self.client.write_tls(&mut bytes).unwrap(),
                        Reverse => self.server.write_tls(&mut bytes).unwrap(),
                    };
                }
                let mut rest = bytes.as_slice();
                while !rest.is_empty() {
                    match dir {
                        Forward => {
                            self.server.read_tls(&mut rest).unwrap();
                            self.server.process_new_packets().unwrap();
                        }
                        Reverse => {
                            self.client.read_tls(&mut rest).unwrap();
                            self.client.process_new_packets().unwrap();
                        }
                    }
                }
                self.talk.script.extend((!bytes.is_empty()).then_some((dir, bytes)));
                let _nothing = self.server.reader().read(&mut [0; 65_536]);
                let _nothing = self.client.reader().read(&mut [0; 65_536]);
            }
        }
    }

    /// A request and its reply.
    fn ask(&mut self, target: &str) {
        let request = format!("GET {target} HTTP/1.1\r\nHost: shop.test\r\nCookie: s=0123456789abcdef\r\n\r\n");
        self.client.writer().write_all(request.as_bytes()).unwrap();
        self.settle();
        let reply = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
        self.server.writer().write_all(reply).unwrap();
        self.settle();
    }

    fn talk(self) -> Talk {
        Talk { keys: self.log.0.lock().unwrap().clone(), ..self.talk }
    }
}

/// A session under one suite: two requests, with new keys between them where there are such.
fn session(suite: rustls::SupportedCipherSuite) -> Talk {
    let provider = CryptoProvider { cipher_suites: vec![suite], ..ring::default_provider() };
    let (client, server, log) = configs(provider.clone(), provider);
    let mut peers = Peers::new(&Arc::new(client), &Arc::new(server), &log);
    peers.settle();
    peers.ask("/first");
    if suite.tls13().is_some() {
        peers.client.refresh_traffic_keys().unwrap();
        peers.server.refresh_traffic_keys().unwrap();
    }
    peers.ask("/second");
    peers.client.send_close_notify();
    peers.settle();
    Talk { name: format!("{:?}", suite.suite()), ..peers.talk() }
}

#[test]
fn sessions_of_every_suite_are_read_over_any_cut() {
    for suite in ring::ALL_CIPHER_SUITES {
        let suite = match suite {
            // The certificate is of a curve.
            _ if format!("{:?}", suite.suite()).contains("_RSA_") => continue,
            suite => *suite,
        };
        let talk = session(suite);
        for step in [usize::MAX, 1, 7, 100] {
            let driver = read(&talk, step);
            assert_eq!(said(&driver), ["/first", "200", "/second", "200"], "{} by {step}", talk.name);
            let told = Seen::TlsDecrypted(if suite.tls13().is_some() { "http/1.1" } else { "" }.into());
            assert!(driver.sink.messages.contains(&told), "{}", talk.name);
        }
    }
}

#[test]
fn a_client_that_is_asked_again_is_read() {
    let groups = |names: &[&'static dyn rustls::crypto::SupportedKxGroup]| CryptoProvider {
        kx_groups: names.to_vec(),
        ..ring::default_provider()
    };
    let (client, server, log) =
        configs(groups(&[ring::kx_group::X25519, ring::kx_group::SECP256R1]), groups(&[ring::kx_group::SECP256R1]));
    let mut peers = Peers::new(&Arc::new(client), &Arc::new(server), &log);
    peers.settle();
    peers.ask("/");
    let driver = read(&peers.talk(), 50);
    assert!(driver.sink.messages.iter().any(|m| matches!(m, Seen::ServerHello { retry: true, .. })));
    assert_eq!(said(&driver), ["/", "200"]);
}

#[test]
fn early_data_is_read_where_its_secret_is_known_and_passed_over_where_not() {
    let (client, server, log) = configs(ring::default_provider(), ring::default_provider());
    let (client, server) = (Arc::new(client), Arc::new(server));
    let mut first = Peers::new(&client, &server, &log);
    first.settle();
    first.ask("/first");
    log.0.lock().unwrap().clear();
    let mut second = Peers::new(&client, &server, &log);
    let early = b"GET /early HTTP/1.1\r\nHost: shop.test\r\n\r\n";
    second.client.early_data().expect("a ticket").write_all(early).unwrap();
    second.settle();
    assert!(second.client.is_early_data_accepted());
    second.server.writer().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
    second.settle();
    second.ask("/second");
    let talk = second.talk();
    for step in [usize::MAX, 3] {
        assert_eq!(said(&read(&talk, step)), ["/early", "200", "/second", "200"], "by {step}");
    }
    let known = |left_out: &str| {
        let lines = talk.keys.lines().filter(|line| !line.starts_with(left_out));
        Talk { keys: lines.map(|line| format!("{line}\n")).collect(), ..talk.clone() }
    };
    let without = said(&read(&known("CLIENT_EARLY"), 20));
    assert!(without.contains(&"/second".to_owned()) && !without.contains(&"/early".to_owned()), "{without:?}");
    // Those of the handshake are not needed for what comes after it.
    let without = said(&read(&known("SERVER_HANDSHAKE"), 20));
    assert_eq!(without, ["/early", "200", "/second", "200"]);
}

/// A long session with holes: every message that is not in one is read.
fn with_hole(suite: rustls::SupportedCipherSuite, dir: Direction, hole: std::ops::Range<usize>) -> Vec<String> {
    let provider = CryptoProvider { cipher_suites: vec![suite], ..ring::default_provider() };
    let (client, server, log) = configs(provider.clone(), provider);
    let mut peers = Peers::new(&Arc::new(client), &Arc::new(server), &log);
    peers.settle();
    let handshake = peers.talk.script.len();
    for number in 0..20 {
        peers.ask(&format!("/{number}"));
    }
    let talk = peers.talk();
    let mut driver = knowing(&talk.keys);
    let mut at = 0;
    for (place, (of, bytes)) in talk.script.iter().enumerate() {
        for byte in bytes.chunks(1) {
            let in_hole = place >= handshake && *of == dir && hole.contains(&at);
            at += usize::from(place >= handshake && *of == dir);
            if in_hole {
                driver.gap(dir, 1);
            } else {
                driver.data(*of, byte);
            }
        }
    }
    driver.close();
    said(&driver).into_iter().filter(|said| said.starts_with('/')).collect()
}

#[test]
fn behind_a_hole_the_next_record_is_found() {
    use ring::cipher_suite::{TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384};
    for suite in [TLS13_AES_256_GCM_SHA384, TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256] {
        // In the middle of a record; over several; from one end to another.
        for hole in [3..4, 40..60, 90..91, 150..1000, 0..500] {
            let read = with_hole(suite, Forward, hole.clone());
            let lost = hole.len() / 80 + 3;
            assert!(read.len() + lost >= 20, "{hole:?}: {read:?}");
            assert_eq!(read.last().map(String::as_str), Some("/19"), "{hole:?}");
        }
    }
}
