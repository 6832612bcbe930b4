//! Filter words and time ranges, applied to frames.

use std::iter;

use super::*;
use crate::base::time::Stamp;
use crate::capture::time_range::Bound;
use crate::capture::{CaptureError, Filter, PacketSource, Selected, TimeRange};
use crate::packet::Frame;
use crate::packet::craft::{self, TcpFrame};

/// A source out of memory: link type and frame.
struct Frames(Vec<(i64, TcpFrame)>, Vec<u8>, usize);

impl Frames {
    fn new(frames: Vec<(i64, TcpFrame)>) -> Self {
        Self(frames, Vec::new(), 0)
    }
}

impl PacketSource for Frames {
    fn advance(&mut self) -> Result<bool, CaptureError> {
        self.2 += 1;
        Ok(self.0.get(self.2 - 1).map(|(_, frame)| self.1 = frame.bytes()).is_some())
    }

    fn frames(&mut self) -> impl Iterator<Item = Frame<'_>> {
        let (second, frame) = &self.0[self.2 - 1];
        let mut at = Stamp { ts: Timestamp::from_parts(*second, 0), ..Stamp::default() };
        at.frame.number = self.2 as u64;
        iter::once(craft::frame(frame, &self.1, at))
    }
}

fn to_port(port: u16, link: LinkType) -> TcpFrame {
    let mut server = endpoint("10.0.1.20:80");
    server.port = port;
    TcpFrame::new(endpoint("10.0.0.5:40000"), server).link(link)
}

/// Numbers of the frames that pass, and errors.
fn passing(source: &mut impl PacketSource) -> (Vec<u64>, Vec<String>) {
    let (mut numbers, mut errors) = (Vec::new(), Vec::new());
    loop {
        match source.advance() {
            Ok(true) => numbers.extend(source.frames().map(|frame| frame.at.frame.number)),
            Ok(false) => return (numbers, errors),
            Err(e) => errors.push(e.to_string()),
        }
    }
}

#[test]
fn filter_words_work_for_every_link_type() {
    let links = [
        LinkType::ETHERNET,
        LinkType::LINUX_SLL,
        LinkType::LINUX_SLL2,
        LinkType::RAW,
        LinkType::NULL,
        LinkType::WIFI,
        LinkType::WIFI_RADIOTAP,
        LinkType::PPI,
        LinkType::PPP,
        LinkType::PPP_HDLC,
        LinkType::CISCO_HDLC,
        LinkType::NFLOG,
    ];
    let frames = links.iter().flat_map(|link| [(1, to_port(80, *link)), (1, to_port(22, *link))]).collect();
    let filter = Filter::new("tcp port 80").unwrap();
    let mut source = Selected::new(Frames::new(frames), Some(filter), TimeRange::default());
    assert_eq!(passing(&mut source), ((1..24).step_by(2).collect(), vec![]));
}

#[test]
fn a_filter_that_fits_no_link_type_is_told_once() {
    let frames = [LinkType::RAW, LinkType::ETHERNET, LinkType::RAW].map(|link| (1, to_port(80, link))).to_vec();
    let filter = Filter::new("ether host 02:00:0a:00:00:05").unwrap();
    let mut source = Selected::new(Frames::new(frames), Some(filter), TimeRange::default());
    let (numbers, errors) = passing(&mut source);
    assert_eq!(numbers, [2]);
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].starts_with("filter `ether host 02:00:0a:00:00:05`: "), "{errors:?}");
    assert!(errors[0].ends_with("(link type 101)"), "{errors:?}");
}

#[test]
fn a_filter_without_sense_names_itself() {
    let error = Filter::new("tcp prot 80").unwrap_err();
    assert!(error.to_string().starts_with("filter `tcp prot 80`: "), "{error}");
    assert!(error.to_string().contains("syntax error"), "{error}");
}

#[test]
fn a_time_range_keeps_numbers_and_counts_the_rest() {
    let frames: Vec<_> = (10..20).map(|second| (second, to_port(80, LinkType::ETHERNET))).collect();
    let range = TimeRange::new("+2s".parse().ok(), Some(Bound::At(Timestamp::from_parts(15, 0))));
    let mut source = Selected::new(Frames::new(frames), None, range);
    assert_eq!(passing(&mut source), (vec![3, 4, 5], vec![]));
    assert_eq!(source.passed_over(), 7);
}
