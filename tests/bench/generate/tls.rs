//! What does TLS look like to someone without a key? Hellos that can be read, then opaque records.

use super::random::{Filler, Random};
use super::talk::{By, Talk};

/// Record types (RFC 8446 §5.1).
const CHANGE_CIPHER_SPEC: u8 = 20;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;
/// Most plaintext in a record (RFC 8446 §5.1).
const RECORD: usize = 16_384;
/// What an AEAD and the inner content type add to it.
const OVERHEAD: usize = 17;

/// A handshake with `server`: TLS 1.3 in three of four, else a resumed TLS 1.2 session. Half of the
/// clients send a post-quantum key share, whose hello takes two segments.
pub(crate) fn handshake(talk: &mut Talk, server: u64, noise: &Filler, random: &mut Random) {
    let is_13 = !random.once_in(4);
    let is_post_quantum = is_13 && random.once_in(2);
    let session_id = random.bytes(32);
    let hello = client_hello(&format!("shop{server}.example"), &session_id, is_13, is_post_quantum, random);
    talk.say(By::Client, &hello, random);

    let mut flight = server_hello(&session_id, is_13, is_post_quantum, random);
    flight.extend(record(CHANGE_CIPHER_SPEC, &[1]));
    if is_13 {
        // EncryptedExtensions, Certificate, CertificateVerify and Finished, as one ciphertext.
        let len = random.between(2400, 4200) as usize;
        flight.extend(record(APPLICATION_DATA, noise.piece(random, len)));
    } else {
        flight.extend(record(HANDSHAKE, noise.piece(random, 40)));
    }
    talk.say(By::Server, &flight, random);

    let mut finished = record(CHANGE_CIPHER_SPEC, &[1]);
    let (kind, len) = if is_13 { (APPLICATION_DATA, 53) } else { (HANDSHAKE, 40) };
    finished.extend(record(kind, noise.piece(random, len)));
    talk.say(By::Client, &finished, random);
}

/// A request and a response that nobody can read.
pub(crate) fn exchange(talk: &mut Talk, noise: &Filler, random: &mut Random) {
    let len = random.between(60, 700) as usize;
    let request = record(APPLICATION_DATA, noise.piece(random, len));
    talk.say(By::Client, &request, random);
    let len = random.skewed(280, 6);
    let plain = noise.piece(random, len).to_vec();
    let mut response = Vec::new();
    for piece in plain.chunks(RECORD) {
        let len = piece.len() + OVERHEAD;
        response.extend(record(APPLICATION_DATA, noise.piece(random, len)));
    }
    talk.say(By::Server, &response, random);
}

fn client_hello(name: &str, session_id: &[u8], is_13: bool, is_post_quantum: bool, random: &mut Random) -> Vec<u8> {
    // Numbers of the registries "TLS Cipher Suites", "Supported Groups" and "ExtensionType" of IANA.
    let suites: &[u16] = if is_13 {
        &[0x1301, 0x1303, 0x1302, 0xc02b, 0xc02f, 0xcca9, 0xcca8, 0xc02c, 0xc030]
    } else {
        &[0xc02b, 0xc02f, 0xcca9, 0xcca8, 0xc02c, 0xc030, 0xc013, 0xc014, 0x009c, 0x009d]
    };
    let mut groups = vec![29_u16, 23, 24];
    let mut shares = share(29, &random.bytes(32));
    if is_post_quantum {
        groups.insert(0, 0x11ec);
        shares = [share(0x11ec, &random.bytes(1216)), shares].concat();
    }
    let host = [&[0][..], &counted(2, name.as_bytes())].concat();
    let mut extensions = [
        extension(0, &counted(2, &host)),
        extension(23, &[]),
        extension(0xff01, &[0]),
        extension(10, &counted(2, &words(&groups))),
        extension(11, &[1, 0]),
        extension(35, &[]),
        extension(16, &counted(2, b"\x02h2\x08http/1.1")),
        extension(13, &counted(2, &words(&[0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601]))),
    ]
    .concat();
    if is_13 {
        extensions.extend(extension(43, &counted(1, &words(&[0x0304, 0x0303]))));
        extensions.extend(extension(45, &[1, 1]));
        extensions.extend(extension(51, &counted(2, &shares)));
    }
    let body = [
        &[3, 3][..],
        &random.bytes(32),
        &counted(1, session_id),
        &counted(2, &words(suites)),
        &[1, 0],
        &counted(2, &extensions),
    ]
    .concat();
    let mut out = record(HANDSHAKE, &message(1, &body));
    // The first record says 1.0 for the sake of old middleboxes (RFC 8446 §5.1).
    if let Some(minor) = out.get_mut(2) {
        *minor = 1;
    }
    out
}

fn server_hello(session_id: &[u8], is_13: bool, is_post_quantum: bool, random: &mut Random) -> Vec<u8> {
    let (suite, extensions) = if is_13 {
        let key = if is_post_quantum { share(0x11ec, &random.bytes(1120)) } else { share(29, &random.bytes(32)) };
        (0x1301, [extension(51, &key), extension(43, &[3, 4])].concat())
    } else {
        (0xc02f, [extension(0xff01, &[0]), extension(16, &counted(2, b"\x02h2"))].concat())
    };
    let body =
        [&[3, 3][..], &random.bytes(32), &counted(1, session_id), &words(&[suite]), &[0], &counted(2, &extensions)]
            .concat();
    record(HANDSHAKE, &message(2, &body))
}

fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind, 3, 3][..], &counted(2, body)].concat()
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind][..], &counted(3, body)].concat()
}

fn extension(kind: u16, body: &[u8]) -> Vec<u8> {
    [&words(&[kind])[..], &counted(2, body)].concat()
}

fn share(group: u16, key: &[u8]) -> Vec<u8> {
    [&words(&[group])[..], &counted(2, key)].concat()
}

/// `body` behind its length in `width` bytes.
fn counted(width: usize, body: &[u8]) -> Vec<u8> {
    let len = (body.len() as u32).to_be_bytes();
    [len.get(4 - width..).unwrap_or_default(), body].concat()
}

fn words(of: &[u16]) -> Vec<u8> {
    of.iter().flat_map(|word| word.to_be_bytes()).collect()
}
