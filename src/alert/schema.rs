//! What form do the lines have? JSON Schema (draft 2020-12), made from the very structs that write them.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde_json::Value;

use super::ecs::EcsAlert;
use super::event::HttpEvent;
use super::summary::SummaryEvent;
use super::tls_event::TlsEvent;

/// Schema of an alert line.
#[must_use]
pub fn schema_alert() -> Value {
    of::<EcsAlert<'static>>("tokentrail alert")
}

/// Schema of a line of the metadata log: a transaction, a TLS handshake or the summary.
#[must_use]
pub fn schema_event() -> Value {
    of::<EventLine>("tokentrail event")
}

/// Lines of the metadata log, told apart by `event.dataset`.
#[derive(JsonSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "only its schema is of use")]
enum EventLine {
    Http(HttpEvent<'static>),
    Tls(TlsEvent<'static>),
    Summary(SummaryEvent<'static>),
}

fn of<T: JsonSchema>(title: &str) -> Value {
    // As lines are written, not read: what is always written is required.
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let mut schema: Schema = generator.into_root_schema_for::<T>();
    schema.insert("title".into(), title.into());
    schema.to_value()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{ecs, event, testing};
    use super::*;
    use crate::detect::Severity;

    #[test]
    fn they_are_draft_2020_12() {
        for schema in [schema_alert(), schema_event()] {
            assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
            assert!(jsonschema::draft202012::meta::is_valid(&schema));
        }
    }

    #[test]
    fn a_changed_line_is_refused() {
        let sensor = testing::sensor();
        let alert = testing::alert(testing::finding("TT-1003", Severity::High, testing::stolen_session()));
        let alert: Value = serde_json::from_str(&ecs::line(&alert, &sensor)).unwrap();
        let event: Value = serde_json::from_str(&event::line(&testing::transaction(), &sensor)).unwrap();
        for (schema, line, path, wrong) in [
            (schema_alert(), &alert, "/event/dataset", json!("tokentrail.http")),
            (schema_alert(), &alert, "/event/id", json!("7f3a")),
            (schema_alert(), &alert, "/tokentrail/severity", json!("awful")),
            (schema_alert(), &alert, "/tokentrail", json!({})),
            (schema_event(), &event, "/event/dataset", json!("tokentrail.summary")),
            (schema_event(), &event, "/tokentrail/tokens/0/direction", json!("sideways")),
        ] {
            let validator = jsonschema::validator_for(&schema).unwrap();
            assert!(validator.is_valid(line));
            let mut changed = line.clone();
            *changed.pointer_mut(path).unwrap() = wrong;
            assert!(!validator.is_valid(&changed), "{path}");
        }
    }
}
