//! What credential does an Authorization value carry?

/// Schemes whose value changes with each request or belongs to the connection: never a token.
const NEVER: [&[u8]; 10] = [
    b"AWS4-HMAC-SHA256",
    b"AWS4-ECDSA-P256-SHA256",
    b"AWS",
    b"Signature",
    b"HMAC",
    b"HMAC-SHA256",
    b"Hawk",
    b"Digest",
    b"Negotiate",
    b"NTLM",
];

/// A value of `Authorization` or `Proxy-Authorization`, taken apart (RFC 9110 §11.4).
#[derive(Clone, Copy)]
pub struct Credential<'a> {
    /// Scheme as written; empty when the value is a single word.
    pub scheme: &'a [u8],
    /// What follows it.
    pub value: &'a [u8],
}

/// Splits at the first white space, however much there is.
#[must_use]
pub fn split(field: &[u8]) -> Credential<'_> {
    let field = field.trim_ascii();
    let end = field.iter().position(u8::is_ascii_whitespace);
    match end.and_then(|at| field.split_at_checked(at)) {
        Some((scheme, rest)) => Credential { scheme, value: parameter(scheme, rest.trim_ascii()) },
        None => Credential { scheme: &[], value: field },
    }
}

impl Credential<'_> {
    /// Whether the scheme signs single requests or authenticates a connection.
    #[must_use]
    pub fn is_never_a_token(&self) -> bool {
        NEVER.iter().any(|name| name.eq_ignore_ascii_case(self.scheme))
    }
}

/// `Token token="…", …` (as Rails writes it) carries its value in a parameter.
fn parameter<'a>(scheme: &[u8], value: &'a [u8]) -> &'a [u8] {
    if !scheme.eq_ignore_ascii_case(b"token") {
        return value;
    }
    let value_of = |part: &'a [u8]| {
        let part = part.trim_ascii();
        let (name, rest) = part.split_at_checked(5)?;
        name.eq_ignore_ascii_case(b"token").then(|| rest.trim_ascii_start().strip_prefix(b"="))?
    };
    value.split(|b| *b == b',').find_map(value_of).unwrap_or(value)
}

/// The bearer value in a `Sec-WebSocket-Protocol` list, where browsers put it for want of another
/// place: `bearer, <value>` or `base64url.bearer.authorization.k8s.io.<value>`.
#[must_use]
pub fn websocket_bearer(field: &[u8]) -> Option<&[u8]> {
    const KUBERNETES: &[u8] = b"base64url.bearer.authorization.k8s.io.";
    let mut words = field.split(|b| *b == b',').map(<[u8]>::trim_ascii);
    while let Some(word) = words.next() {
        if let Some(value) = word.strip_prefix(KUBERNETES) {
            return Some(value);
        }
        if [&b"bearer"[..], b"access_token", b"authorization"].iter().any(|n| n.eq_ignore_ascii_case(word)) {
            return words.next();
        }
        // A JSON Web Token by itself: its header always begins with `{"`.
        if word.starts_with(b"eyJ") && word.iter().filter(|b| **b == b'.').count() == 2 {
            return Some(word);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scheme_and_value_with_any_white_space() {
        for text in ["Bearer abc", "bEaReR  \t abc", "  Bearer abc  "] {
            let c = split(text.as_bytes());
            assert!(c.scheme.eq_ignore_ascii_case(b"bearer"));
            assert_eq!(c.value, b"abc", "{text}");
        }
        assert_eq!((split(b"abc").scheme, split(b"abc").value), (&b""[..], &b"abc"[..]));
        assert_eq!(split(b"Token token=\"abc\", nonce=\"d\"").value, b"\"abc\"");
        assert_eq!(split(b"Token abc").value, b"abc");
        assert_eq!(split(b"Token tok").value, b"tok");
    }

    #[test]
    fn signatures_are_never_tokens() {
        for text in ["AWS4-HMAC-SHA256 Credential=x", "digest username=x", "Negotiate YII", "NTLM TlRM", "Hawk id=1"] {
            assert!(split(text.as_bytes()).is_never_a_token(), "{text}");
        }
        assert!(!split(b"Bearer x").is_never_a_token());
    }

    #[test]
    fn websocket_protocols() {
        assert_eq!(websocket_bearer(b"chat, Bearer, abc"), Some(&b"abc"[..]));
        assert_eq!(websocket_bearer(b"base64url.bearer.authorization.k8s.io.abc, v4"), Some(&b"abc"[..]));
        assert_eq!(websocket_bearer(b"graphql-ws, eyJa.b.c"), Some(&b"eyJa.b.c"[..]));
        assert_eq!(websocket_bearer(b"graphql-ws"), None);
        assert_eq!(websocket_bearer(b"bearer"), None);
    }
}
