//! Is a request that repeats the one before told as it would be if its fields were read?

use super::*;
use crate::identity::topology::{Networks, network};
use crate::proto::{Ambiguity, FIRST_RIVAL};

#[test]
fn a_repeat_shares_the_view_of_the_request_before_and_is_one_of_its_own() {
    let mut bench = Bench::new();
    bench.tap.transactions = false;
    let cookie = format!("PHPSESSID={STRONG}");
    let fields = [HOST, ("Cookie", &*cookie), ("Accept-Language", "en")];
    let mut request = |target: &str, list: &[(&str, &str)], gaps| {
        bench.flow.gaps = gaps;
        let seen = bench.request(target, list);
        tokens(&seen)[0].request.clone()
    };
    let first = request("/a?b=1", &fields, 0);
    let again = request("/c", &fields, 0);
    assert!(Arc::ptr_eq(&first.like, &again.like) && first.hash != again.hash);
    assert_eq!((again.id.ordinal, again.view().id, again.view().complete), (1, again.id, stamp(5)));
    let others = [
        request("/login", &fields, 0),
        request(&format!("/?session_id={OTHER}"), &fields, 0),
        request("/a", &[fields[0], fields[2], fields[1]], 0),
        request("/a", &[fields[0], fields[1], ("Accept-Language", "de")], 0),
        request("/a", &[fields[0], fields[1], fields[2], ("User-Agent", "x")], 0),
        request("/a", &fields, 1),
    ];
    for other in others {
        assert!(!Arc::ptr_eq(&first.like, &other.like) && other.like.id == other.id, "{}", other.id.ordinal);
    }
    assert_eq!(bench.tap.counters.sightings.iter().sum::<u64>(), 9, "one request has two tokens");
}

/// A connection as HTTP/1 tells it: with [`MessageSink::on_again`] or without.
struct Connection {
    bench: Bench,
    /// Fields of the request told last, where repeats are offered.
    before: Option<Vec<(String, String)>>,
    /// Whether they are.
    offers: bool,
    /// How many were taken.
    taken: u32,
    told: String,
}

/// What happens on a connection.
#[derive(Clone, Debug)]
enum Step {
    Request { method: &'static str, target: String, fields: Vec<(String, String)>, rival: bool },
    Reply { status: u16, fields: Vec<(&'static str, String)> },
    Body(String),
    Gap,
    OtherSide,
    Preamble,
    Hello,
    Ambiguous,
    Rules,
}

impl Connection {
    fn new(transactions: bool, offers: bool, proxy: bool) -> Self {
        let mut bench = Bench::new();
        bench.tap.transactions = transactions;
        bench.flow.two_sided = false;
        if proxy {
            bench.tap.set_rules(Arc::new(proxied()));
        }
        Self { bench, before: None, offers, taken: 0, told: String::new() }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Request { method, target, fields, rival } => self.request(method, target, fields, *rival),
            Step::Reply { status, fields } => {
                let fields: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (*n, &**v)).collect();
                let seen = self.bench.response(*status, &fields);
                self.note(&seen);
            }
            Step::Body(text) => {
                let (Some(ordinal), dir) = (self.bench.next.checked_sub(1), Direction::Forward) else { return };
                self.tell(Message::Body { ordinal, dir, at: stamp(6), bytes: text.as_bytes(), whole: true });
            }
            Step::Gap => self.bench.flow.gaps += 1,
            Step::OtherSide => self.bench.flow.two_sided = true,
            Step::Preamble => {
                let client = Some(Endpoint { ip: "192.0.2.7".parse().unwrap(), port: 1 });
                self.tell(Message::ProxyPreamble { dir: Direction::Forward, client });
            }
            Step::Hello => {
                let body = [&[3, 3][..], &[7; 32], &[0, 0, 2, 0x13, 0x01, 1, 0]].concat();
                let hello = ClientHello::read(&body).unwrap();
                let (dir, first, complete) = (Direction::Forward, stamp(2), stamp(2));
                self.tell(Message::ClientHello { dir, first, complete, hello });
            }
            Step::Ambiguous => self.tell(Message::Ambiguous {
                ordinal: None,
                dir: Direction::Forward,
                at: stamp(5),
                kind: Ambiguity::BareLineEnd,
            }),
            Step::Rules => self.bench.tap.set_rules(Arc::new(proxied())),
        }
    }

    fn request(&mut self, method: &str, target: &str, fields: &[(String, String)], rival: bool) {
        let ordinal = if rival { FIRST_RIVAL + self.bench.next } else { self.bench.next };
        self.bench.next += u32::from(!rival);
        let (dir, first, complete) = (Direction::Forward, stamp(4), stamp(5 + u64::from(ordinal)));
        let (method, target, version) = (method.as_bytes(), target.as_bytes(), HttpVersion::V11);
        let is_again = self.offers && !rival && self.before.as_deref() == Some(fields);
        let again = Again { ordinal, dir, first, complete, method, target, version };
        if is_again && self.bench.tap.on_again(&mut self.bench.state, &self.bench.flow, &again) {
            self.taken += 1;
        } else {
            let list: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (&**n, &**v)).collect();
            let headers = headers(&list);
            let head = RequestHead { method, target, version, headers: &headers };
            let message = Message::Request { ordinal, dir, first, complete, head };
            self.bench.tap.on_message(&mut self.bench.state, &self.bench.flow, message);
        }
        if !rival {
            self.before = Some(fields.to_vec());
        }
        let wanted = self.bench.tap.body_wanted(&mut self.bench.state);
        let seen: Vec<Seen> = self.bench.tap.drain().collect();
        self.told += &format!("wants {wanted}\n");
        self.note(&seen);
    }

