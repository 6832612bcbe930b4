//! Why does a TLS connection stay unread? The reasons that are counted.

/// Why.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unread {
    /// Its secrets are not known.
    NoKey,
    /// Its version or cipher suite is none of those that are opened.
    Unsupported,
    /// Its handshake was not seen whole.
    Incomplete,
    /// Not one record opened with the secrets that are known for it.
    WrongKey,
    /// It was read up to a point from which on records of a direction do not open any more.
    Lost,
}

impl Unread {
    /// Every label of `tls_undecrypted_connections_total{reason}`, in the order of the variants.
    pub const LABELS: [&'static str; 5] = ["no_key", "unsupported", "incomplete", "wrong_key", "lost"];
}
