//! A small world for tests: clients present tokens, servers answer, observations come out.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::{Evidence, Observation, SessionConfig, SessionTable, Sighting};
use crate::base::ids::Digest16;
use crate::base::net::{Endpoint, MacAddr, Tenant};
use crate::base::time::{FrameId, Stamp, Timestamp};
use crate::flow::FlowId;
use crate::identity::user_agent::{Kind, UserAgent};
use crate::identity::{AddressSource, ClientIdentity};
use crate::packet::{ClaimKind, NeighbourClaim};
use crate::proto::HttpVersion;
use crate::token::sighting::HttpView;
use crate::token::{
    Carrier, Issued, Outcome, OutcomeSighting, PathKind, PathSighting, Request, RequestId, RequestView, SeenToken,
    TokenClass, TokenSighting, TokenUse,
};

/// The server that every client talks to unless told otherwise.
pub(crate) const SERVER: &str = "10.0.1.20";

/// A proxy before it; trusted where a test says so.
pub(crate) const PROXY: &str = "10.0.1.5";

/// A browser of some version on some system.
pub(crate) fn browser(family: &str, os: &str, major: u32) -> Arc<UserAgent> {
    agent(Kind::Browser, family, os, major)
}

/// curl.
pub(crate) fn curl() -> Arc<UserAgent> {
    agent(Kind::Tool, "curl", "", 8)
}

pub(crate) fn agent(kind: Kind, family: &str, os: &str, major: u32) -> Arc<UserAgent> {
    let original = format!("{family}/{major} ({os})").into();
    Arc::new(UserAgent { kind, family: family.into(), os: os.into(), major, original })
}

/// A client at an address with a user agent and, where given, a frame MAC.
pub(crate) fn client(address: &str, agent: &Arc<UserAgent>) -> ClientIdentity {
    ClientIdentity {
        address: Some(address.parse().unwrap()),
        address_from: AddressSource::Packet,
        frame_mac: None,
        direct: true,
        user_agent: Some(Arc::clone(agent)),
        ..ClientIdentity::unknown()
    }
}

/// The same client with a frame MAC.
pub(crate) fn with_mac(client: ClientIdentity, last: u8) -> ClientIdentity {
    ClientIdentity { frame_mac: Some(MacAddr([2, 0, 0, 0, 0, last])), ..client }
}

/// A strong session token.
pub(crate) fn strong(n: u8) -> SeenToken {
    SeenToken {
        token: Digest16([n; 16]),
        by_address: None,
        strength: 128,
        id: "php_session".into(),
        name: "PHPSESSID".into(),
        carrier: Carrier::Cookie,
        class: TokenClass::Session,
        service: "shop.test".into(),
    }
}

/// A weak one, with its second ref.
pub(crate) fn weak(n: u8) -> SeenToken {
    SeenToken { strength: 30, by_address: Some(Digest16([n ^ 0x80; 16])), ..strong(n) }
}

/// The uses of tokens among what was seen.
pub(crate) fn uses(seen: Vec<Evidence>) -> Vec<Arc<Observation>> {
    seen.iter().filter_map(Evidence::token_use).map(Arc::clone).collect()
}