    fn tell(&mut self, message: Message<'_>) {
        self.bench.tap.on_message(&mut self.bench.state, &self.bench.flow, message);
        let seen: Vec<Seen> = self.bench.tap.drain().collect();
        self.note(&seen);
    }

    /// Each sighting with the whole view of its request, however that is shared.
    fn note(&mut self, seen: &[Seen]) {
        for seen in seen {
            self.told += &match seen {
                Seen::Token(TokenSighting { token, action, request, at, plaintext }) => {
                    format!("{token:?} {action:?} {at:?} {plaintext} {:?} {:?}\n", request.hash, request.view())
                }
                Seen::Outcome(OutcomeSighting { request, tokens, renewed, login, status, at }) => {
                    format!("{tokens:?} {renewed:?} {login} {status} {at:?} {:?} {:?}\n", request.hash, request.view())
                }
                other => format!("{other:?}\n"),
            };
        }
    }
}

/// Rules under which the client of the bench is a proxy.
fn proxied() -> TapRules {
    let trusted_proxies = Networks(vec![network("10.0.0.10").unwrap()]);
    TapRules { topology: Arc::new(Topology { trusted_proxies, ..Topology::default() }), ..rules() }
}

fn steps() -> impl Strategy<Value = Step> {
    let cookie = prop::sample::select(vec![
        format!("PHPSESSID={STRONG}; theme=dark"),
        format!("PHPSESSID={STRONG}; CFID=12345; CFTOKEN={OTHER}"),
        "PHPSESSID=healthcheck".to_owned(),
        format!("PHPSESSID=%36{}", &STRONG[1..]),
        "theme=dark".to_owned(),
    ]);
    let more = prop::sample::select(vec![
        vec![],
        vec![],
        vec![("Accept-Language", "de")],
        vec![("X-Forwarded-For", "192.0.2.9")],
        vec![("X-Forwarded-For", "192.0.2.9"), ("Forwarded", "for=192.0.2.8")],
        vec![("Content-Type", "application/x-www-form-urlencoded")],
        vec![("Accept", "text/html")],
    ]);
    let host = prop::sample::select(vec!["www.shop.test", "www.shop.test", "other.test"]);
    let fields = (host, cookie, more).prop_map(|(host, cookie, more)| {
        let mut fields = vec![("Host".to_owned(), host.to_owned()), ("Cookie".to_owned(), cookie)];
        fields.extend(more.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())));
        fields
    });
    let target = prop_oneof![
        4 => "/[a-z]{0,12}(\\?[a-z]{1,3}=[a-z0-9]{0,20})?",
        1 => "/[a-zA-Z0-9%/]{10,40}",
        1 => prop::sample::select(vec![
            "/login".to_owned(), "/oauth/token".to_owned(), "/healthcheck".to_owned(), "/?q=healthcheck&r=1".to_owned(),
            format!("/{STRONG}"), format!("/?PHPSESSID={OTHER}"), format!("/a;jsessionid={THIRD}"), "*".to_owned(),
            "http://elsewhere.test/x".to_owned(), format!("/reset/{OTHER}?{STRONG}"), String::new(),
        ]),
    ];
    let method = prop::sample::select(vec!["GET", "GET", "POST", "CONNECT", "healthcheck"]);
    let request = (method, target, fields, prop::bool::weighted(0.05))
        .prop_map(|(method, target, fields, rival)| Step::Request { method, target, fields, rival });
    let reply = (
        prop::sample::select(vec![200, 200, 304, 302, 401, 404, 500]),
        prop::sample::select(vec![
            vec![],
            vec![],
            vec![("Set-Cookie", format!("PHPSESSID={OTHER}"))],
            vec![("Set-Cookie", "PHPSESSID=; Max-Age=0".to_owned())],
            vec![("Location", "/login".to_owned())],
            vec![("X-Api-Key", THIRD.to_owned())],
            vec![("Content-Type", "application/json".to_owned())],
        ]),
    )
        .prop_map(|(status, fields)| Step::Reply { status, fields });
    prop_oneof![
        12 => request,
        8 => reply,
        1 => Just(Step::Body(format!("PHPSESSID={THIRD}&a=b"))),
        1 => prop::sample::select(vec![
            Step::Gap, Step::OtherSide, Step::Preamble, Step::Hello, Step::Ambiguous, Step::Rules,
        ]),
    ]
}

