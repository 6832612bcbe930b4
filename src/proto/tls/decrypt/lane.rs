//! What do the bytes of one direction say? Its records are opened one after the other; behind a hole the
//! next one that opens is looked for.

use super::lane12::{Lane12, Opened};
use super::lane13::Lane13;
use super::messages::Messages;
use super::plaintext::Plaintext;
use super::records::{Records, Search, Taken, content};
use super::tries::Tries;
use crate::flow::Direction;

/// One direction.
pub(super) struct Lane {
    dir: Direction,
    place: Place,
    messages: Messages,
    protection: Option<Version>,
    tries: Tries,
    /// A record was opened.
    pub(super) opened: bool,
}

/// How the records of a version are opened.
pub(super) enum Version {
    Tls12(Box<Lane12>),
    Tls13(Box<Lane13>),
}

/// Where in the stream it stands.
enum Place {
    At(Records),
    /// Behind a hole, of so many bytes since the last record.
    Behind(u64, Search),
    /// Nothing more can be opened.
    Lost,
}

/// What a step of reading came to.
pub(super) enum Step {
    /// All bytes are taken.
    Done,
    /// A record was read.
    Record,
    /// Behind a hole a record was found; these bytes, which were given before, come next.
    Found(Vec<u8>),
}

impl Lane {
    pub(super) const fn new(dir: Direction) -> Self {
        let place = Place::At(Records::after(0));
        Self { dir, place, messages: Messages::new(), protection: None, tries: Tries::new(), opened: false }
    }

    /// Its first `pass` bytes belong to a record that was read elsewhere.
    pub(super) const fn begin_after(&mut self, pass: usize) {
        if let Place::At(records) = &mut self.place {
            records.begin_after(pass);
        }
    }

    /// Heap memory held.
    pub(super) fn held_bytes(&self) -> usize {
        let place = match &self.place {
            Place::At(records) => records.held_bytes(),
            Place::Behind(_, search) => search.held_bytes(),
            Place::Lost => 0,
        };
        place.saturating_add(self.messages.held_bytes())
    }

    pub(super) fn is_mid_record(&self) -> bool {
        matches!(&self.place, Place::At(records) if records.is_mid_record())
    }

    pub(super) const fn is_lost(&self) -> bool {
        matches!(self.place, Place::Lost)
    }

    /// Nothing more is read.
    pub(super) fn lose(&mut self) {
        self.place = Place::Lost;
        self.messages.clear();
    }

    /// From now on its records are opened so.
    pub(super) fn protect(&mut self, version: Version) {
        self.protection = Some(version);
    }

    pub(super) const fn protection(&mut self) -> Option<&mut Version> {
        self.protection.as_mut()
    }

    /// `len` bytes are missing.
    pub(super) fn on_gap(&mut self, len: u64) {
        let before = match &mut self.place {
            Place::Lost => return,
            Place::At(records) => match records.on_gap(len) {
                Some(gone) => gone,
                None => return,
            },
            Place::Behind(gone, search) => {
                gone.saturating_add(search.passed()).saturating_add(search.held()).saturating_add(len)
            }
        };
        self.messages.clear();
        self.tries.begin(before);
        self.place = Place::Behind(before, Search::default());
    }

    /// Reads the next record in `bytes`, or takes all of them. Application data goes to `out`, handshake
    /// messages wait to be asked for.
    pub(super) fn step(&mut self, bytes: &mut &[u8], scratch: &mut Vec<u8>, out: &mut Plaintext) -> Step {
        match &mut self.place {
            Place::Lost => return Step::Done,
            Place::Behind(_, search) => {
                search.take(std::mem::take(bytes));
                return self.search(scratch, out);
            }
            Place::At(records) => match records.take(bytes) {
                Taken::Record(used) => *bytes = bytes.get(used..).unwrap_or_default(),
                Taken::NeedMore => return Step::Done,
                Taken::Broken => {
                    self.lose();
                    return Step::Done;
                }
            },
        }
        let Place::At(records) = &mut self.place else { return Step::Done };
        let Some((header, body)) = records.record() else { return Step::Done };
        let opened = match &mut self.protection {
            Some(Version::Tls12(lane)) => lane.open(header, body),
            Some(Version::Tls13(lane)) => lane.open(header, body, scratch),
            None => Opened::Nothing,
        };
        match opened {
            Opened::Content(kind, content, _) => {
                self.opened = true;
                match kind {
                    content::APPLICATION_DATA => out.push(self.dir, content),
                    content::HANDSHAKE if !self.messages.put(content) => self.lose(),
                    _ => {}
                }
            }
            Opened::Nothing => {}
            Opened::Sealed => self.lose(),
        }
        if bytes.is_empty()
            && let Place::At(records) = &mut self.place
        {
            records.rest();
        }
        Step::Record
    }

    /// Looks on for a record behind a hole.
    fn search(&mut self, scratch: &mut Vec<u8>, out: &mut Plaintext) -> Step {
        let Place::Behind(gone, search) = &mut self.place else { return Step::Done };
        while let Some((header, body)) = search.candidate() {
            let (opened, overhead) = match &mut self.protection {
                Some(Version::Tls12(lane)) => {
                    let opened = lane.search(header, body, scratch, &mut self.tries);
                    (opened, lane.overhead())
                }
                Some(Version::Tls13(lane)) => {
                    let opened = lane.search(header, body, scratch, &mut self.tries);
                    (opened, lane.overhead())
                }
                None => (Opened::Sealed, 0),
            };
            if let Opened::Content(kind, content, lost) = opened {
                self.opened = true;
                let beside = lost.saturating_mul(overhead as u64);
                out.gap(self.dir, gone.saturating_add(search.passed()).saturating_sub(beside).max(1));
                match kind {
                    content::APPLICATION_DATA => out.push(self.dir, content),
                    content::HANDSHAKE => _ = self.messages.put(content),
                    _ => {}
                }
                let behind = std::mem::take(search).found();
                self.place = Place::At(Records::default());
                return Step::Found(behind);
            }
            search.refuse();
        }
        if search.is_hopeless() || self.tries.are_over() {
            self.lose();
        }
        Step::Done
    }

    /// The next handshake message that was under encryption: its type and body.
    pub(super) fn message(&mut self) -> Option<(u16, Vec<u8>)> {
        self.messages.next()
    }
}
