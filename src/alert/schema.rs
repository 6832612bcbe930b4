//! What form do the lines have? JSON Schema (draft 2020-12), made from the very structs that write them.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde_json::Value;

use super::ecs::EcsAlert;
use super::event::HttpEvent;
use super::summary::SummaryEvent;

/// Schema of an alert line.
#[must_use]
pub fn schema_alert() -> Value {
    of::<EcsAlert<'static>>("tokentrail alert")
}

/// Schema of a line of the metadata log: a transaction or the summary.
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
    use super::*;

    #[test]
    fn schemas_are_schemas_and_refuse_other_lines() {
        for schema in [schema_alert(), schema_event()] {
            assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
            assert!(jsonschema::draft202012::meta::is_valid(&schema));
            let validator = jsonschema::validator_for(&schema).unwrap();
            assert!(!validator.is_valid(&serde_json::json!({})));
            assert!(!validator.is_valid(&serde_json::json!({"event": {"dataset": "other"}})));
        }
    }
}
