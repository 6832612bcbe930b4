//! Which frames did someone ask for by filter words? The language of `pcap-filter(7)`, compiled by libpcap.

use pcap::{BpfProgram, Capture};

use super::dlt;
use crate::packet::{Frame, LinkType, ip_packet};

/// A filter that libpcap does not take.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("filter `{text}`: {cause} (link type {link})")]
pub struct FilterError {
    /// The filter.
    pub text: String,
    /// What libpcap says.
    pub cause: String,
    /// Number of the link type that it was compiled for.
    pub link: u32,
}

/// Filter words, compiled for each link type when it is first met. In frames that the snap length
/// cut, `len`, `less` and `greater` see the captured length. In frames of serial lines and of the
/// netfilter log they see the IP packet alone, since libpcap knows one form of them, or none.
pub struct Filter {
    text: String,
    /// One program per link type; `None` where the words make no sense.
    programs: Vec<(LinkType, Option<BpfProgram>)>,
}

/// Link types that a filter is compiled for; frames of more are left out.
const MAX_LINK_TYPES: usize = 64;

impl Filter {
    /// Takes filter words and checks them for Ethernet.
    ///
    /// # Errors
    /// When libpcap does not understand them.
    pub fn new(text: &str) -> Result<Self, FilterError> {
        let ethernet = compile(text, LinkType::ETHERNET)?;
        Ok(Self { text: text.to_owned(), programs: vec![(LinkType::ETHERNET, Some(ethernet))] })
    }

    /// The words.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the filter lets a frame pass.
    ///
    /// # Errors
    /// At the first frame of a link type for which the words make no sense; later ones do not pass.
    pub fn matches(&mut self, frame: &Frame<'_>) -> Result<bool, FilterError> {
        let (link, data) = match frame.link {
            LinkType::PPP | LinkType::PPP_HDLC | LinkType::NFLOG => match ip_packet(frame) {
                Some(packet) => (LinkType::RAW, packet),
                None => return Ok(false),
            },
            link => (link, frame.data),
        };
        let known = self.programs.iter().find(|(known, _)| *known == link);
        if let Some((_, program)) = known {
            return Ok(program.as_ref().is_some_and(|program| program.filter(data)));
        }
        if self.programs.len() >= MAX_LINK_TYPES {
            return Ok(false);
        }
        let compiled = compile(&self.text, link);
        let answer = compiled.as_ref().map(|program| program.filter(data)).map_err(Clone::clone);
        self.programs.push((link, compiled.ok()));
        answer
    }
}

impl std::fmt::Debug for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Filter").field(&self.text).finish()
    }
}

fn compile(text: &str, link: LinkType) -> Result<BpfProgram, FilterError> {
    Capture::dead(dlt::to_libpcap(link)).and_then(|dead| dead.compile(text, true)).map_err(|cause| FilterError {
        text: text.to_owned(),
        cause: plain(&cause),
        link: link.0,
    })
}

/// What libpcap says, without the crate's words around it.
pub(super) fn plain(error: &pcap::Error) -> String {
    match error {
        pcap::Error::PcapError(text) => text.clone(),
        other => other.to_string(),
    }
}
