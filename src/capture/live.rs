//! How are frames taken from an interface? libpcap with a large ring, read in batches.

use std::fmt;
use std::time::Duration;

use pcap::{Active, Capture, Device, Precision};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::filter::plain;
use super::{FilterError, MAX_FRAME, dlt};
use crate::base::time::{FrameId, Stamp, Timestamp};
use crate::packet::{Frame, LinkType};

/// How an interface is captured from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LiveConfig {
    /// Name of the interface; `any` is all of them, in cooked form.
    pub interface: String,
    /// Filter words, applied by the kernel.
    pub filter: Option<String>,
    /// Memory in which the kernel keeps frames until they are read, in bytes. More survives longer
    /// bursts; libpcap's own default of 2 MiB drops at once. Default 64 MiB.
    pub ring_bytes: u32,
    /// Take frames for other machines too, as a mirror port delivers them. Default true.
    pub promiscuous: bool,
    /// How long the kernel may hold frames back to hand over more at once, and how long a poll
    /// waits at most. Default 100 ms.
    pub timeout: Duration,
    /// Number of this capture ([`FrameId::capture`]). Default 0.
    pub capture: u32,
}

impl LiveConfig {
    /// An interface with defaults.
    #[must_use]
    pub fn new(interface: impl Into<String>) -> Self {
        Self {
            interface: interface.into(),
            filter: None,
            ring_bytes: 64 * 1024 * 1024,
            promiscuous: true,
            timeout: Duration::from_millis(100),
            capture: 0,
        }
    }
}

/// Why an interface cannot be captured from.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LiveError {
    /// There is no such interface.
    #[error("no interface {interface}; there are: {}", known.join(", "))]
    NoSuchInterface {
        /// Its name.
        interface: String,
        /// Those there are.
        known: Vec<String>,
    },
    /// The system does not let this user capture.
    #[error(
        "not permitted to capture from {interface}: CAP_NET_RAW is needed. Run as root, or grant it to the program: \
         setcap cap_net_raw,cap_net_admin=eip PROGRAM ({cause})"
    )]
    NotPermitted {
        /// Name of the interface.
        interface: String,
        /// What libpcap says.
        cause: String,
    },
    /// The filter words make no sense.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// The interface is there, but capturing from it does not start.
    #[error("cannot capture from {interface}: {cause}")]
    Open {
        /// Name of the interface.
        interface: String,
        /// What libpcap says.
        cause: String,
    },
    /// The interface went away.
    #[error("lost {interface}: {cause}")]
    Lost {
        /// Name of the interface.
        interface: String,
        /// What libpcap says.
        cause: String,
    },
}

/// What became of a poll.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Polled {
    /// So many frames were handed over.
    Frames(usize),
    /// None came within the timeout; time for other work.
    Idle,
    /// The interface went away; [`LiveCapture::reopen`] it when it may be back.
    Lost(LiveError),
}

/// What the kernel counted since the capture was first opened, over all reopenings.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Statistics {
    /// Frames that passed the filter, dropped ones included.
    pub received: u64,
    /// Frames dropped because the ring was full.
    pub dropped: u64,
    /// Frames dropped by the interface or its driver.
    pub interface_dropped: u64,
}

/// An open interface.
pub struct LiveCapture {
    config: LiveConfig,
    handle: Option<Capture<Active>>,
    link: LinkType,
    /// Number of the last frame.
    number: u64,
    totals: Statistics,
    /// What the handle said last; its counters have 32 bits and wrap.
    said: [u32; 3],
}

impl LiveCapture {
    /// Opens an interface.
    ///
    /// # Errors
    /// When it is not there, not permitted, or the filter makes no sense.
    pub fn open(config: LiveConfig) -> Result<Self, LiveError> {
        let (handle, link) = activate(&config)?;
        Ok(Self { config, handle: Some(handle), link, number: 0, totals: Statistics::default(), said: [0; 3] })
    }

    /// Opens the interface anew after it was lost. Frame numbers and statistics go on.
    ///
    /// # Errors
    /// As [`LiveCapture::open`]; it may be tried again.
    pub fn reopen(&mut self) -> Result<(), LiveError> {
        self.statistics();
        self.handle = None;
        let (handle, link) = activate(&self.config)?;
        (self.handle, self.link, self.said) = (Some(handle), link, [0; 3]);
        Ok(())
    }

    /// Waits until frames are there, at most the timeout, and hands up to `batch` of them over.
    pub fn poll(&mut self, batch: usize, mut on_frame: impl FnMut(Frame<'_>)) -> Polled {
        match self.take(batch, &mut on_frame) {
            Polled::Idle => {}
            taken => return taken,
        }
        Self::wait_for_any([&*self], self.config.timeout);
        self.take(batch, on_frame)
    }

    /// Hands up to `batch` of the frames over that are there, and waits for none.
    pub fn take(&mut self, batch: usize, mut on_frame: impl FnMut(Frame<'_>)) -> Polled {
        let Some(handle) = &mut self.handle else {
            return Polled::Lost(lost(&self.config, "it is not open".to_owned()));
        };
        let (link, capture, number) = (self.link, self.config.capture, &mut self.number);
        let take = |packet: pcap::Packet<'_>| {
            *number = number.saturating_add(1);
            on_frame(Frame {
                at: Stamp { ts: time(packet.header), frame: FrameId { capture, number: *number, part: 0 } },
                link,
                wire_len: packet.header.len,
                data: packet.data,
            });
        };
        // The handle does not block.
        match handle.dispatch(Some(batch.clamp(1, i32::MAX as usize)), take) {
            Ok(0) => Polled::Idle,
            Ok(n) => Polled::Frames(n),
            Err(cause) => {
                self.statistics();
                self.handle = None;
                Polled::Lost(lost(&self.config, plain(&cause)))
            }
        }
    }

    /// Waits until one of `captures` has frames, a signal arrives, or `timeout` is over. Those that
    /// are lost have none.
    pub fn wait_for_any<'a>(captures: impl IntoIterator<Item = &'a Self>, timeout: Duration) {
        let handles = captures.into_iter().filter_map(|capture| capture.handle.as_ref());
        let mut ends: Vec<PollFd<'_>> = handles.map(|handle| PollFd::new(handle, PollFlags::IN)).collect();
        match poll(&mut ends, Timespec::try_from(timeout).ok().as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            // Whoever waits in a loop must not spin.
            Err(_) => std::thread::sleep(timeout),
        }
    }