proptest! {
    /// A step is repeated some times, as clients do.
    #[test]
    fn a_request_is_told_alike_whether_or_not_its_fields_are_read(
        steps in proptest::collection::vec((steps(), steps(), 1..4_usize), 1..12),
        transactions: bool,
        proxy: bool,
    ) {
        let mut read = Connection::new(transactions, false, proxy);
        let mut offered = Connection::new(transactions, true, proxy);
        for (first, second, times) in steps {
            for _ in 0..times {
                for step in [&first, &second] {
                    read.step(step);
                    offered.step(step);
                    prop_assert_eq!(&read.told, &offered.told);
                }
            }
        }
        let end = |c: &mut Connection| c.tell(Message::End { at: stamp(9) });
        end(&mut read);
        end(&mut offered);
        prop_assert_eq!(&read.told, &offered.told);
        let counters = |c: &Connection| format!("{:?}", c.bench.tap.counters);
        prop_assert_eq!(counters(&read), counters(&offered));
    }
}

proptest! {
    #[test]
    fn a_repeat_is_told_as_the_first_request_of_a_flow_would_be(targets in proptest::collection::vec("/[a-z0-9/]{0,30}(\\?[a-z=&]{0,20})?", 1..8)) {
        let fields = [HOST, ("Cookie", "PHPSESSID=healthcheck; JSESSIONID=699deef4f79d4de90c447a4488735140")];
        let fields: Vec<_> = fields.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let mut offered = Connection::new(true, true, false);
        for target in &targets {
            let mut alone = Connection::new(true, true, false);
            alone.bench.next = offered.bench.next;
            offered.told.clear();
            for connection in [&mut offered, &mut alone] {
                connection.request("GET", target, &fields, false);
                connection.step(&Step::Reply { status: 200, fields: vec![] });
            }
            prop_assert_eq!(&offered.told, &alone.told);
        }
    }
}

#[test]
fn repeats_are_taken_without_their_fields() {
    let mut connection = Connection::new(false, true, false);
    let fields: Vec<_> = [HOST, ("Cookie", &format!("PHPSESSID={STRONG}"))].map(|(n, v)| (n.into(), v.into())).into();
    for target in ["/", "/account?page=1", "/login", "/b", &format!("/{STRONG}"), "/c"] {
        connection.request("GET", target, &fields, false);
        connection.step(&Step::Reply { status: 200, fields: vec![] });
    }
    assert_eq!(connection.taken, 3, "neither the first, nor the login, nor the token in the path");
    assert!(TokenTap::held_bytes(&connection.bench.state) == 0 && size_of::<FlowTokens>() <= 24);
}

#[test]
fn the_path_of_a_repeat_is_its_own_and_masked() {
    let mut bench = Bench::new();
    let fields = [HOST, ("Cookie", "PHPSESSID=healthcheck")];
    bench.request("/a", &fields);
    let seen = bench.request(&format!("/b/{OTHER}?x=1"), &fields);
    let sighting = tokens(&seen)[0];
    assert!(sighting.request.like.id.ordinal == 0 && !format!("{seen:?}").contains(&OTHER[..12]));
    let http = sighting.request.view().http.clone().unwrap();
    assert_eq!((&*http.path, http.query.as_deref()), ("/b/‹…›", Some("x=‹…›")));
}

#[test]
fn the_last_requests_of_flows_are_bounded_and_forgotten_at_their_end() {
    let mut bench = Bench::new();
    bench.tap.latest = super::latest::Latest::within(0);
    let fields = [HOST, ("Cookie", &*format!("PHPSESSID={STRONG}"))];
    let ask = |bench: &mut Bench, number: u64, state: &mut FlowTokens| {
        bench.flow.id = FlowId(stamp(number).frame);
        std::mem::swap(&mut bench.state, state);
        let seen = bench.request("/", &fields);
        bench.response(200, &[]);
        std::mem::swap(&mut bench.state, state);
        tokens(&seen)[0].request.clone()
    };
    let (mut one, mut two) = (FlowTokens::default(), FlowTokens::default());
    let repeats = |request: &Request| request.id != request.like.id;
    assert!(!repeats(&ask(&mut bench, 1, &mut one)) && repeats(&ask(&mut bench, 1, &mut one)));
    assert!(!repeats(&ask(&mut bench, 2, &mut two)) && repeats(&ask(&mut bench, 2, &mut two)));
    assert!(!repeats(&ask(&mut bench, 1, &mut one)), "its place is another's");
    let forgotten =
        |bench: &Bench| bench.tap.token_counters().limits().into_iter().find(|(name, _)| *name == "repeats");
    assert_eq!(forgotten(&bench), Some(("repeats", 2)));
    bench.state = one;
    bench.flow.id = FlowId(stamp(1).frame);
    bench.end();
    ask(&mut bench, 3, &mut two);
    assert_eq!(forgotten(&bench), Some(("repeats", 2)), "the place of a flow that is over is free");
}

#[test]
fn what_is_told_of_a_repeat_and_kept_of_a_flow_is_small() {
    assert!(size_of::<Seen>() <= 80 && size_of::<Waiting>() <= 40);
    let kept = size_of::<super::super::latest::Like>() + size_of::<RequestView>();
    assert!(kept <= 384, "{kept}");
}
