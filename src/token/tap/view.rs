//! How is a request seen from above? Its flow with the client as the packets show it, and its texts, masked.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use siphasher::sip::SipHasher13;

use crate::base::net::Endpoint;
use crate::base::time::Stamp;
use crate::flow::{Direction, FlowInfo};
use crate::identity::{AddressSource, ClientIdentity, UserAgent};
use crate::proto::RequestHead;
use crate::token::mask::{self, Known};
use crate::token::sighting::{HttpView, RequestId, RequestView};
use crate::token::url::Target;

/// Sender and receiver of what travels in `dir`.
pub(super) const fn ends(flow: &FlowInfo, dir: Direction) -> (Endpoint, Endpoint) {
    match dir {
        Direction::Forward => (flow.initiator, flow.responder),
        Direction::Reverse => (flow.responder, flow.initiator),
    }
}

/// What systems begin the TTL or hop limit with.
const INITIAL_TTLS: [u8; 4] = [32, 64, 128, 255];

/// A view with all that the flow says of a client that sends in `dir`.
pub(super) fn view_of_flow(
    flow: &FlowInfo,
    dir: Direction,
    user_agent: Option<Arc<UserAgent>>,
    at: Stamp,
) -> RequestView {
    let (source, destination) = ends(flow, dir);
    let macs = flow.mac.map(|mac| match dir {
        Direction::Forward => (mac.source, mac.destination),
        Direction::Reverse => (mac.destination, mac.source),
    });
    let (frame_mac, next_hop) = macs.unzip();
    let direct = dir == Direction::Forward && flow.initiator_ttl.is_some_and(|ttl| INITIAL_TTLS.contains(&ttl));
    RequestView {
        id: RequestId { flow: flow.id, ordinal: u32::MAX },
        first: at,
        complete: at,
        tenant: flow.tenant,
        source,
        destination,
        client: ClientIdentity {
            address: Some(source.ip),
            address_from: AddressSource::Packet,
            frame_mac,
            direct,
            user_agent,
            tcp_stack: flow.syn.filter(|_| dir == Direction::Forward),
            ..ClientIdentity::unknown()
        },
        next_hop,
        inner_hop: false,
        decrypted: false,
        http: None,
        midstream: flow.midstream,
        one_sided: !flow.two_sided,
        gaps: flow.gaps,
    }
}

/// The texts of a request, masked.
pub(super) fn http_view(head: &RequestHead<'_>, target: Target<'_>, host: &str, known: &[Known<'_>]) -> HttpView {
    HttpView {
        version: head.version,
        method: mask::text(head.method, known),
        host: host.into(),
        path: mask::text(target.path, known),
        query: target.query.map(|query| mask::query(query, known)),
    }
}

/// Keyed hash of what a request asks for.
pub(super) fn request_hash(method: &[u8], target: Target<'_>, hash_key: &[u8; 16]) -> u64 {
    let mut hasher = SipHasher13::new_with_key(hash_key);
    // A proxy sends the empty path of an absolute form as `/` (RFC 9112 §3.2.1).
    let path = if target.path.is_empty() { b"/" } else { target.path };
    (method, path, target.query).hash(&mut hasher);
    hasher.finish()
}

/// Whether nothing has happened to a flow since it carried this request.
pub(super) const fn is_as_before(flow: &FlowInfo, request: &RequestView) -> bool {
    request.gaps == flow.gaps && request.one_sided != flow.two_sided && request.midstream == flow.midstream
}
