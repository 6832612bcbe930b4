//! Is what two real peers say read, and nothing else?