    /// What the kernel counted.
    pub fn statistics(&mut self) -> Statistics {
        if let Some(stat) = self.handle.as_mut().and_then(|handle| handle.stats().ok()) {
            let now = [stat.received, stat.dropped, stat.if_dropped];
            let totals = &mut self.totals;
            let fields = [&mut totals.received, &mut totals.dropped, &mut totals.interface_dropped];
            for ((total, now), said) in fields.into_iter().zip(now).zip(self.said) {
                *total = total.saturating_add(now.wrapping_sub(said).into());
            }
            self.said = now;
        }
        self.totals
    }

    /// Name of the interface.
    #[must_use]
    pub fn interface(&self) -> &str {
        &self.config.interface
    }

    /// Link type of the interface; it may be another after a reopening.
    #[must_use]
    pub const fn link(&self) -> LinkType {
        self.link
    }
}

impl fmt::Debug for LiveCapture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveCapture").field("config", &self.config).field("number", &self.number).finish()
    }
}

/// Names of the interfaces that can be captured from.
#[must_use]
pub fn interfaces() -> Vec<String> {
    // libpcap also lists what is no network: USB buses, message buses, netfilter logs.
    const OTHERS: [&str; 5] = ["bluetooth", "dbus", "nflog", "nfqueue", "usbmon"];
    let devices = Device::list().unwrap_or_default();
    let names = devices.into_iter().map(|device| device.name);
    names.filter(|name| !OTHERS.iter().any(|other| name.starts_with(other))).collect()
}

fn activate(config: &LiveConfig) -> Result<(Capture<Active>, LinkType), LiveError> {
    let millis = i32::try_from(config.timeout.as_millis()).unwrap_or(i32::MAX).max(1);
    let opened = Capture::from_device(config.interface.as_str()).and_then(|inactive| {
        inactive
            .promisc(config.promiscuous)
            .snaplen(MAX_FRAME as i32)
            .buffer_size(i32::try_from(config.ring_bytes).unwrap_or(i32::MAX))
            .timeout(millis)
            .precision(Precision::Nano)
            .open()
    });
    let failed = |cause: &pcap::Error| why(&config.interface, plain(cause), interfaces());
    let mut handle = opened.map_err(|cause| failed(&cause))?;
    let link = dlt::from_libpcap(handle.get_datalink());
    if let Some(text) = &config.filter {
        handle.filter(text, true).map_err(|cause| FilterError {
            text: text.clone(),
            cause: plain(&cause),
            link: link.0,
        })?;
    }
    let handle = handle.setnonblock().map_err(|cause| failed(&cause))?;
    Ok((handle, link))
}

/// libpcap gives a text; what it means follows from the text and from the interfaces there are.
fn why(interface: &str, cause: String, known: Vec<String>) -> LiveError {
    let interface = interface.to_owned();
    let says = |words: &[&str]| words.iter().any(|word| cause.contains(word));
    if says(&["permission", "not permitted", "CAP_NET_RAW", "Permission"]) {
        LiveError::NotPermitted { interface, cause }
    } else if says(&["No such device", "no such device"]) || !known.contains(&interface) {
        LiveError::NoSuchInterface { interface, known }
    } else {
        LiveError::Open { interface, cause }
    }
}

fn lost(config: &LiveConfig, cause: String) -> LiveError {
    LiveError::Lost { interface: config.interface.clone(), cause }
}

/// With nanosecond precision the second field counts nanoseconds, whatever its name says.
#[allow(clippy::unnecessary_cast, clippy::useless_conversion, reason = "the fields have 32 bits on some systems")]
fn time(header: &pcap::PacketHeader) -> Timestamp {
    Timestamp::from_parts(i64::from(header.ts.tv_sec), u32::try_from(header.ts.tv_usec).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_say_what_to_do() {
        let known = || vec!["eth0".to_owned(), "lo".to_owned()];
        let gone = why("eth9", "SIOCGIFHWADDR: No such device".to_owned(), known());
        assert_eq!(gone.to_string(), "no interface eth9; there are: eth0, lo");
        let refused =
            why("eth0", "Attempt to create packet socket failed - CAP_NET_RAW may be required".to_owned(), known());
        assert!(matches!(refused, LiveError::NotPermitted { .. }));
        assert!(refused.to_string().contains("setcap cap_net_raw,cap_net_admin=eip"));
        let down = why("eth0", "That device is not up".to_owned(), known());
        assert_eq!(down.to_string(), "cannot capture from eth0: That device is not up");
    }
}
