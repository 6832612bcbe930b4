//! What of a flow waits for more? Requests for their replies, bodies for their ends.

use std::net::IpAddr;
use std::sync::Arc;

use smallvec::SmallVec;

use super::bodies::Awaited;
use crate::flow::Direction;
use crate::proto::PIPELINE_LIMIT;
use crate::token::find::PAIR_LIMIT;
use crate::token::login::Page;
use crate::token::recall::Reading;
use crate::token::sighting::{Request, RequestView, SeenToken};
use crate::token::tls::FlowTls;

/// Tokens of a flow that wait with their requests: one more request waits only while there are fewer.
/// No honest client sends nearly as many.
const WAITING_TOKENS: u32 = 4096;

/// What is remembered of one flow: requests that wait for a reply, bodies that wait for their end.
#[derive(Default)]
pub struct FlowTokens {
    pub(super) waiting: SmallVec<[Box<Waiting>; 1]>,
    pub(super) rare: Option<Box<Rare>>,
    /// Tokens held, of requests and bodies that wait.
    tokens: u32,
}

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

    pub(super) fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// Whether one more request may wait for its reply.
    pub(super) fn has_room(&self) -> bool {
        self.waiting.len() < PIPELINE_LIMIT as usize && self.tokens < WAITING_TOKENS
    }

    /// Counts the tokens that are held, after a message has changed that.
    pub(super) fn count_tokens(&mut self) {
        let waiting = self.waiting.iter().map(|waiting| waiting.tokens());
        let tokens: usize = waiting.chain(self.rare.iter().flat_map(|rare| &rare.bodies).map(Awaited::tokens)).sum();
        self.tokens = u32::try_from(tokens).unwrap_or(u32::MAX);
    }

    /// Heap bytes held.
    pub(super) fn held_bytes(&self) -> usize {
        // A view's texts are most of what it holds; on average they are far below their limits.
        const VIEW: usize = size_of::<RequestView>() + 256;
        let spilled = if self.waiting.spilled() { self.waiting.capacity() * size_of::<usize>() } else { 0 };
        let waiting = self.waiting.len() * (VIEW + size_of::<Waiting>());
        let tokens = self.tokens as usize * size_of::<SeenToken>();
        let rare = self.rare.as_ref().map_or(0, |rare| {
            size_of::<Rare>() + rare.tls.held_bytes() + rare.bodies.capacity() * size_of::<Awaited>()
        });
        spilled + waiting + tokens + rare
    }
}

/// A request that waits.
pub(super) struct Waiting {
    pub(super) request: Request,
    pub(super) reading: Arc<Reading>,
    /// Its tokens, where its body had some as well.
    pub(super) with_body: Option<Box<[SeenToken]>>,
    pub(super) page: Page,
    /// Its reply may issue tokens in its body.
    pub(super) asks_for_tokens: bool,
}

impl Waiting {
    /// The tokens of which the reply says something.
    pub(super) fn presented(&self) -> &[SeenToken] {
        let all = self.with_body.as_deref().unwrap_or(&self.reading.tokens);
        all.get(..PAIR_LIMIT).unwrap_or(all)
    }

    /// Tokens held.
    fn tokens(&self) -> usize {
        self.reading.tokens.len() + self.with_body.as_ref().map_or(0, |tokens| tokens.len())
    }
}
