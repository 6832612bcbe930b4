//! What do browsers and web servers say to each other? Requests with cookies, and their responses.

use super::random::{Filler, Random};
use super::talk::{By, Talk};

const BROWSERS: [&str; 6] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15",
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:144.0) Gecko/20100101 Firefox/144.0",
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36 Edg/141.0.0.0",
];
const COOKIES: [&str; 5] = ["PHPSESSID", "JSESSIONID", "connect.sid", "sessionid", "ASP.NET_SessionId"];

/// A client at a server, by their numbers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Visit {
    pub(crate) client: u64,
    pub(crate) server: u64,
}

/// Who sends the requests of a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Visitor {
    /// A browser that has its cookie.
    Known(Visit),
    /// A browser that gets its cookie with the first response.
    New(Visit),
    /// A tool elsewhere that has the cookie of this visit.
    Thief(Visit),
}

impl Visitor {
    /// The visit whose cookie is sent.
    pub(crate) const fn visit(self) -> Visit {
        match self {
            Self::Known(visit) | Self::New(visit) | Self::Thief(visit) => visit,
        }
    }

    fn agent(self) -> &'static str {
        match self {
            Self::Thief(_) => "curl/8.14.1",
            Self::Known(visit) | Self::New(visit) => Random::of(visit.client, 0, 1).pick(&BROWSERS, "Mozilla/5.0"),
        }
    }
}

/// `PHPSESSID=…`: the same for ever for this client at this server.
fn session_cookie(visit: Visit) -> String {
    let name = Random::of(visit.server, 0, 2).pick(&COOKIES, "sid");
    format!("{name}={}", Random::of(visit.client, visit.server, 3).hex(2))
}

/// Bytes for bodies.
pub(crate) struct Bodies {
    text: Filler,
    noise: Filler,
}

impl Bodies {
    pub(crate) fn new(random: &mut Random) -> Self {
        Self { text: Filler::text(random), noise: Filler::noise(random) }
    }
}

/// A page, an image or a form with the headers that browsers send today.
pub(crate) fn full_exchange(talk: &mut Talk, visitor: Visitor, is_first: bool, bodies: &Bodies, random: &mut Random) {
    let visit = visitor.visit();
    let gets_cookie = is_first && matches!(visitor, Visitor::New(_));
    let form = if random.once_in(10) { random.between(40, 900) as usize } else { 0 };
    let (method, path) = match random.below(4) {
        _ if form > 0 => ("POST", format!("/cart/{}/update", random.below(9999))),
        0 => ("GET", format!("/assets/app.{:08x}.js", random.below(1 << 32))),
        1 => ("GET", format!("/api/v1/items/{}?page={}&sort=price", random.below(100_000), random.below(40))),
        2 => ("GET", format!("/images/{}/{}.webp", random.below(1000), random.below(1_000_000))),
        _ => ("GET", format!("/articles/{}/a-walk-along-the-harbour", random.below(9999))),
    };
    let mut request = format!("{method} {path} HTTP/1.1\r\nHost: shop{}.example\r\n", visit.server);
    request += &format!("User-Agent: {}\r\n", visitor.agent());
    if !matches!(visitor, Visitor::Thief(_)) {
        request += "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8\r\n";
        request += "Accept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate\r\nConnection: keep-alive\r\n";
        request += &format!("Referer: http://shop{}.example/articles/{}\r\n", visit.server, random.below(9999));
    }
    if !gets_cookie {
        let mut fixed = Random::of(visit.client, 0, 4);
        let analytics = format!("_ga=GA1.1.{}.{}", fixed.below(1 << 31), 1_760_000_000 + fixed.below(7_000_000));
        request += &format!("Cookie: {analytics}; theme=dark; {}; lang=en\r\n", session_cookie(visit));
    }
    if form > 0 {
        request += &format!("Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {form}\r\n");
    }
    let mut request = format!("{request}\r\n").into_bytes();
    request.extend(bodies.text.piece(random, form));
    talk.say(By::Client, &request, random);

    let is_image = random.below(5) < 2;
    let filler = if is_image { &bodies.noise } else { &bodies.text };
    let body = random.skewed(225, 5);
    let body = filler.piece(random, body);
    let status = if random.once_in(16) { "404 Not Found" } else { "200 OK" };
    let kind = if is_image { "image/webp" } else { "text/html; charset=utf-8" };
    let mut response = format!("HTTP/1.1 {status}\r\nServer: nginx\r\nDate: Thu, 01 Jan 2026 00:00:01 GMT\r\n");
    response += &format!("Content-Type: {kind}\r\nCache-Control: max-age=3600\r\nX-Request-Id: {}\r\n", random.hex(1));
    if gets_cookie {
        response += &format!("Set-Cookie: {}; Path=/; HttpOnly; SameSite=Lax\r\n", session_cookie(visit));
    }
    let mut response = response.into_bytes();
    if random.once_in(6) {
        response.extend(b"Transfer-Encoding: chunked\r\n\r\n");
        for chunk in body.chunks(4096) {
            response.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
            response.extend(chunk);
            response.extend(b"\r\n");
        }
        response.extend(b"0\r\n\r\n");
    } else {
        response.extend(format!("Content-Length: {}\r\n\r\n", body.len()).into_bytes());
        response.extend(body);
    }
    talk.say(By::Server, &response, random);
}

/// A poll: a short request, and a response of a line or two.
pub(crate) fn tiny_exchange(talk: &mut Talk, visitor: Visitor, is_first: bool, random: &mut Random) {
    let visit = visitor.visit();
    let gets_cookie = is_first && matches!(visitor, Visitor::New(_));
    let agent = visitor.agent();
    let agent = agent.get(..40).unwrap_or(agent);
    let mut request = format!("GET /poll/{} HTTP/1.1\r\nHost: shop{}.example\r\n", random.below(9999), visit.server);
    request += &format!("User-Agent: {agent}\r\n");
    if !gets_cookie {
        request += &format!("Cookie: {}\r\n", session_cookie(visit));
    }
    talk.say(By::Client, format!("{request}\r\n").as_bytes(), random);

    let cookie = if gets_cookie { format!("Set-Cookie: {}\r\n", session_cookie(visit)) } else { String::new() };
    let response = match random.below(3) {
        0 => format!("HTTP/1.1 304 Not Modified\r\n{cookie}ETag: \"5f3a\"\r\n\r\n"),
        1 => format!("HTTP/1.1 204 No Content\r\n{cookie}Server: nginx\r\n\r\n"),
        _ => {
            let news = random.between(1, 99_999_999).to_string();
            format!("HTTP/1.1 200 OK\r\n{cookie}Content-Length: {}\r\n\r\n{news}", news.len())
        }
    };
    talk.say(By::Server, response.as_bytes(), random);
}
