//! What do both directions of a connection say? The hellos say how its records are opened; they follow
//! in the order in which they travel.

use super::lane::{Lane, Step, Version};
use super::lane12::{Agreed, Lane12};
use super::lane13::Lane13;
use super::messages::{kind, protocol};
use super::plaintext::Plaintext;
use super::suite::Suite;
use crate::flow::Direction;
use crate::proto::conversation::of;
use crate::proto::tls::keys::{ClientRandom, KeyStore, Label, Secrets};
use crate::proto::tls::{ClientHello, ServerHello, TlsVersion, Unread, hello::extension};

/// Bytes of a client held until the server's hello says how they are opened: early data.
const HELD_LIMIT: usize = 64 * 1024;

/// A connection whose secrets are known.
pub(in crate::proto::tls) struct Session {
    client: Direction,
    client_random: ClientRandom,
    secrets: Secrets,
    /// The client sends early data, and whether the server may take it.
    early: bool,
    may_take_early: bool,
    lanes: [Lane; 2],
    /// What came before the server's hello; none once that was read.
    held: Option<Vec<u8>>,
    /// The hello of a client that renegotiates (TLS 1.2): its random.
    renewed: Option<ClientRandom>,
    /// The application protocol, where it is said under encryption.
    protocol: Option<Box<[u8]>>,
    told: bool,
    scratch: Vec<u8>,
}

/// How a connection stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::proto::tls) enum Standing {
    /// The hellos are not both read.
    Waiting,
    /// No record that is protected came yet.
    Begun,
    /// Records were opened.
    Open,
    /// Nothing was opened, and nothing will be.
    Sealed,
}

impl Session {
    /// A client that sends in `dir` has sent its hello.
    pub(in crate::proto::tls) fn new(dir: Direction, hello: &ClientHello<'_>, secrets: &Secrets) -> Option<Self> {
        let lanes = [Lane::new(Direction::Forward), Lane::new(Direction::Reverse)];
        Some(Self {
            client: dir,
            client_random: hello.random.try_into().ok()?,
            secrets: secrets.clone(),
            early: hello.extensions().get(extension::EARLY_DATA).is_some(),
            may_take_early: true,
            lanes,
            held: Some(Vec::new()),
            renewed: None,
            protocol: None,
            told: false,
            scratch: Vec::new(),
        })
    }

    /// Heap memory held.
    pub(in crate::proto::tls) fn held_bytes(&self) -> usize {
        let lanes = self.lanes.iter().map(Lane::held_bytes).sum::<usize>();
        let held = self.held.as_ref().map_or(0, Vec::capacity);
        // Keys are some hundred bytes each, of a few secrets.
        size_of::<Self>().saturating_add(lanes).saturating_add(held).saturating_add(self.scratch.capacity() + 2048)
    }

    pub(in crate::proto::tls) fn is_mid_record(&self) -> bool {
        self.lanes.iter().any(Lane::is_mid_record)
    }

    /// The hello of a direction was read; of the record in which it ended so many bytes follow.
    pub(in crate::proto::tls) const fn begin_after(&mut self, dir: Direction, pass: usize) {
        of(&mut self.lanes, dir).begin_after(pass);
    }

    /// The client has to ask again: what it sends before that is no early data that counts.
    pub(in crate::proto::tls) const fn retried(&mut self) {
        self.may_take_early = false;
    }

    /// The server, which sends in `dir`, has answered.
    ///
    /// # Errors
    /// Why what they agreed on cannot be opened.
    pub(in crate::proto::tls) fn agree(
        &mut self,
        dir: Direction,
        hello: &ServerHello<'_>,
        out: &mut Plaintext,
    ) -> Result<(), Unread> {
        if dir == self.client {
            return Err(Unread::Incomplete);
        }
        let has = |label| self.secrets.get(label).is_some();
        match hello.version() {
            TlsVersion::TLS12 if !has(Label::Master) => return Err(Unread::NoKey),
            TlsVersion::TLS13 if !has(Label::Client) && !has(Label::Server) => return Err(Unread::NoKey),
            TlsVersion::TLS12 => {
                for lane in &mut self.lanes {
                    lane.protect(Version::Tls12(Box::new(Lane12::new())));
                }
                self.agree12(hello).ok_or(Unread::Unsupported)?;
            }
            TlsVersion::TLS13 => self.agree13(hello).ok_or(Unread::Unsupported)?,
            _ => return Err(Unread::Unsupported),
        }
        let held = self.held.take().unwrap_or_default();
        self.read(self.client, &held, None, out);
        Ok(())
    }

    fn agree12(&mut self, hello: &ServerHello<'_>) -> Option<()> {
        let agreed = Agreed {
            suite: Suite::of_tls12(hello.cipher)?,
            master: self.secrets.get(Label::Master)?.expose(),
            client_random: &self.client_random,
            server_random: hello.random,
            encrypt_then_mac: hello.encrypts_then_macs(),
        };
        let [forward, reverse] = &mut self.lanes;
        let (client, server) = if self.client == Direction::Forward { (forward, reverse) } else { (reverse, forward) };
        match (client.protection(), server.protection()) {
            (Some(Version::Tls12(client)), Some(Version::Tls12(server))) => Lane12::agree(&agreed, client, server),
            _ => None,
        }
    }

