//! How does a client begin a connection? Programs differ in the settings that they send, the window that they
//! open and the order of pseudo fields; the user agent does not change that.

use std::fmt::Write;

/// Settings that count; no program sends nearly as many.
const SETTING_LIMIT: usize = 16;

/// What a client said before its first request.
#[derive(Default)]
pub(super) struct Shape {
    settings: Vec<(u16, u32)>,
    window: u32,
}

impl Shape {
    /// It sent a setting.
    pub(super) fn setting(&mut self, id: u16, value: u32) {
        if self.settings.len() < SETTING_LIMIT {
            self.settings.push((id, value));
        }
    }

    /// It opened the window of the connection.
    pub(super) fn window(&mut self, by: u32) {
        self.window = self.window.saturating_add(by);
    }

    /// As text: `1:65536;4:6291456|15663105|m,a,s,p`, with the first letters of the pseudo fields.
    pub(super) fn text(&self, order: &[u8]) -> String {
        let mut text = String::new();
        for (n, (id, value)) in self.settings.iter().enumerate() {
            let _ = write!(text, "{}{id}:{value}", if n == 0 { "" } else { ";" });
        }
        let _ = write!(text, "|{}|", self.window);
        for (n, letter) in order.iter().filter(|b| b.is_ascii_lowercase()).enumerate() {
            let _ = write!(text, "{}{}", if n == 0 { "" } else { "," }, char::from(*letter));
        }
        text
    }

    /// Heap bytes held.
    pub(super) const fn held_bytes(&self) -> usize {
        self.settings.capacity() * size_of::<(u16, u32)>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_looks_like_itself() {
        let mut shape = Shape::default();
        shape.setting(1, 65_536);
        shape.setting(4, 6_291_456);
        shape.window(15_663_105);
        assert_eq!(shape.text(b"masp"), "1:65536;4:6291456|15663105|m,a,s,p");
        assert_eq!(Shape::default().text(b""), "|0|");
    }
}
