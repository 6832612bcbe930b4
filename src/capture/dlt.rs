//! Which number does a link type have inside this system's libpcap? Files and libpcap disagree on a few.

use crate::packet::LinkType;

/// `DLT_RAW` on Linux.
const RAW: i32 = 12;

/// The number for libpcap's functions (a `DLT_` value).
pub(super) fn to_libpcap(link: LinkType) -> pcap::Linktype {
    pcap::Linktype(match link {
        LinkType::RAW | LinkType::RAW_OPENBSD => RAW,
        LinkType(other) => i32::try_from(other).unwrap_or(-1),
    })
}

/// The link type of a number given by libpcap.
pub(super) fn from_libpcap(dlt: pcap::Linktype) -> LinkType {
    match dlt.0 {
        RAW => LinkType::RAW,
        other => LinkType(u32::try_from(other).unwrap_or(u32::MAX)),
    }
}