    fn agree13(&mut self, hello: &ServerHello<'_>) -> Option<()> {
        let suite = Suite::of_tls13(hello.cipher)?;
        let known = |labels: &[Label]| {
            labels.iter().filter_map(|label| Some(self.secrets.get(*label)?.expose().as_slice())).collect::<Vec<_>>()
        };
        // A server that takes no pre-shared key takes no early data.
        let early: &[Label] =
            if self.early && self.may_take_early && hello.takes_psk() { &[Label::ClientEarly] } else { &[] };
        let of_client = [early, &[Label::ClientHandshake, Label::Client]].concat();
        let of_server = [Label::ServerHandshake, Label::Server];
        let has = |label| self.secrets.get(label).is_some();
        let client = Lane13::new(suite, known(&of_client).into_iter(), self.early || !has(Label::ClientHandshake))?;
        let server = Lane13::new(suite, known(&of_server).into_iter(), !has(Label::ServerHandshake))?;
        of(&mut self.lanes, self.client).protect(Version::Tls13(Box::new(client)));
        of(&mut self.lanes, self.client.opposite()).protect(Version::Tls13(Box::new(server)));
        Some(())
    }

    /// Takes the next bytes of a direction; `keys` are asked when the two agree anew. False where too
    /// much would have to be held.
    pub(in crate::proto::tls) fn take(
        &mut self,
        dir: Direction,
        bytes: &[u8],
        keys: Option<&KeyStore>,
        out: &mut Plaintext,
    ) -> bool {
        match &mut self.held {
            Some(held) if held.len().saturating_add(bytes.len()) > HELD_LIMIT => return false,
            Some(held) => held.extend_from_slice(bytes),
            None => self.read(dir, bytes, keys, out),
        }
        true
    }

    fn read(&mut self, dir: Direction, mut bytes: &[u8], keys: Option<&KeyStore>, out: &mut Plaintext) {
        loop {
            let step = of(&mut self.lanes, dir).step(&mut bytes, &mut self.scratch, out);
            while let Some((kind, body)) = of(&mut self.lanes, dir).message() {
                if self.on_message(dir, kind, &body, keys).is_none() {
                    of(&mut self.lanes, dir).lose();
                }
            }
            match step {
                Step::Done => return,
                Step::Record => {}
                Step::Found(behind) => return self.read(dir, &behind, keys, out),
            }
        }
    }

    /// A handshake message under encryption. `None` where nothing more can be opened after it.
    fn on_message(&mut self, dir: Direction, kind: u16, body: &[u8], keys: Option<&KeyStore>) -> Option<()> {
        let is_tls13 = matches!(of(&mut self.lanes, dir).protection(), Some(Version::Tls13(_)));
        match kind {
            kind::KEY_UPDATE if is_tls13 => match of(&mut self.lanes, dir).protection()? {
                Version::Tls13(lane) => lane.update(),
                Version::Tls12(_) => None,
            },
            kind::ENCRYPTED_EXTENSIONS if is_tls13 => {
                self.protocol = protocol(body).map(Into::into);
                Some(())
            }
            kind::CLIENT_HELLO if !is_tls13 && dir == self.client => {
                self.renewed = ClientHello::read(body).and_then(|hello| hello.random.try_into().ok());
                Some(())
            }
            kind::SERVER_HELLO if !is_tls13 && dir != self.client => {
                let hello = ServerHello::read(body)?;
                let random = self.renewed.take()?;
                let Some(secrets) = keys.and_then(|keys| keys.find(&random)) else {
                    return Some(()); // until the keys change, what comes can be opened
                };
                (self.client_random, self.secrets) = (random, secrets.clone());
                self.agree12(&hello)
            }
            _ => Some(()),
        }
    }

    /// `len` bytes of a direction are missing. False where the connection cannot be read at all then.
    pub(in crate::proto::tls) fn on_gap(&mut self, dir: Direction, len: u64) -> bool {
        of(&mut self.lanes, dir).on_gap(len);
        self.held.is_none()
    }

    /// Both directions are lost.
    pub(in crate::proto::tls) fn is_lost(&self) -> bool {
        self.lanes.iter().all(Lane::is_lost)
    }

    /// One direction is lost.
    pub(in crate::proto::tls) fn is_half_lost(&self) -> bool {
        self.lanes.iter().any(Lane::is_lost)
    }

    /// Whether records were opened; true once.
    pub(in crate::proto::tls) fn is_news(&mut self) -> bool {
        !self.told && self.lanes.iter().any(|lane| lane.opened) && !std::mem::replace(&mut self.told, true)
    }

    /// The application protocol that the server chose under encryption, as far as is known.
    pub(in crate::proto::tls) fn protocol(&self) -> Option<&[u8]> {
        self.protocol.as_deref()
    }

    /// How the connection stands.
    pub(in crate::proto::tls) fn standing(&self) -> Standing {
        match (self.held.is_some(), self.told, self.is_half_lost()) {
            (true, ..) => Standing::Waiting,
            (_, true, _) => Standing::Open,
            (_, _, true) => Standing::Sealed,
            _ => Standing::Begun,
        }
    }
}