/// Sessions under test, with a clock that tests turn.
pub(crate) struct World {
    pub(crate) table: SessionTable,
    pub(crate) seconds: f64,
    pub(crate) server: IpAddr,
    pub(crate) host: &'static str,
    pub(crate) method: &'static str,
    /// The next reply hands out another value.
    pub(crate) renews: bool,
    /// The next request goes to a login page.
    pub(crate) at_login: bool,
    /// What requests ask for, as a hash.
    pub(crate) hash: u64,
    frame: u64,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(SessionConfig::default())
    }

    pub(crate) fn with(config: SessionConfig) -> Self {
        Self {
            table: SessionTable::new(config, &[7; 32], 11),
            seconds: 1_000_000.0,
            server: SERVER.parse().unwrap(),
            host: "shop.test",
            method: "GET",
            renews: false,
            at_login: false,
            hash: 1,
            frame: 0,
        }
    }

    /// Lets time pass.
    pub(crate) fn wait(&mut self, seconds: f64) -> &mut Self {
        self.seconds += seconds;
        self
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::default().after(Duration::from_secs_f64(self.seconds))
    }

    fn stamp(&mut self) -> Stamp {
        self.frame += 1;
        Stamp { ts: self.now(), frame: FrameId { number: self.frame, ..FrameId::default() } }
    }

    fn request(&mut self, client: &ClientIdentity) -> Arc<RequestView> {
        let at = self.stamp();
        Arc::new(RequestView {
            id: RequestId { flow: FlowId(at.frame), ordinal: 0 },
            first: at,
            complete: at,
            tenant: Tenant::default(),
            source: Endpoint { ip: client.address.unwrap_or(PROXY.parse().unwrap()), port: 40_000 },
            destination: Endpoint { ip: self.server, port: 80 },
            client: client.clone(),
            next_hop: None,
            inner_hop: false,
            decrypted: false,
            http: Some(HttpView {
                version: HttpVersion::V11,
                method: self.method.into(),
                host: self.host.into(),
                path: "/account".into(),
                query: None,
            }),
            midstream: false,
            one_sided: false,
            gaps: 0,
        })
    }

    /// A request of `client` on the leg between two hosts, of a flow of its own.
    pub(crate) fn on_leg(&mut self, from: &str, to: &str, client: &ClientIdentity) -> RequestView {
        let end = |ip: &str, port| Endpoint { ip: ip.parse().unwrap(), port };
        RequestView { source: end(from, 40_000), destination: end(to, 80), ..(*self.request(client)).clone() }
    }

    /// A token in a request, presented.
    pub(crate) fn sighting(&mut self, token: &SeenToken, request: &Arc<RequestView>) -> TokenSighting {
        let (action, at) = (TokenUse::Presented, self.stamp());
        let request = Request::new(Arc::clone(request), Some(self.hash));
        TokenSighting { token: Arc::new(token.clone()), action, request, at, plaintext: true }
    }

    /// Something happens to a token in a request.
    pub(crate) fn token(
        &mut self,
        token: &SeenToken,
        action: TokenUse,
        request: &Arc<RequestView>,
    ) -> Vec<Arc<Observation>> {
        let mut out = Vec::new();
        let sighting = TokenSighting { action, ..self.sighting(token, request) };
        self.table.on_time(self.now(), &mut out);
        if let Some(again) = self.table.apply(&Sighting::Token(sighting), &mut out) {
            out.push(Evidence::Use(self.table.whole(again)));
        }
        uses(out)
    }

    /// The server hands a token to a client that presented `old`, or nothing.
    pub(crate) fn issue(
        &mut self,
        to: &ClientIdentity,
        token: &SeenToken,
        old: Option<&SeenToken>,
    ) -> Vec<Arc<Observation>> {
        let request = self.request(to);
        let issued = Issued {
            replaces: old.map(|t| t.token),
            replaces_by_address: old.and_then(|t| t.by_address),
            ..Issued::default()
        };
        self.token(token, TokenUse::Issued(issued), &request)
    }

    /// The reply to a request hands out a token.
    pub(crate) fn reissue(&mut self, request: &Arc<RequestView>, token: &SeenToken) -> Vec<Arc<Observation>> {
        self.token(token, TokenUse::Issued(Issued::default()), request)
    }

    /// The server deletes a token that a client presented.
    pub(crate) fn delete(&mut self, of: &ClientIdentity, token: &SeenToken) {
        let request = self.request(of);
        self.token(token, TokenUse::Deleted, &request);
    }

    /// A client presents a token; no reply.
    pub(crate) fn present(
        &mut self,
        by: &ClientIdentity,
        token: &SeenToken,
    ) -> (Arc<RequestView>, Vec<Arc<Observation>>) {
        let request = self.request(by);
        let out = self.token(token, TokenUse::Presented, &request);
        (request, out)
    }

    /// The server replies.
    pub(crate) fn reply(
        &mut self,
        request: &Arc<RequestView>,
        token: &SeenToken,
        outcome: Outcome,
    ) -> Vec<Arc<Observation>> {
        let mut out = Vec::new();
        let at = self.stamp();
        let status = if outcome == Outcome::Accepted { 200 } else { 403 };
        let refs = [Some(token.token), token.by_address];
        let tokens = refs.into_iter().flatten().map(|token| (token, outcome)).collect();
        self.table.on_time(self.now(), &mut out);
        let renewed = if std::mem::take(&mut self.renews) { [token.token].into() } else { Box::default() };
        let login = std::mem::take(&mut self.at_login);
        let reply =
            OutcomeSighting { request: Request::new(Arc::clone(request), Some(1)), tokens, renewed, login, status, at };
        self.table.apply(&Sighting::Outcome(reply), &mut out);
        uses(out)
    }

    /// The end: whatever waited is judged.
    pub(crate) fn drained(&mut self) -> Vec<Arc<Observation>> {
        let mut out = Vec::new();
        self.table.drain(&mut out);
        uses(out)
    }

    /// Somebody says on the wire where an address is.
    pub(crate) fn claim(&mut self, address: &str, last: u8, kind: ClaimKind) -> Vec<Evidence> {
        let at = self.stamp();
        let mac = MacAddr([2, 0, 0, 0, 0, last]);
        let claim = NeighbourClaim { tenant: Tenant::default(), ip: address.parse().unwrap(), mac, kind };
        let mut out = Vec::new();
        self.table.apply(&Sighting::Neighbour(claim, at), &mut out);
        out
    }

    /// Something is odd on the path of a request of `client` that carries `token`.
    pub(crate) fn odd(&mut self, kind: PathKind, client: &ClientIdentity, token: Option<&SeenToken>) -> Vec<Evidence> {
        let request = self.request(client);
        let at = self.stamp();
        let tokens = token.cloned().map(Arc::new).into_iter().collect();
        let mut out = Vec::new();
        self.table.apply(&Sighting::Path(PathSighting { kind, from_client: true, request, tokens, at }), &mut out);
        out
    }

    /// A client presents a token and the server replies; all observations of both.
    pub(crate) fn exchange(
        &mut self,
        by: &ClientIdentity,
        token: &SeenToken,
        outcome: Outcome,
    ) -> Vec<Arc<Observation>> {
        let (request, mut out) = self.present(by, token);
        self.wait(0.01);
        out.extend(self.reply(&request, token, outcome));
        out
    }

    /// [`Self::exchange`] accepted.
    pub(crate) fn used(&mut self, by: &ClientIdentity, token: &SeenToken) -> Vec<Arc<Observation>> {
        self.exchange(by, token, Outcome::Accepted)
    }
}
