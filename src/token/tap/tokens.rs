//! Which token is it? A raw value becomes a ref here; tokens are compared by it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::TokenTap;
use crate::token::find::Found;
use crate::token::mask::{self, Known};
use crate::token::service::Site;
use crate::token::sighting::{SeenToken, TokenClass};
use crate::token::strength;

impl TokenTap {
    /// Digests a token: here the raw value becomes a ref.
    pub(super) fn seen_token(&self, found: &Found<'_, '_>, site: &Site) -> Arc<SeenToken> {
        let value = found.value.bytes();
        let bits = strength::bits(value);
        let id = &found.rule.id;
        let of_service = |service: &str| self.key.digest(&[service.as_bytes(), id.as_bytes(), value]);
        let (token, by_address) = if bits >= strength::STRONG {
            (self.key.digest(&[value]), None)
        } else {
            let by_address = of_service(site.address());
            let is_name = site.service() != site.address();
            (if is_name { of_service(site.service()) } else { by_address }, Some(by_address))
        };
        // A segment of the path has no name of its own but that of the rule.
        let spelled = found.spelling.filter(|s| found.name.is_empty() || s.as_bytes() == found.name);
        Arc::new(SeenToken {
            token,
            by_address,
            strength: bits,
            id: id.clone(),
            name: spelled.cloned().unwrap_or_else(|| mask::text(found.name, &[]).into()),
            carrier: found.carrier,
            class: found.rule.class.unwrap_or(TokenClass::Session),
            service: site.shown_service.clone(),
        })
    }
}

/// All bytes that the texts of a message must not show.
pub(super) fn known<'k>(found: &'k [Found<'_, '_>], tokens: &[Arc<SeenToken>]) -> Vec<Known<'k>> {
    let mut known: Vec<Known<'k>> = Vec::new();
    for (found, seen) in found.iter().zip(tokens) {
        let value = found.value.bytes();
        // A password alone is as secret as with its user.
        let password = (seen.class == TokenClass::Basic).then(|| value.splitn(2, |b| *b == b':').nth(1)).flatten();
        let forms = found.wire.iter().copied().chain([value]).chain(password);
        for value in forms.filter(|v| !v.is_empty()) {
            if !known.iter().rev().take(4).any(|k| k.value == value) {
                known.push(Known { value, token: seen.token });
            }
        }
    }
    known
}

/// Each token once, in order.
pub(super) fn distinct(mut tokens: Vec<Arc<SeenToken>>) -> Vec<Arc<SeenToken>> {
    if tokens.len() > 1 {
        let mut seen = BTreeSet::new();
        tokens.retain(|t| seen.insert((t.token, t.carrier, t.id.clone())));
    }
    tokens
}

/// The same token in the same carrier by the same rule.
pub(super) fn same(a: &SeenToken, b: &SeenToken) -> bool {
    a.token == b.token && a.carrier == b.carrier && a.id == b.id
}

/// Whether two tokens go by one name, or by one rule in different carriers.
pub(super) fn same_name(a: &SeenToken, b: &SeenToken) -> bool {
    a.id == b.id && (a.carrier != b.carrier || a.name.eq_ignore_ascii_case(&b.name))
}

/// The presented token that an issued one takes the place of.
pub(super) fn replaced<'t>(presented: &'t [Arc<SeenToken>], issued: &SeenToken) -> Option<&'t SeenToken> {
    let mut of_name = presented.iter().filter(|p| same_name(p, issued));
    let kept = of_name.clone().any(|p| p.token == issued.token);
    if kept { None } else { of_name.next().map(|token| &**token) }
}
