//! What of a flow waits for more? Requests for their replies, bodies for their ends.

use std::net::IpAddr;
use std::sync::Arc;

use smallvec::{SmallVec, smallvec};

use super::bodies::Awaited;
use super::latest::Place;
use crate::flow::Direction;
use crate::proto::PIPELINE_LIMIT;
use crate::token::find::PAIR_LIMIT;
use crate::token::login::Page;
use crate::token::recall::Reading;
use crate::token::sighting::{Request, RequestView, SeenToken};
use crate::token::tls::FlowTls;

/// Tokens of a flow that wait with their requests: one more request waits only while there are fewer.
/// No honest client sends nearly as many.
const WAITING_TOKENS: usize = 4096;

/// What is remembered of one flow: requests that wait for a reply, bodies that wait for their end. Most
/// flows are idle, and hold nothing.
#[derive(Default)]
pub struct FlowTokens {
    waiting: Option<Box<Queue>>,
    pub(super) rare: Option<Box<Rare>>,
    /// Where the last request is remembered.
    pub(super) last: Place,
}

/// Never empty.
type Queue = SmallVec<[Waiting; 1]>;

/// What is remembered of few flows.
#[derive(Default)]
pub(super) struct Rare {
    pub(super) bodies: Vec<Awaited>,
    /// Whom a PROXY preamble named, and in which direction it spoke.
    pub(super) preamble: Option<(Direction, IpAddr)>,
    /// What the hellos of a TLS connection said.
    pub(super) tls: FlowTls,
}

impl Rare {
    pub(super) fn is_needed(&self) -> bool {
        !self.bodies.is_empty() || self.preamble.is_some() || !self.tls.is_empty()
    }
}

impl FlowTokens {
    /// Whom a PROXY preamble named as the sender of what travels in `dir`.
    pub(super) fn named(&self, dir: Direction) -> Option<IpAddr> {
        self.rare.as_ref()?.preamble.filter(|(spoken, _)| *spoken == dir).map(|(_, client)| client)
    }

    /// Whether what is said now travels inside TLS and was decrypted.
    pub(super) fn is_decrypted(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.tls.is_decrypted())
    }

    pub(super) fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// The requests that wait for their replies.
    pub(super) fn waiting(&mut self) -> &mut [Waiting] {
        self.waiting.as_deref_mut().map_or(&mut [], |queue| queue.as_mut_slice())
    }

    /// One more request waits for its reply; it is given back where too many do.
    pub(super) fn wait(&mut self, request: Waiting) -> Result<(), Waiting> {
        if self.waiting().len() >= PIPELINE_LIMIT as usize || self.tokens() >= WAITING_TOKENS {
            return Err(request);
        }
        match &mut self.waiting {
            Some(queue) => queue.push(request),
            None => self.waiting = Some(Box::new(smallvec![request])),
        }
        Ok(())
    }

    /// Whether the request with this ordinal waits, and not as the first.
    pub(super) fn waits_behind_another(&mut self, ordinal: u32) -> bool {
        self.waiting().iter().skip(1).any(|w| w.request.id.ordinal == ordinal)
    }

    /// The request with this ordinal, which waits no longer.
    pub(super) fn take(&mut self, ordinal: u32) -> Option<Waiting> {
        let at = self.waiting().iter().position(|w| w.request.id.ordinal == ordinal)?;
        self.take_at(at)
    }

    /// The request that waits longest.
    pub(super) fn take_first(&mut self) -> Option<Waiting> {
        self.take_at(0)
    }

    fn take_at(&mut self, at: usize) -> Option<Waiting> {
        let queue = self.waiting.as_mut().filter(|queue| at < queue.len())?;
        let taken = queue.remove(at);
        if queue.is_empty() {
            self.waiting = None;
        }
        Some(taken)
    }

    /// Tokens held, of requests and bodies that wait.
    fn tokens(&self) -> usize {
        let waiting = self.waiting.iter().flat_map(|queue| queue.iter()).map(Waiting::tokens);
        waiting.chain(self.rare.iter().flat_map(|rare| &rare.bodies).map(Awaited::tokens)).sum()
    }

    /// Heap bytes held.
    pub(super) fn held_bytes(&self) -> usize {
        // A view's texts are most of what it holds; on average they are far below their limits.
        const REQUEST: usize = size_of::<Request>() + size_of::<RequestView>() + 256;
        if self.waiting.is_none() && self.rare.is_none() {
            return 0;
        }
        let waiting = self.waiting.as_ref().map_or(0, |queue| {
            let spilled = if queue.spilled() { queue.capacity() * size_of::<Waiting>() } else { 0 };
            size_of::<Queue>() + spilled + queue.len() * REQUEST
        });
        let tokens = self.tokens() * size_of::<SeenToken>();
        let rare = self.rare.as_ref().map_or(0, |rare| {
            size_of::<Rare>() + rare.tls.held_bytes() + rare.bodies.capacity() * size_of::<Awaited>()
        });
        waiting + tokens + rare
    }
}

/// A request that waits.
pub(super) struct Waiting {
    pub(super) request: Arc<Request>,
    pub(super) reading: Arc<Reading>,
    /// Its tokens, where its body had some as well.
    pub(super) with_body: Option<Box<[Arc<SeenToken>]>>,
    pub(super) page: Page,
    /// Its reply may issue tokens in its body.
    pub(super) asks_for_tokens: bool,
}

impl Waiting {
    /// `purpose` is that of its path.
    pub(super) const fn new(request: Arc<Request>, reading: Arc<Reading>, purpose: (Page, bool)) -> Self {
        let (page, asks_for_tokens) = purpose;
        Self { request, reading, with_body: None, page, asks_for_tokens }
    }

    /// The tokens of which the reply says something.
    pub(super) fn presented(&self) -> &[Arc<SeenToken>] {
        judged_by_reply(self.with_body.as_deref().unwrap_or(&self.reading.tokens))
    }

    /// Tokens held.
    fn tokens(&self) -> usize {
        self.reading.tokens.len() + self.with_body.as_ref().map_or(0, |tokens| tokens.len())
    }
}

/// Of a request's tokens those of which the reply says something.
pub(super) fn judged_by_reply(tokens: &[Arc<SeenToken>]) -> &[Arc<SeenToken>] {
    tokens.get(..PAIR_LIMIT).unwrap_or(tokens)
}
