//! What does an entry say, in one line? For lists that people read and search.

use serde_yaml::Value;

use super::Entry;

impl Entry {
    /// What it is about: a token's class and places, a program's kind, a detector's number, a
    /// signal's points.
    #[must_use]
    pub fn gist(&self) -> String {
        let entry: Value = serde_yaml::from_str(&self.text).unwrap_or_default();
        match self.kind {
            "token" => format!("{}: {}", word(entry.get("class")), places(entry.get("where"))),
            "login" => words(entry.get("paths")),
            "agent" => word(entry.get("kind")),
            "detector" => {
                let off = entry.get("enabled").and_then(Value::as_bool) == Some(false);
                let number = crate::detect::CATALOGUE.iter().find(|info| info.name == self.id).map(|info| info.id);
                format!("{}{}", number.unwrap_or_default(), if off { ", off" } else { "" })
            }
            _ => word(entry.get(&self.id)),
        }
    }
}

/// `cookie PHPSESSID, header Authorization Bearer`.
fn places(list: Option<&Value>) -> String {
    let place = |place: &Value| {
        let pairs = place.as_mapping().into_iter().flatten();
        let pairs = pairs.map(|(key, value)| match key.as_str() {
            Some("scheme") => word(Some(value)),
            _ => format!("{} {}", word(Some(key)), words(Some(value)).replace(", ", "+")),
        });
        pairs.collect::<Vec<_>>().join(" ")
    };
    list.and_then(Value::as_sequence).into_iter().flatten().map(place).collect::<Vec<_>>().join(", ")
}

fn words(value: Option<&Value>) -> String {
    match value {
        Some(Value::Sequence(list)) => list.iter().map(|item| word(Some(item))).collect::<Vec<_>>().join(", "),
        other => word(other),
    }
}

fn word(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gist(kind: &'static str, id: &str, text: &str) -> String {
        let (id, source, text) = (id.to_owned(), String::new(), text.to_owned());
        Entry { kind, id, source, text, instead_of: None }.gist()
    }

    #[test]
    fn one_line_for_every_kind() {
        let token = "token: x\nclass: session\nwhere: [{cookie: A}, {header: B, scheme: C}, {cookies: [D, E]}]";
        assert_eq!(gist("token", "x", token), "session: cookie A, header B C, cookies D+E");
        assert_eq!(gist("login", "*", "paths: [/login, /signin]"), "/login, /signin");
        assert_eq!(gist("agent", "curl", "agent: curl\nkind: tool"), "tool");
        assert_eq!(gist("detector", "token.new_ip", "severity: score"), "TT-1001");
        assert_eq!(gist("detector", "token.new_ip", "enabled: false"), "TT-1001, off");
        assert_eq!(gist("weight", "network", "network: 20"), "20");
    }
}
